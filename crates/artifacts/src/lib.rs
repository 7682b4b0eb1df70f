//! Dashboards, alerts, SLOs, runbooks and references from one source, and the command line that
//! writes, checks and proves them.
//!
//! A domain's [`MetricSet`](bellwether_core::MetricSet) implements [`Artifacts`]; a service names its
//! domains once, and a three-line `xtask` has all commands:
//!
//! ```
//! use bellwether_artifacts::{Alert, Artifacts, Dashboard, Panel, Proof, Rules, Severity};
//! use bellwether_core::{Counter, LabelSet, LabelValue, MetricSet};
//!
//! /// How a cup came out.
//! #[derive(Clone, Copy, LabelValue)]
//! enum Outcome { Poured, Spilled }
//!
//! #[derive(Clone, Copy, LabelSet)]
//! struct CupLabels { outcome: Outcome }
//!
//! /// Tea.
//! #[derive(Clone, MetricSet)]
//! #[metrics(domain = "tea")]
//! struct Tea {
//!     /// Cups of tea, by outcome.
//!     #[metric("tea_cups_total")]
//!     cups: Counter<CupLabels>,
//! }
//!
//! impl Artifacts for Tea {
//!     fn dashboard() -> Dashboard {
//!         Dashboard::new("tea", "Tea", "Whether there is tea.").row("Cups", [
//!             Panel::timeseries("Cups", "Cups a second. A growing spilled line is a shaky hand.")
//!                 .query("sum by (outcome) (rate(tea_cups_total[$__rate_interval]))", "{{outcome}}"),
//!         ])
//!     }
//!
//!     fn rules() -> Rules {
//!         Rules::new().alert(
//!             Alert::new("TeaSpilled", r#"increase(tea_cups_total{outcome="spilled"}[10m]) > $cups"#)
//!                 .threshold("cups", 3.0, "cups in ten minutes")
//!                 .severity(Severity::Warning)
//!                 .summary("Tea is being spilled")
//!                 .description("{{ $value | humanize }} cups in ten minutes on {{ $labels.instance }}.")
//!                 .runbook("Somebody pours badly.", &["Look who pours."], &["Take the pot away."])
//!                 .proof(Proof::fires("six cups in ten minutes", "11m", &[(r#"tea_cups_total{outcome="spilled"}"#, "0+1x20")]))
//!                 .proof(Proof::silent("nothing spilled", "11m", &[(r#"tea_cups_total{outcome="spilled"}"#, "0x20")])),
//!         )
//!     }
//! }
//!
//! // xtask/src/main.rs:
//! fn main() -> std::process::ExitCode {
//!     # if true { return std::process::ExitCode::SUCCESS; }
//!     bellwether_artifacts::cli::run::<(Tea,)>()
//! }
//! ```

mod alert;
pub mod cli;
mod dashboard;
mod docs;
mod domain;
mod duration;
#[cfg(test)]
mod golden;
mod grafana;
mod lint;
mod output;
mod own;
mod rules;
mod settings;
mod slo;
mod source;
mod yaml;

pub use alert::{Alert, Expectation, Proof, Recording, Rules, Runbook, Severity, Threshold};
pub use dashboard::{Dashboard, Kind, Panel, Query, Row, Variable};
pub use domain::{Artifacts, Domain, Observed};
pub use output::{Error, Outcome, Output};
pub use settings::{Settings, SettingsError};
pub use slo::{Objective, Slo};
pub use source::Source;
