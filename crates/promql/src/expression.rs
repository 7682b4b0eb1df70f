use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use promql_parser::parser::{self, Expr};
use regex::Regex;

use crate::position::tokens;

/// Grafana's variables for durations, each with a duration that nobody writes by hand and that
/// stands for it in the tree.
const DURATIONS: [(&str, &str); 3] =
    [("$__rate_interval", "7919s919ms"), ("$__interval", "7927s927ms"), ("$__range", "7933s933ms")];

/// Deeper nesting is refused rather than risked: the parser and every walk recurse.
const MAX_DEPTH: usize = 200;

/// So is a chain of more operators, which nests as deep.
const MAX_OPERATORS: usize = 600;

/// Nobody writes a longer one.
const MAX_BYTES: usize = 64 * 1024;

/// How many operators there may be in a text without strings: a few too many rather than too few.
fn operators(code: &str) -> usize {
    let signs = code.matches(['-', '+', '*', '/', '%', '^', '<', '>', '=', '!', '[']).count();
    let words = code.split(|c: char| !c.is_ascii_alphanumeric());
    signs
        + words
            .filter(|word| matches!(word.to_ascii_lowercase().as_str(), "and" | "or" | "unless" | "atan2"))
            .count()
}

/// A parsed expression.
///
/// Grafana's `$__rate_interval`, `$__interval` and `$__range` are understood as durations;
/// `$variables` inside label values are ordinary text.
#[derive(Clone, Debug)]
pub struct Expression {
    source: String,
    tree: Expr,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// If it is not PromQL, or not what the parser can read, with what the parser says.
    pub fn parse(source: &str) -> Result<Self, ParseError> {
        if source.len() > MAX_BYTES {
            let message = format!("it is longer than {MAX_BYTES} bytes");
            return Err(ParseError { source_text: source.chars().take(100).collect(), message });
        }
        let code = segments(source, Cow::Borrowed, |_| Cow::Borrowed(" "));
        let depth = code.bytes().scan(0_usize, |depth, byte| {
            match byte {
                b'(' => *depth += 1,
                b')' => *depth = depth.saturating_sub(1),
                _ => {}
            }
            Some(*depth)
        });
        if depth.max().unwrap_or(0) > MAX_DEPTH || operators(&code) > MAX_OPERATORS {
            let message = format!(
                "it is nested more than {MAX_DEPTH} deep, or has more than {MAX_OPERATORS} operators"
            );
            return Err(ParseError { source_text: source.to_owned(), message });
        }
        let tree = parser::parse(&prepared(source))
            .map_err(|message| ParseError { source_text: source.to_owned(), message })?;
        Ok(Self { source: source.to_owned(), tree })
    }

    /// The text as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The tree.
    #[must_use]
    pub fn tree(&self) -> &Expr {
        &self.tree
    }

    /// The expression of a tree.
    pub(crate) fn from_tree(tree: &Expr) -> Result<Self, ParseError> {
        let read = Self::parse(&variables(&tree.to_string()))?;
        // Both ways of printing must read back.
        Self::parse(&read.pretty())?;
        Ok(read)
    }

    /// The expression over several lines where it is long.
    #[must_use]
    pub fn pretty(&self) -> String {
        variables(&self.tree.prettify())
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&variables(&self.tree.to_string()))
    }
}

/// The text as the parser takes it: durations for Grafana's variables, and strings in backticks,
/// which it reads as if they had escapes, in double quotes.
fn prepared(source: &str) -> String {
    static VARIABLE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let name = "__rate_interval|__interval|__range";
        // Only where a duration stands: elsewhere the variable is something else.
        Regex::new(&format!(r"([\[:]\s*|\boffset\s+)\$(?:({name})\b|\{{({name})\}})")).ok()
    });
    let duration = |found: &regex::Captures<'_>| {
        let name = found.get(2).or(found.get(3)).map_or("", |name| name.as_str());
        let duration = DURATIONS.iter().find(|(variable, _)| variable[1..] == *name);
        format!("{}{}", &found[1], duration.map_or("", |(_, duration)| duration))
    };
    segments(
        source,
        |code| VARIABLE.as_ref().map_or(Cow::Borrowed(code), |variable| variable.replace_all(code, duration)),
        |string| match string.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
            Some(raw) => {
                let escaped = raw.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                Cow::Owned(format!("\"{escaped}\""))
            }
            None => Cow::Borrowed(string),
        },
    )
}

/// Puts the variables back. The parser prints durations in its own way (`2h11m59s919ms`).
fn variables(printed: &str) -> String {
    static PRINTED: LazyLock<Vec<(String, &str)>> = LazyLock::new(|| {
        let print = |duration: &str| {
            let selector =
                parser::parse(&format!("x[{duration}]")).map(|tree| tree.to_string()).unwrap_or_default();
            selector.trim_start_matches("x[").trim_end_matches(']').to_owned()
        };
        DURATIONS.iter().map(|(variable, duration)| (print(duration), *variable)).collect()
    });
    let restored = |code: &str| {
        PRINTED.iter().fold(code.to_owned(), |code, (duration, variable)| code.replace(duration, variable))
    };
    segments(printed, |code| Cow::Owned(restored(code)), Cow::Borrowed)
}

/// Rewrites what stands outside and what stands inside of strings.
fn segments<'a>(
    text: &'a str,
    outside: impl Fn(&'a str) -> Cow<'a, str>,
    string: impl Fn(&'a str) -> Cow<'a, str>,
) -> String {
    let mut rewritten = String::with_capacity(text.len());
    let mut after = 0;
    for (range, _) in tokens(text).into_iter().filter(|(_, is_string)| *is_string) {
        rewritten.push_str(&outside(text.get(after..range.start).unwrap_or_default()));
        rewritten.push_str(&string(text.get(range.clone()).unwrap_or_default()));
        after = range.end;
    }
    rewritten.push_str(&outside(text.get(after..).unwrap_or_default()));
    rewritten
}

/// An expression that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{source_text:?} cannot be read as PromQL: {message}")]
pub struct ParseError {
    source_text: String,
    message: String,
}

impl ParseError {
    /// The parser's printer loses some rare forms (`ignoring ()`, a negative `@`): an expression that
    /// would not read back as it was is refused, never changed.
    pub(crate) fn lost(source: &str) -> Self {
        let message = "it cannot be printed again as it is meant: write it in another way".to_owned();
        Self { source_text: source.to_owned(), message }
    }

    /// What the parser says, without the expression.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_survive_the_tree() {
        for text in [
            "rate(a_total[$__rate_interval])",
            r#"sum by (le) (rate(a_bucket{job=~"$job"}[$__rate_interval]))"#,
            "max_over_time(a[$__range])",
        ] {
            assert_eq!(Expression::parse(text).unwrap().to_string(), text);
        }
        let braces = Expression::parse("rate(a_total[${__rate_interval}])").unwrap();
        assert_eq!(braces.to_string(), "rate(a_total[$__rate_interval])");
    }

    #[test]
    fn strings_are_left_alone() {
        for text in [
            r#"rate(a_total{x="$__interval"}[5m])"#,
            r#"g{x="2h11m59s919ms"}"#,
            r#"g{x="a $__range b # c"} - max_over_time(g[$__range])"#,
        ] {
            assert_eq!(Expression::parse(text).unwrap().to_string(), text);
        }
        let raw = Expression::parse(r#"a_total{x=~`a\.b"c`}"#).unwrap();
        assert_eq!(raw.to_string(), r#"a_total{x=~"a\\.b\"c"}"#);
    }

    #[test]
    fn bad_input_is_an_error() {
        let chain = |operator: &str| format!("a{}", format!("{operator}a").repeat(10_000));
        for text in [chain("+"), chain(" or "), chain("*"), chain("^"), "-".repeat(10_000) + "a"] {
            assert!(Expression::parse(&text).unwrap_err().message().contains("operators"));
        }
        // What is allowed fits the small stack of a test's thread.
        let long = Expression::parse(&format!("a{}", " or a".repeat(MAX_OPERATORS))).unwrap();
        assert!(!long.pretty().is_empty());
        let catalog = bellwether_catalog::Catalog::default();
        assert_eq!(crate::check(&long, &catalog, &[]).len(), MAX_OPERATORS + 1);
        for text in ["", "rate(", "a{b=~\"(\"}", &"(".repeat(10_000), "sum by (", "\0"] {
            assert!(Expression::parse(text).is_err(), "{}", &text[..text.len().min(20)]);
        }
    }
}
