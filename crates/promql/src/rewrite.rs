use std::collections::BTreeSet;

use bellwether_catalog::Catalog;
use promql_parser::label::{METRIC_NAME, MatchOp, Matcher};
use promql_parser::parser::{Expr, VectorSelector};
use regex::Regex;

use crate::expression::{Expression, ParseError};

/// What is added to every selector of an expression.
#[derive(Clone, Debug, Default)]
pub struct Rewrite<'a> {
    /// Metrics whose names take the prefix; other names stay.
    pub catalog: Option<&'a Catalog>,
    /// Put before those names.
    pub prefix: &'a str,
    /// Matchers to add where the selector has none for the label: `("job", "=~", "$job")`.
    pub matchers: &'a [(String, String, String)],
}

impl Rewrite<'_> {
    /// The expression with all its selectors rewritten.
    ///
    /// # Errors
    /// If the result cannot be written down as it is meant.
    pub fn apply(&self, expression: &Expression) -> Result<Expression, ParseError> {
        let mut tree = expression.tree().clone();
        each_selector(&mut tree, &mut |selector| self.selector(selector));
        let rewritten = Expression::from_tree(&tree)?;
        let mut read = rewritten.tree().clone();
        for tree in [&mut tree, &mut read] {
            each_selector(tree, &mut |selector| {
                selector.matchers.matchers.sort_by_cached_key(Matcher::to_string)
            });
        }
        if read == tree { Ok(rewritten) } else { Err(ParseError::lost(expression.source())) }
    }

    fn selector(&self, selector: &mut VectorSelector) {
        let takes_prefix = |name: &str| {
            let metric = self.catalog.and_then(|catalog| catalog.resolve(name));
            metric.is_some_and(|(metric, _)| metric.prefixed)
        };
        if let Some(name) = selector.name.as_mut().filter(|name| takes_prefix(name)) {
            name.insert_str(0, self.prefix);
        }
        for matcher in &mut selector.matchers.matchers {
            if matcher.name == METRIC_NAME && matcher.op == MatchOp::Equal && takes_prefix(&matcher.value) {
                matcher.value.insert_str(0, self.prefix);
            }
        }
        for (name, op, value) in self.matchers {
            let present = selector.matchers.matchers.iter().any(|matcher| matcher.name == *name);
            if !present && let Some(op) = operator(op, value) {
                selector.matchers.matchers.push(Matcher::new(op, name, value));
            }
        }
    }
}

fn operator(op: &str, value: &str) -> Option<MatchOp> {
    // As the parser makes it. It is never run: `$job` is Grafana's to fill in.
    let never = || Regex::new(&format!("^(?:{value})$")).ok();
    match op {
        "=" => Some(MatchOp::Equal),
        "!=" => Some(MatchOp::NotEqual),
        "=~" => never().map(MatchOp::Re),
        "!~" => never().map(MatchOp::NotRe),
        _ => None,
    }
}

fn each_selector(tree: &mut Expr, visit: &mut impl FnMut(&mut VectorSelector)) {
    match tree {
        Expr::VectorSelector(selector) => visit(selector),
        Expr::MatrixSelector(selector) => visit(&mut selector.vs),
        Expr::Aggregate(aggregate) => {
            if let Some(param) = &mut aggregate.param {
                each_selector(param, visit);
            }
            each_selector(&mut aggregate.expr, visit);
        }
        Expr::Unary(unary) => each_selector(&mut unary.expr, visit),
        Expr::Binary(binary) => {
            each_selector(&mut binary.lhs, visit);
            each_selector(&mut binary.rhs, visit);
        }
        Expr::Paren(paren) => each_selector(&mut paren.expr, visit),
        Expr::Subquery(subquery) => each_selector(&mut subquery.expr, visit),
        Expr::Call(call) => call.args.args.iter_mut().for_each(|arg| each_selector(arg, visit)),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
    }
}

/// The name that a selector asks for, from either place where it can stand.
pub(crate) fn selector_name(selector: &VectorSelector) -> Option<&str> {
    selector.name.as_deref().or_else(|| {
        let name =
            selector.matchers.matchers.iter().find(|m| m.name == METRIC_NAME && m.op == MatchOp::Equal);
        name.map(|matcher| matcher.value.as_str())
    })
}

/// The metric names that an expression asks for.
#[must_use]
pub fn metric_names(expression: &Expression) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut tree = expression.tree().clone();
    each_selector(&mut tree, &mut |selector| names.extend(selector_name(selector).map(str::to_owned)));
    names
}

#[cfg(test)]
mod tests {
    use bellwether_catalog::{Kind, Metric, Unit};

    use super::*;

    #[test]
    fn prefix_and_selector_go_everywhere_but_to_foreign_names() {
        let catalog = Catalog::from_iter([
            Metric::new("a_total", Kind::Counter, Unit::None),
            Metric::new("h_seconds", Kind::Histogram, Unit::Seconds),
            Metric::new("process_threads", Kind::Gauge, Unit::None).unprefixed(),
        ]);
        let matchers = [("job".to_owned(), "=~".to_owned(), "$job".to_owned())];
        let rewrite = Rewrite { catalog: Some(&catalog), prefix: "app_", matchers: &matchers };
        for (from, to) in [
            (
                r#"sum(rate(a_total{x="1"}[$__rate_interval])) / up"#,
                r#"sum(rate(app_a_total{job=~"$job",x="1"}[$__rate_interval])) / up{job=~"$job"}"#,
            ),
            (
                "histogram_quantile(0.9, sum by (le) (rate(h_seconds_bucket[5m])))",
                r#"histogram_quantile(0.9, sum by (le) (rate(app_h_seconds_bucket{job=~"$job"}[5m])))"#,
            ),
            (r#"process_threads{job="a"} offset 5m"#, r#"process_threads{job="a"} offset 5m"#),
            (
                "max_over_time(a_total[1h:5m]) > bool (1 - 2)",
                r#"max_over_time(app_a_total{job=~"$job"}[1h:5m]) > bool (1 - 2)"#,
            ),
        ] {
            assert_eq!(rewrite.apply(&Expression::parse(from).unwrap()).unwrap().to_string(), to);
        }
    }

    #[test]
    fn what_would_change_its_meaning_is_refused() {
        for text in ["a + ignoring () group_left b", "a @ -5"] {
            assert!(Rewrite::default().apply(&Expression::parse(text).unwrap()).is_err(), "{text}");
        }
        for text in ["a > 1e-9", "a > 1e300", "- -a", "a @ 1700000000", "a[90m] > 0x1F", "a > +Inf"] {
            let text = text.replace("a[90m]", "rate(a[90m])");
            assert!(Rewrite::default().apply(&Expression::parse(&text).unwrap()).is_ok(), "{text}");
        }
    }
}
