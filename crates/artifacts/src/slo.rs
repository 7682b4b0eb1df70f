//! Service level objectives, expanded to multi-window, multi-burn-rate rules.
//!
//! The windows and factors are those of the SRE workbook: an hour's error budget of two percent
//! pages at once, a slow leak opens a ticket.

use bellwether_catalog::Catalog;
use bellwether_promql::{Expression, example_series, metric_names};

use crate::alert::{Alert, Proof, Recording, Rules, Severity};

/// What is promised.
#[derive(Clone, Debug)]
pub enum Objective {
    /// Of all events, so many are good.
    Availability {
        /// A selector of the counter of all events.
        total: String,
        /// A selector of the counter of the bad ones.
        bad: String,
    },
    /// Of all observations, so many are at most as long as a bucket's bound.
    Latency {
        /// The histogram's name.
        histogram: String,
        /// A bucket bound of it, in seconds.
        within: f64,
        /// Matchers of both, such as `route!="unmatched"`, or nothing.
        matchers: String,
    },
}

/// A service level objective over 30 days, for each job.
#[derive(Clone, Debug)]
pub struct Slo {
    pub(crate) name: String,
    pub(crate) alert: String,
    pub(crate) target: f64,
    pub(crate) objective: Objective,
}

/// Series of bad and of good service, each with what it grows by a minute.
struct Evidence {
    bad: Vec<(String, u32)>,
    good: Vec<(String, u32)>,
}

/// The long and the short window, the burn rate, how long it must hold, and who is woken.
type Window = (&'static str, &'static str, f64, &'static str, Severity);

const WINDOWS: [Window; 4] = [
    ("1h", "5m", 14.4, "2m", Severity::Critical),
    ("6h", "30m", 6.0, "15m", Severity::Critical),
    ("1d", "2h", 3.0, "1h", Severity::Warning),
    ("3d", "6h", 1.0, "3h", Severity::Warning),
];

impl Slo {
    /// Of the events of `total`, the fraction `target` is not among those of `bad`.
    ///
    /// `alert` names the alerts, such as `HttpErrorBudgetBurn`.
    #[must_use]
    pub fn availability(name: &str, alert: &str, target: f64, total: &str, bad: &str) -> Self {
        let objective = Objective::Availability { total: total.to_owned(), bad: bad.to_owned() };
        Self { name: name.to_owned(), alert: alert.to_owned(), target, objective }
    }

    /// Of the observations of `histogram`, the fraction `target` is within `seconds`, which must be
    /// one of its bucket bounds.
    #[must_use]
    pub fn latency(
        name: &str,
        alert: &str,
        target: f64,
        histogram: &str,
        seconds: f64,
        matchers: &str,
    ) -> Self {
        let objective = Objective::Latency {
            histogram: histogram.to_owned(),
            within: seconds,
            matchers: matchers.to_owned(),
        };
        Self { name: name.to_owned(), alert: alert.to_owned(), target, objective }
    }

    /// The ratio of bad events over a window, by job. Without traffic it has no value: neither an
    /// error nor a success, and never not-a-number.
    fn ratio(&self, window: &str) -> String {
        match &self.objective {
            // Bad events that never happened have no series: that is a ratio of 0, not of nothing.
            Objective::Availability { total, bad } => format!(
                "(sum by (job) (rate({bad}[{window}])) or 0 * sum by (job) (rate({total}[{window}]))) \
                 / (sum by (job) (rate({total}[{window}])) > 0)"
            ),
            Objective::Latency { histogram, within, matchers } => {
                let le = bound(*within);
                let comma = if matchers.is_empty() { "" } else { "," };
                let all = if matchers.is_empty() { String::new() } else { format!("{{{matchers}}}") };
                format!(
                    "1 - sum by (job) (rate({histogram}_bucket{{{le}{comma}{matchers}}}[{window}])) \
                     / (sum by (job) (rate({histogram}_count{all}[{window}])) > 0)"
                )
            }
        }
    }

    fn record(window: &str) -> String {
        format!("job:slo_errors:ratio_rate{window}")
    }

    /// The recording rules and alerts of the objective.
    ///
    /// # Errors
    /// If the metrics are not in the catalog, or the bound is no bucket.
    pub(crate) fn expand(&self, catalog: &Catalog) -> Result<Rules, String> {
        let evidence = self.evidence(catalog)?;
        let mut rules = Rules::new();
        let mut windows: Vec<&str> = WINDOWS.iter().flat_map(|(long, short, ..)| [*short, *long]).collect();
        windows.sort_by_key(|window| crate::duration::parse(window));
        windows.dedup();
        for window in windows {
            rules = rules.recording(
                Recording::new(&Self::record(window), &self.ratio(window)).label("slo", &self.name),
            );
        }
        for window in WINDOWS {
            rules = rules.alert(self.alert(window, &evidence));
        }
        Ok(rules)
    }

    fn evidence(&self, catalog: &Catalog) -> Result<Evidence, String> {
        let parse = |text: &str| Expression::parse(text).map_err(|error| error.to_string());
        match &self.objective {
            Objective::Availability { total, bad } => {
                let (all, failed) = (parse(total)?, parse(bad)?);
                let series = |wanted: &Expression, avoid| {
                    example_series(wanted, avoid, catalog).ok_or_else(|| {
                        format!("{wanted} is no selector of declared metrics that can have both good and bad events")
                    })
                };
                let bad = series(&failed, None)?;
                // Where bad events are a metric of their own, both metrics count them.
                let mut both = vec![(bad.clone(), 60)];
                let mut good =
                    vec![(series(&all, Some(&failed).filter(|_| same_metric(&all, &failed)))?, 60)];
                if same_metric(&all, &failed) {
                    good.push((bad, 0));
                } else {
                    both.push((series(&all, None)?, 60));
                    good.push((bad, 0));
                }
                Ok(Evidence { bad: both, good })
            }
            Objective::Latency { histogram, within, matchers } => {
                let metric =
                    catalog.get(histogram).ok_or_else(|| format!("no metric is called {histogram}"))?;
                if !metric.buckets.contains(within) {
                    let have: Vec<String> = metric.buckets.iter().map(f64::to_string).collect();
                    return Err(format!("{within} is no bucket of {histogram}: it has {}", have.join(", ")));
                }
                let count = parse(&format!("{histogram}_count{{{matchers}}}"))?;
                let count = example_series(&count, None, catalog)
                    .ok_or_else(|| format!("{histogram}{{{matchers}}} selects no series"))?;
                let bucket = count.replacen("_count{", "_bucket{", 1).replacen(
                    '{',
                    &format!("{{le=\"{within:?}\","),
                    1,
                );
                let bucket = bucket.replace(",}", "}");
                Ok(Evidence {
                    bad: vec![(count.clone(), 60), (bucket.clone(), 0)],
                    good: vec![(count, 60), (bucket, 60)],
                })
            }
        }
    }

    fn alert(&self, (long, short, factor, hold, severity): Window, evidence: &Evidence) -> Alert {
        let slo = &self.name;
        let budget = trimmed(1.0 - self.target);
        let over = |window: &str| format!("{}{{slo=\"{slo}\"}} > {factor} * {budget}", Self::record(window));
        let expr = format!("{} and {}", over(long), over(short));
        let target = trimmed(self.target * 100.0);
        let days = trimmed((30.0 / factor * 10.0).round() / 10.0);
        let mut alert = Alert::new(&self.alert, &expr)
            .hold(hold)
            .severity(severity)
            .label("slo", slo)
            .label("window", long)
            .summary(&format!("The objective {slo} is using up its error budget"))
            .description(&format!(
                "{{{{ $labels.job }}}} promises {target} % over 30 days; over the last {long} \
                 {{{{ $value | humanizePercentage }}}} of events were bad: at this rate the budget lasts {days} days."
            ))
            .runbook(
                &format!(
                    "More than {factor} times as many events are bad as the objective {slo} ({target} %) allows for, \
                     over {long} and still over the last {short}."
                ),
                &["Open the dashboard and find which route, operation or reason the bad events have.", "Compare the start of the rise with deployments and with alerts of dependencies."],
                &["Roll back what was deployed at the start of the rise.", "If a dependency is down, shed or queue the load that needs it.", "When the short window has recovered the alert ends by itself; the budget stays spent."],
            );
        // Longer than the longest hold, so that every window has had its time.
        let (at, samples) = ("270m", 280);
        let cases = [("hours of failures", &evidence.bad, true), ("good service", &evidence.good, false)];
        for (name, series, fires) in cases {
            let values: Vec<(&str, String)> = series
                .iter()
                .map(|(series, step)| (series.as_str(), format!("0+{step}x{samples}")))
                .collect();
            let series: Vec<(&str, &str)> =
                values.iter().map(|(series, values)| (*series, values.as_str())).collect();
            let proof =
                if fires { Proof::fires(name, at, &series) } else { Proof::silent(name, at, &series) };
            alert = alert.proof(proof.with_label("window", long));
        }
        let values = format!("7x{samples}");
        let idle: Vec<(&str, &str)> =
            evidence.good.iter().map(|(series, _)| (series.as_str(), values.as_str())).collect();
        alert.proof(Proof::silent("no traffic", at, &idle))
    }
}

/// A matcher of one bucket, however the bound is written: Prometheus 3 stores `1` as `1.0`.
pub(crate) fn bound(seconds: f64) -> String {
    if seconds.fract() == 0.0 { format!("le=~\"{seconds:.0}([.]0)?\"") } else { format!("le=\"{seconds}\"") }
}

fn same_metric(one: &Expression, other: &Expression) -> bool {
    metric_names(one) == metric_names(other)
}

/// A number without the noise of binary fractions.
fn trimmed(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use bellwether_catalog::{Kind, Label, Metric, Unit};

    use super::*;

    fn catalog() -> Catalog {
        Catalog::from_iter([
            Metric::new("a_total", Kind::Counter, Unit::None)
                .labels([Label::closed("status", ["good", "bad"])]),
            Metric::new("h_seconds", Kind::Histogram, Unit::Seconds).buckets(&[0.5, 1.0]),
        ])
    }

    #[test]
    fn an_objective_becomes_seven_records_and_four_alerts() {
        let slo = Slo::availability("x", "XBudgetBurn", 0.999, "a_total", "a_total{status=\"bad\"}");
        let rules = slo.expand(&catalog()).unwrap();
        assert_eq!((rules.recordings.len(), rules.alerts.len()), (7, 4));
        assert_eq!(
            rules.alerts[0].expr,
            "job:slo_errors:ratio_rate1h{slo=\"x\"} > 14.4 * 0.001 and job:slo_errors:ratio_rate5m{slo=\"x\"} > 14.4 * 0.001"
        );
    }

    #[test]
    fn a_latency_objective_names_a_bucket() {
        let slo = |seconds| Slo::latency("x", "XBudgetBurn", 0.99, "h_seconds", seconds, "");
        assert!(slo(1.0).expand(&catalog()).is_ok());
        assert_eq!(slo(0.7).expand(&catalog()).unwrap_err(), "0.7 is no bucket of h_seconds: it has 0.5, 1");
    }

    #[test]
    fn whole_bounds_match_both_spellings() {
        assert_eq!(bound(0.5), "le=\"0.5\"");
        assert_eq!(bound(1.0), "le=~\"1([.]0)?\"");
    }
}
