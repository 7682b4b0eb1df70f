//! Alerts with their proofs, recording rules, and what a person does when paged.

use crate::slo::Slo;

/// Who is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Somebody, now.
    Critical,
    /// Nobody; somebody looks in working hours.
    Warning,
    /// Nobody: it explains other alerts.
    Info,
}

impl Severity {
    /// The value of the label `severity`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// A number that a user can set in `bellwether.toml`.
#[derive(Clone, Debug)]
pub struct Threshold {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) meaning: String,
}

/// What to do when paged.
#[derive(Clone, Debug, Default)]
pub struct Runbook {
    pub(crate) meaning: String,
    pub(crate) look: Vec<String>,
    pub(crate) act: Vec<String>,
}

/// What a proof expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// The alert fires, with these labels among others.
    Fires(Vec<(String, String)>),
    /// It does not.
    Silent,
}

/// Series, and what the alert makes of them: a case of `promtool test rules`.
#[derive(Clone, Debug)]
pub struct Proof {
    pub(crate) name: String,
    pub(crate) at: String,
    pub(crate) interval: String,
    pub(crate) series: Vec<(String, String)>,
    pub(crate) expects: Expectation,
}

impl Proof {
    fn new(name: &str, at: &str, series: &[(&str, &str)], expects: Expectation) -> Self {
        let series =
            series.iter().map(|(series, values)| ((*series).to_owned(), (*values).to_owned())).collect();
        Self { name: name.to_owned(), at: at.to_owned(), interval: "1m".to_owned(), series, expects }
    }

    /// With these series (a sample a minute, in promtool's notation) the alert fires at `at`.
    #[must_use]
    pub fn fires(name: &str, at: &str, series: &[(&str, &str)]) -> Self {
        Self::new(name, at, series, Expectation::Fires(Vec::new()))
    }

    /// With these series it does not.
    #[must_use]
    pub fn silent(name: &str, at: &str, series: &[(&str, &str)]) -> Self {
        Self::new(name, at, series, Expectation::Silent)
    }

    /// The firing alert has this label.
    #[must_use]
    pub fn with_label(mut self, name: &str, value: &str) -> Self {
        if let Expectation::Fires(labels) = &mut self.expects {
            labels.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// The time between samples in place of a minute.
    #[must_use]
    pub fn every(mut self, interval: &str) -> Self {
        self.interval = interval.to_owned();
        self
    }
}

/// An alert.
///
/// The expression is PromQL over the names as declared; `$name` stands for a threshold. Keep `job`
/// in aggregations (`sum by (job, …)`), so that several services can share a Prometheus.
#[derive(Clone, Debug)]
pub struct Alert {
    pub(crate) name: String,
    pub(crate) expr: String,
    pub(crate) hold: String,
    pub(crate) severity: Severity,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) summary: String,
    pub(crate) description: String,
    pub(crate) runbook: Runbook,
    pub(crate) thresholds: Vec<Threshold>,
    pub(crate) proofs: Vec<Proof>,
}

impl Alert {
    /// An alert that fires five minutes after its condition is met, with severity warning.
    #[must_use]
    pub fn new(name: &str, expr: &str) -> Self {
        Self {
            name: name.to_owned(),
            expr: expr.to_owned(),
            hold: "5m".to_owned(),
            severity: Severity::Warning,
            labels: Vec::new(),
            summary: String::new(),
            description: String::new(),
            runbook: Runbook::default(),
            thresholds: Vec::new(),
            proofs: Vec::new(),
        }
    }

    /// How long the condition must hold, such as `10m`.
    #[must_use]
    pub fn hold(mut self, hold: &str) -> Self {
        hold.clone_into(&mut self.hold);
        self
    }

    /// Who is woken.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// A label of its own.
    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.push((name.to_owned(), value.to_owned()));
        self
    }

    /// One line, without values: the subject of the notification.
    #[must_use]
    pub fn summary(mut self, summary: &str) -> Self {
        summary.clone_into(&mut self.summary);
        self
    }

    /// What is the case, with `{{ $labels.x }}` and `{{ $value | humanize }}`.
    #[must_use]
    pub fn description(mut self, description: &str) -> Self {
        description.clone_into(&mut self.description);
        self
    }

    /// What it means, where to look, what to do.
    #[must_use]
    pub fn runbook(mut self, meaning: &str, look: &[&str], act: &[&str]) -> Self {
        let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        self.runbook = Runbook { meaning: meaning.to_owned(), look: owned(look), act: owned(act) };
        self
    }

    /// A number `$name` in the expression that a user can set, and what it is a number of.
    #[must_use]
    pub fn threshold(mut self, name: &str, value: f64, meaning: &str) -> Self {
        self.thresholds.push(Threshold { name: name.to_owned(), value, meaning: meaning.to_owned() });
        self
    }

    /// Adds a proof. Every alert needs one that fires and one that is silent; let them be extreme,
    /// so that they hold for other thresholds too.
    #[must_use]
    pub fn proof(mut self, proof: Proof) -> Self {
        self.proofs.push(proof);
        self
    }

    /// The expression with the thresholds in place.
    pub(crate) fn resolved(&self) -> String {
        // Longer names first: `$max` is the start of `$max_seconds`.
        let mut thresholds: Vec<&Threshold> = self.thresholds.iter().collect();
        thresholds.sort_by_key(|threshold| std::cmp::Reverse(threshold.name.len()));
        thresholds.iter().fold(self.expr.clone(), |expr, threshold| {
            expr.replace(&format!("${}", threshold.name), &threshold.value.to_string())
        })
    }
}

/// A recording rule, named `level:metric:operations`.
#[derive(Clone, Debug)]
pub struct Recording {
    pub(crate) name: String,
    pub(crate) expr: String,
    pub(crate) labels: Vec<(String, String)>,
}

impl Recording {
    /// Records `expr` as `name`.
    #[must_use]
    pub fn new(name: &str, expr: &str) -> Self {
        Self { name: name.to_owned(), expr: expr.to_owned(), labels: Vec::new() }
    }

    /// A label of its own.
    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// The rules of a domain.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    pub(crate) alerts: Vec<Alert>,
    pub(crate) recordings: Vec<Recording>,
    pub(crate) slos: Vec<Slo>,
}

impl Rules {
    /// No rules yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an alert.
    #[must_use]
    pub fn alert(mut self, alert: Alert) -> Self {
        self.alerts.push(alert);
        self
    }

    /// Adds a recording rule.
    #[must_use]
    pub fn recording(mut self, recording: Recording) -> Self {
        self.recordings.push(recording);
        self
    }

    /// Adds a service level objective, with its recording rules and alerts.
    #[must_use]
    pub fn slo(mut self, slo: Slo) -> Self {
        self.slos.push(slo);
        self
    }
}
