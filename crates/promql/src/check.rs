//! The findings that need only the catalog.

use std::collections::BTreeMap;

use bellwether_catalog::{Catalog, Kind, Label, Metric, Part, Values};
use promql_parser::label::{METRIC_NAME, MatchOp, Matcher};
use promql_parser::parser::{AggregateExpr, BinaryExpr, Call, Expr, LabelModifier, VectorSelector};

use crate::expression::Expression;
use crate::finding::{Code, Finding};
use crate::infer::{Inference, Quantity, Shape, is_comparison};
use crate::position::locate;
use crate::rewrite::selector_name;

/// Labels that targets usually have: given by the scrape, by Kubernetes, or by global labels. Others
/// are named by the caller.
const TARGET: [&str; 17] = [
    "job",
    "instance",
    "cluster",
    "container",
    "endpoint",
    "env",
    "environment",
    "host",
    "namespace",
    "node",
    "pod",
    "prometheus",
    "region",
    "replica",
    "service",
    "stage",
    "zone",
];

fn is_target(name: &str, target: &[&str]) -> bool {
    name.starts_with("__")
        || name.starts_with("exported_")
        || TARGET.contains(&name)
        || target.contains(&name)
}

/// Series that Prometheus makes itself.
const SYNTHETIC: [&str; 2] = ["ALERTS", "ALERTS_FOR_STATE"];

/// Checks an expression against a catalog.
///
/// Names of recording rules (with a colon), Prometheus' own series (`up`, `ALERTS`, `scrape_*`)
/// and selectors without a plain name are not judged, nor is anything built on them. `target` are
/// labels that targets have beside the usual ones (`job`, `instance`, `namespace`, …).
#[must_use]
pub fn check(expression: &Expression, catalog: &Catalog, target: &[&str]) -> Vec<Finding> {
    let inference = Inference { catalog, target };
    let mut checker =
        Checker { text: expression.source(), inference, seen: BTreeMap::new(), findings: Vec::new() };
    checker.walk(expression.tree());
    checker.findings
}

struct Checker<'a> {
    text: &'a str,
    inference: Inference<'a>,
    /// How often a name was met so far: which of its places in the text is meant.
    seen: BTreeMap<String, usize>,
    findings: Vec<Finding>,
}

impl Checker<'_> {
    fn walk(&mut self, tree: &Expr) {
        match tree {
            Expr::VectorSelector(selector) => self.selector(selector),
            Expr::MatrixSelector(selector) => self.selector(&selector.vs),
            Expr::Paren(paren) => self.walk(&paren.expr),
            Expr::Unary(unary) => self.walk(&unary.expr),
            Expr::Subquery(subquery) => self.walk(&subquery.expr),
            Expr::Aggregate(aggregate) => {
                if let Some(param) = &aggregate.param {
                    self.walk(param);
                }
                self.walk(&aggregate.expr);
                self.grouping(aggregate);
            }
            Expr::Binary(binary) => {
                self.walk(&binary.lhs);
                self.walk(&binary.rhs);
                self.comparison(binary);
            }
            Expr::Call(call) => {
                call.args.args.iter().for_each(|arg| self.walk(arg));
                self.call(call);
            }
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
        }
    }

    fn report(&mut self, code: Code, word: &str, nth: usize, message: String, reason: String, fix: String) {
        let span = locate(self.text, word, nth);
        self.findings.push(Finding { code, message, reason, fix, span });
    }

    fn selector(&mut self, selector: &VectorSelector) {
        let Some(name) = selector_name(selector) else { return };
        let nth = self.seen.entry(name.to_owned()).or_default();
        let place = *nth;
        *nth += 1;
        if name.contains(':') || name == "up" || name.starts_with("scrape_") || SYNTHETIC.contains(&name) {
            return;
        }
        let Some((metric, part)) = self.inference.catalog.resolve(name) else {
            let names: Vec<String> =
                self.inference.catalog.iter().flat_map(Metric::series_names).map(|(name, _)| name).collect();
            // The name without its prefix is the likeliest slip of all.
            let prefixed =
                names.iter().find(|known| known.strip_suffix(name).is_some_and(|rest| rest.ends_with('_')));
            let fix = match prefixed {
                Some(known) => format!("did you mean {known}?"),
                None => nearest(name, names.into_iter()).unwrap_or_else(|| {
                    "declare it or correct the name; if another exporter has it, pass --unknown-metrics allow".to_owned()
                }),
            };
            let message = format!("no metric is called {name}");
            self.report(
                Code::UnknownMetric,
                name,
                place,
                message,
                "the catalog has no series of this name".to_owned(),
                fix,
            );
            return;
        };
        if part == Part::Base {
            let message = format!("{name} is a histogram, and no series has its bare name");
            let reason = format!("its series are {name}_bucket, {name}_sum and {name}_count");
            let fix = format!("use {name}_count for how many, {name}_bucket for quantiles");
            self.report(Code::HistogramBaseName, name, place, message, reason, fix);
        }
        for matcher in &selector.matchers.matchers {
            self.matcher(metric, part, matcher);
        }
    }

    fn matcher(&mut self, metric: &Metric, part: Part, matcher: &Matcher) {
        let name = matcher.name.as_str();
        if name == METRIC_NAME
            || is_target(name, self.inference.target)
            || (name == "le" && part == Part::Bucket)
        {
            return;
        }
        let Some(label) = metric.label(name) else {
            // A label that is not there is the empty text, which some matchers ask for on purpose.
            // A target can bring labels of its own, which only `bellwether.toml` could tell.
            if matcher.is_match("") {
                return;
            }
            let names = metric.labels.iter().map(|label| label.name.clone());
            let fix = nearest(name, names).unwrap_or_else(|| "remove the matcher".to_owned());
            let message = format!("{} has no label {name}", metric.name);
            self.report(Code::UnknownLabel, name, 0, message, labels_of(metric), fix);
            return;
        };
        self.value(metric, label, matcher);
    }

    fn value(&mut self, metric: &Metric, label: &Label, matcher: &Matcher) {
        let Values::Closed(values) = &label.values else { return };
        // `$variables` of a dashboard can become anything.
        // Nor is a pattern judged that Prometheus' regexes may read differently from ours.
        let foreign = ["[[", "&&", "--", "~~", "\\Q"].iter().any(|part| matcher.value.contains(part));
        if matcher.value.contains('$') || foreign || values.iter().any(|value| matcher.is_match(value)) {
            return;
        }
        let wanted = match matcher.op {
            MatchOp::Equal | MatchOp::Re(_) => "is never",
            MatchOp::NotEqual | MatchOp::NotRe(_) => "is never other than",
        };
        let message = format!("{} of {} {wanted} {:?}", label.name, metric.name, matcher.value);
        let reason = format!("it is one of {}", some_of(values));
        let fix = nearest_value(&matcher.value, values);
        self.report(Code::UnknownValue, &matcher.value, 0, message, reason, fix);
    }

    /// `by (label)` of something that cannot have the label.
    fn grouping(&mut self, aggregate: &AggregateExpr) {
        let Some(LabelModifier::Include(names)) = &aggregate.modifier else { return };
        let inner = self.inference.of(&aggregate.expr);
        for name in &names.labels {
            if inner.labels.lacks(name) && !is_target(name, self.inference.target) {
                let known = inner.labels.known.keys().cloned();
                let fix = nearest(name, known).unwrap_or_else(|| "remove it from the list".to_owned());
                let have = inner.labels.known.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                let message = format!("nothing here has a label {name} to group by");
                self.report(Code::UnknownLabel, name, 0, message, format!("the labels are {have}"), fix);
            }
        }
    }

    fn comparison(&mut self, binary: &BinaryExpr) {
        if !is_comparison(binary.op.id()) {
            return;
        }
        for (side, other) in [(&binary.lhs, &binary.rhs), (&binary.rhs, &binary.lhs)] {
            let Some(limit) = number(other) else { continue };
            // "Has it ever happened" is a question one can ask.
            if limit == 0.0 || !is_total(side) || self.inference.of(side).quantity != Quantity::Counter {
                continue;
            }
            let Some(name) = first_name(side) else { continue };
            let message = format!("the total of {name} is compared with {limit}");
            let reason = "a counter only grows: the condition stays as it is once it is met, until a restart"
                .to_owned();
            self.report(
                Code::RawCounter,
                &name,
                0,
                message,
                reason,
                format!("compare rate({name}[5m]) or increase({name}[1h])"),
            );
        }
    }

    fn call(&mut self, call: &Call) {
        let name = call.func.name;
        let argument = |wanted: &[Shape]| {
            call.args.args.iter().find(|arg| wanted.contains(&self.inference.of(arg).shape)).map(|arg| &**arg)
        };
        match name {
            "rate" | "irate" | "increase" => {
                let Some(metric) = argument(&[Shape::Range]).and_then(|arg| self.selected(arg)) else {
                    return;
                };
                if metric.kind == Kind::Gauge {
                    let (metric, nth) = (metric.name.clone(), 0);
                    let message = format!("{name} of {metric}, which is a gauge");
                    let reason = "a fall of the gauge would be taken for a restart".to_owned();
                    self.report(
                        Code::RateOfGauge,
                        &metric,
                        nth,
                        message,
                        reason,
                        format!("use delta({metric}[…]) or deriv({metric}[…])"),
                    );
                }
            }
            "delta"
            | "idelta"
            | "deriv"
            | "predict_linear"
            | "holt_winters"
            | "double_exponential_smoothing" => {
                let Some(arg) = argument(&[Shape::Range]) else { return };
                if !matches!(arg, Expr::MatrixSelector(_))
                    || !matches!(self.inference.of(arg).quantity, Quantity::Counter | Quantity::Buckets)
                {
                    return;
                }
                let Some(metric) = first_name(arg) else { return };
                let message = format!("{name} of {metric}, which is a counter");
                let reason = "a restart sets it to 0, which these functions take for a fall".to_owned();
                self.report(
                    Code::DeltaOfCounter,
                    &metric,
                    0,
                    message,
                    reason,
                    format!("use increase({metric}[…]) or rate({metric}[…])"),
                );
            }
            "histogram_quantile" => {
                let Some(arg) = argument(&[Shape::Instant]) else { return };
                let inner = self.inference.of(arg);
                if !inner.labels.lacks("le") || inner.quantity == Quantity::Unknown {
                    return;
                }
                let message = "histogram_quantile of something without the label le".to_owned();
                let reason = "the quantile is computed over the buckets, which le tells apart".to_owned();
                let fix =
                    "take the rate of the _bucket series, and keep le: sum by (le, …) (rate(…_bucket[5m]))"
                        .to_owned();
                self.report(Code::QuantileWithoutLe, "histogram_quantile", 0, message, reason, fix);
            }
            _ => {}
        }
    }

    /// The metric that a range selector asks for.
    fn selected(&self, tree: &Expr) -> Option<&Metric> {
        let Expr::MatrixSelector(selector) = tree else { return None };
        self.inference.catalog.resolve(selector_name(&selector.vs)?).map(|(metric, _)| metric)
    }
}

/// Series as they are, or an aggregation of them: anything else makes something new of a counter.
fn is_total(tree: &Expr) -> bool {
    match tree {
        Expr::VectorSelector(_) => true,
        Expr::Paren(paren) => is_total(&paren.expr),
        Expr::Aggregate(aggregate) => is_total(&aggregate.expr),
        _ => false,
    }
}

fn number(tree: &Expr) -> Option<f64> {
    match tree {
        Expr::NumberLiteral(number) => Some(number.val),
        Expr::Paren(paren) => number(&paren.expr),
        Expr::Unary(unary) => number(&unary.expr).map(|value| -value),
        _ => None,
    }
}

fn first_name(tree: &Expr) -> Option<String> {
    match tree {
        Expr::VectorSelector(selector) => selector_name(selector).map(str::to_owned),
        Expr::MatrixSelector(selector) => selector_name(&selector.vs).map(str::to_owned),
        Expr::Paren(paren) => first_name(&paren.expr),
        Expr::Unary(unary) => first_name(&unary.expr),
        Expr::Subquery(subquery) => first_name(&subquery.expr),
        Expr::Aggregate(aggregate) => first_name(&aggregate.expr),
        Expr::Binary(binary) => first_name(&binary.lhs).or_else(|| first_name(&binary.rhs)),
        Expr::Call(call) => call.args.args.iter().find_map(|arg| first_name(arg)),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => None,
    }
}

fn labels_of(metric: &Metric) -> String {
    if metric.labels.is_empty() {
        return "it has no labels".to_owned();
    }
    let names: Vec<&str> = metric.labels.iter().map(|label| label.name.as_str()).collect();
    format!("its labels are {}", names.join(", "))
}

/// The likeliest of the words; of several, the first.
fn closest(word: &str, words: impl Iterator<Item = String>) -> Option<String> {
    let mut best = (0.8, None);
    for candidate in words {
        let likeness = strsim::jaro_winkler(word, &candidate);
        if likeness > best.0 {
            best = (likeness, Some(candidate));
        }
    }
    best.1
}

fn nearest(word: &str, words: impl Iterator<Item = String>) -> Option<String> {
    closest(word, words).map(|candidate| format!("did you mean {candidate}?"))
}

/// A list that still fits a line.
fn some_of(values: &[String]) -> String {
    const SHOWN: usize = 12;
    let more = if values.len() > SHOWN { ", …" } else { "" };
    format!("{}{more}", values[..values.len().min(SHOWN)].join(", "))
}

fn nearest_value(word: &str, values: &[String]) -> String {
    closest(word, values.iter().cloned())
        .map_or_else(|| "use one of these".to_owned(), |value| format!("did you mean {value:?}?"))
}
