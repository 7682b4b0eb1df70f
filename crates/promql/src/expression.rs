use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use promql_parser::parser::{self, Expr};
use regex::Regex;

/// Grafana's variables for durations, each with a duration that nobody writes by hand and that
/// stands for it in the tree.
const DURATIONS: [(&str, &str); 3] =
    [("$__rate_interval", "7919s"), ("$__interval", "7927s"), ("$__range", "7933s")];

/// Deeper nesting is refused rather than risked: the parser and every walk recurse.
const MAX_DEPTH: usize = 200;

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
        let depth = source.bytes().scan(0_usize, |depth, byte| {
            match byte {
                b'(' => *depth += 1,
                b')' => *depth = depth.saturating_sub(1),
                _ => {}
            }
            Some(*depth)
        });
        if depth.max().unwrap_or(0) > MAX_DEPTH || source.matches(['-', '+']).count() > 10_000 {
            let message = format!("it is nested more than {MAX_DEPTH} deep");
            return Err(ParseError { source_text: source.to_owned(), message });
        }
        let tree = parser::parse(&stand_ins(source))
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

    pub(crate) fn from_tree(tree: Expr) -> Self {
        let mut expression = Self { source: String::new(), tree };
        expression.source = expression.to_string();
        expression
    }

    /// The expression over several lines where it is long.
    #[must_use]
    pub fn pretty(&self) -> String {
        variables(&self.tree.prettify()).into_owned()
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&variables(&self.tree.to_string()))
    }
}

/// Puts a duration in the place of each variable.
fn stand_ins(source: &str) -> Cow<'_, str> {
    static VARIABLE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"\$(__rate_interval|__interval|__range)\b|\$\{(__rate_interval|__interval|__range)\}")
            .ok()
    });
    let Some(variable) = &*VARIABLE else { return Cow::Borrowed(source) };
    variable.replace_all(source, |found: &regex::Captures<'_>| {
        let name = found.get(1).or(found.get(2)).map_or("", |name| name.as_str());
        DURATIONS
            .iter()
            .find(|(variable, _)| variable[1..] == *name)
            .map_or("", |(_, duration)| duration)
            .to_owned()
    })
}

/// Puts the variables back. The parser prints durations in its own way (`2h11m59s`).
fn variables(printed: &str) -> Cow<'_, str> {
    static PRINTED: LazyLock<Vec<(String, &str)>> = LazyLock::new(|| {
        let print = |duration: &str| {
            let selector =
                parser::parse(&format!("x[{duration}]")).map(|tree| tree.to_string()).unwrap_or_default();
            selector.trim_start_matches("x[").trim_end_matches(']').to_owned()
        };
        DURATIONS.iter().map(|(variable, duration)| (print(duration), *variable)).collect()
    });
    let mut text = Cow::Borrowed(printed);
    for (duration, variable) in PRINTED.iter() {
        if text.contains(duration.as_str()) {
            text = Cow::Owned(text.replace(duration.as_str(), variable));
        }
    }
    text
}

/// An expression that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{source_text:?} cannot be read as PromQL: {message}")]
pub struct ParseError {
    source_text: String,
    message: String,
}

impl ParseError {
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
    fn bad_input_is_an_error() {
        for text in ["", "rate(", "a{b=~\"(\"}", &"(".repeat(10_000), "sum by (", "\0"] {
            assert!(Expression::parse(text).is_err(), "{}", &text[..text.len().min(20)]);
        }
    }
}
