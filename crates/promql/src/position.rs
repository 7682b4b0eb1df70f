//! Where things stand in an expression's text. The parser keeps no positions, so words are found
//! again by a scan that knows what is a string and what a comment.

use std::ops::Range;

/// The words of an expression (names, keywords, numbers) and its strings, in order.
pub(crate) fn tokens(text: &str) -> Vec<(Range<usize>, bool)> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        match bytes[at] {
            quote @ (b'"' | b'\'' | b'`') => {
                at += 1;
                while at < bytes.len() && bytes[at] != quote {
                    at += if bytes[at] == b'\\' && quote != b'`' { 2 } else { 1 };
                }
                at = (at + 1).min(bytes.len());
                tokens.push((start..at, true));
            }
            b'#' => at += text[at..].find('\n').unwrap_or(text.len() - at),
            byte if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':') => {
                while at < bytes.len()
                    && (bytes[at].is_ascii_alphanumeric() || matches!(bytes[at], b'_' | b':'))
                {
                    at += 1;
                }
                tokens.push((start..at, false));
            }
            _ => at += 1,
        }
    }
    tokens
}

/// The `nth` place of `word`, as a name or as the whole content of a string; the whole text if it
/// is not there.
pub(crate) fn locate(text: &str, word: &str, nth: usize) -> Range<usize> {
    tokens(text)
        .into_iter()
        .filter(|(range, string)| {
            let found = text.get(range.clone()).unwrap_or_default();
            if *string {
                found.len() >= 2 && found.get(1..found.len() - 1) == Some(word)
            } else {
                found == word
            }
        })
        .map(|(range, _)| range)
        .nth(nth)
        .unwrap_or(0..text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_outside_strings_and_whole() {
        let text = r#"rate(a_b{x="a"}[5m]) + a # a"#;
        assert_eq!(locate(text, "a", 1), 23..24);
        assert_eq!(&text[locate(text, "a", 0)], "\"a\"");
        assert_eq!(locate(text, "nothing", 0), 0..text.len());
        assert_eq!(locate("\"é\\", "x", 0), 0..4);
    }
}
