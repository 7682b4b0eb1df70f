//! Series that a selector selects, made up from what the catalog knows.

use bellwether_catalog::{Catalog, Values};
use promql_parser::label::{METRIC_NAME, Matcher};
use promql_parser::parser::{Expr, VectorSelector};

use crate::expression::Expression;
use crate::rewrite::selector_name;

/// A series that `selector` selects and `avoid` does not, as text: a value for each label that the
/// catalog declares, an allowed one where the label is closed. None if there is no such series, or
/// if one of them is no plain selector of a known metric.
#[must_use]
pub fn example_series(
    selector: &Expression,
    avoid: Option<&Expression>,
    catalog: &Catalog,
) -> Option<String> {
    let wanted = plain(selector)?;
    let (metric, _) = catalog.resolve(selector_name(wanted)?)?;
    let unwanted = match avoid {
        Some(avoid) => Some(plain(avoid)?),
        None => None,
    };
    let mut avoided = unwanted.is_none();
    let mut pairs = Vec::new();
    for label in &metric.labels {
        let matchers = |selector: Option<&VectorSelector>| -> Vec<Matcher> {
            let all = selector.map(|selector| selector.matchers.matchers.as_slice()).unwrap_or_default();
            all.iter().filter(|matcher| matcher.name == label.name).cloned().collect()
        };
        let (must, must_not) = (matchers(Some(wanted)), matchers(unwanted));
        let mut candidates: Vec<String> = match &label.values {
            Values::Closed(values) => values.clone(),
            Values::Open { .. } => {
                let named = must.iter().map(|matcher| matcher.value.clone());
                named.chain(["example".to_owned(), "another".to_owned()]).collect()
            }
        };
        candidates.retain(|value| must.iter().all(|matcher| matcher.is_match(value)));
        let escapes = |value: &&String| must_not.iter().any(|matcher| !matcher.is_match(value));
        let escape = candidates.iter().find(escapes).filter(|_| !avoided);
        avoided |= escape.is_some();
        let value = escape.or(candidates.first())?;
        pairs.push(format!("{}={value:?}", label.name));
    }
    let foreign =
        wanted.matchers.matchers.iter().filter(|m| m.name != METRIC_NAME && metric.label(&m.name).is_none());
    pairs.extend(foreign.map(|matcher| format!("{}={:?}", matcher.name, matcher.value)));
    avoided.then(|| format!("{}{{{}}}", selector_name(wanted).unwrap_or_default(), pairs.join(",")))
}

fn plain(expression: &Expression) -> Option<&VectorSelector> {
    match expression.tree() {
        Expr::VectorSelector(selector) => Some(selector),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use bellwether_catalog::{Kind, Label, Metric, Unit};

    use super::*;

    #[test]
    fn examples_obey_the_matchers() {
        let catalog = Catalog::from_iter([Metric::new("r_total", Kind::Counter, Unit::None)
            .labels([Label::open("route", 9), Label::closed("status", ["200", "404", "500"])])]);
        let parse = |text| Expression::parse(text).unwrap();
        let all = parse("r_total{route!=\"example\"}");
        let bad = parse("r_total{status=~\"5..\"}");
        assert_eq!(example_series(&bad, None, &catalog).unwrap(), r#"r_total{route="example",status="500"}"#);
        assert_eq!(
            example_series(&all, Some(&bad), &catalog).unwrap(),
            r#"r_total{route="another",status="200"}"#
        );
        assert_eq!(example_series(&parse("r_total{status=\"x\"}"), None, &catalog), None);
    }
}
