//! `bellwether.toml`: what a user decides about the generated artefacts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::slo::Slo;

/// The settings of a workspace. All have defaults; an unknown one is an error.
///
/// ```toml
/// service = "streamvault"            # part of every dashboard's uid, and the tag
/// title = "StreamVault"              # before the titles of the dashboards
/// prefix = "streamvault"             # the same as STREAMVAULT_METRICS_PREFIX
/// selector = ["job", "instance"]     # labels that dashboards can choose by
/// target_labels = ["team"]           # labels that your scrape adds beside the usual ones
/// series_budget = 20000              # `cardinality` fails above it
/// runbook_base_url = "https://example.org/runbooks"
///
/// [output]                           # folders, from the workspace's root
/// dashboards = "dashboards"
/// alerts = "alerts"
/// docs = "docs"
///
/// [rules]
/// matchers = { job = "streamvault" } # added to every selector of the rules
/// disabled = ["HttpLatencyHigh"]
/// scrape_interval = "15s"
///
/// [thresholds.HttpErrorRatioHigh]
/// ratio = 0.02
///
/// [[slo]]
/// name = "checkout"
/// alert = "CheckoutBudgetBurn"
/// target = 0.995
/// total = "http_requests_total{route=\"/checkout\"}"
/// bad = "http_requests_total{route=\"/checkout\",status=~\"5..\"}"
///
/// [[allow]]                          # findings that are wanted, with the reason
/// code = "BW202"
/// in = "alerts/own.yaml"
/// reason = "the total since the start is what we bill by"
///
/// [demo]                             # what `cargo xtask demo` runs; {port} is the port to serve on
/// command = ["cargo", "run", "--package", "streamvault", "--", "--port", "{port}"]
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub(crate) service: String,
    pub(crate) title: String,
    pub(crate) prefix: String,
    pub(crate) selector: Vec<String>,
    pub(crate) target_labels: Vec<String>,
    pub(crate) series_budget: u64,
    pub(crate) runbook_base_url: String,
    pub(crate) output: Folders,
    pub(crate) rules: RuleSettings,
    pub(crate) thresholds: BTreeMap<String, BTreeMap<String, f64>>,
    pub(crate) slo: Vec<SloSettings>,
    pub(crate) allow: Vec<Allow>,
    pub(crate) demo: Option<Demo>,
    pub(crate) readmes: BTreeMap<String, PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            service: "service".to_owned(),
            title: String::new(),
            prefix: String::new(),
            selector: vec!["job".to_owned(), "instance".to_owned()],
            target_labels: Vec::new(),
            series_budget: 100_000,
            runbook_base_url: String::new(),
            output: Folders::default(),
            rules: RuleSettings::default(),
            thresholds: BTreeMap::new(),
            slo: Vec::new(),
            allow: Vec::new(),
            demo: None,
            readmes: BTreeMap::new(),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Folders {
    pub(crate) dashboards: PathBuf,
    pub(crate) alerts: PathBuf,
    pub(crate) docs: PathBuf,
}

impl Default for Folders {
    fn default() -> Self {
        Self { dashboards: "dashboards".into(), alerts: "alerts".into(), docs: "docs".into() }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RuleSettings {
    pub(crate) matchers: BTreeMap<String, String>,
    pub(crate) disabled: Vec<String>,
    pub(crate) scrape_interval: String,
}

impl Default for RuleSettings {
    fn default() -> Self {
        Self { matchers: BTreeMap::new(), disabled: Vec::new(), scrape_interval: "15s".to_owned() }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SloSettings {
    name: String,
    alert: String,
    target: f64,
    total: Option<String>,
    bad: Option<String>,
    histogram: Option<String>,
    within: Option<f64>,
    #[serde(default)]
    matchers: String,
}

impl SloSettings {
    pub(crate) fn slo(&self) -> Result<Slo, String> {
        if !(self.target > 0.0 && self.target < 1.0) {
            return Err(format!(
                "[[slo]] {}: target = {} must be between 0 and 1, such as 0.999",
                self.name, self.target
            ));
        }
        match (&self.total, &self.bad, &self.histogram, self.within) {
            (Some(total), Some(bad), None, None) => {
                Ok(Slo::availability(&self.name, &self.alert, self.target, total, bad))
            }
            (None, None, Some(histogram), Some(within)) => {
                Ok(Slo::latency(&self.name, &self.alert, self.target, histogram, within, &self.matchers))
            }
            _ => {
                Err(format!("[[slo]] {}: it takes either total and bad, or histogram and within", self.name))
            }
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Allow {
    pub(crate) code: String,
    #[serde(rename = "in")]
    pub(crate) file: PathBuf,
    pub(crate) reason: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Demo {
    pub(crate) command: Vec<String>,
    /// What the demo cannot find its way around without: printed after its URLs.
    #[serde(default)]
    pub(crate) hints: Vec<String>,
}

impl Settings {
    /// The file's name.
    pub const FILE: &'static str = "bellwether.toml";

    /// Reads `bellwether.toml` in a folder; without the file, the defaults.
    ///
    /// # Errors
    /// If it cannot be read, with the line.
    pub fn read(folder: &Path) -> Result<Self, SettingsError> {
        let path = folder.join(Self::FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(SettingsError { path, message: error.to_string() }),
        };
        Self::parse(&text).map_err(|message| SettingsError { path, message })
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut settings: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        if !settings.prefix.is_empty() {
            settings.prefix = format!("{}_", settings.prefix.trim_end_matches('_'));
            if !bellwether_catalog::is_metric_name(&settings.prefix) {
                return Err(format!(
                    "prefix = {:?} must be lower-case letters, digits and _, a letter first",
                    settings.prefix
                ));
            }
        }
        let good_uid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if settings.service.is_empty() || !settings.service.chars().all(good_uid) {
            return Err(format!(
                "service = {:?} must be letters, digits, - and _: it is part of the dashboards' uids",
                settings.service
            ));
        }
        if crate::duration::parse(&settings.rules.scrape_interval).is_none_or(|interval| interval.is_zero()) {
            return Err(format!(
                "rules.scrape_interval = {:?} must be a duration such as 15s",
                settings.rules.scrape_interval
            ));
        }
        let labels =
            settings.selector.iter().chain(&settings.target_labels).chain(settings.rules.matchers.keys());
        if let Some(label) = labels.into_iter().find(|label| !bellwether_catalog::is_metric_name(label)) {
            return Err(format!("{label:?} is no label name: letters, digits and _"));
        }
        let mut values = settings
            .thresholds
            .iter()
            .flat_map(|(alert, values)| values.iter().map(move |value| (alert, value)));
        if let Some((alert, (name, value))) = values.find(|(_, (_, value))| !value.is_finite()) {
            return Err(format!("[thresholds.{alert}] {name} = {value} must be a finite number"));
        }
        for allow in &settings.allow {
            if allow.reason.trim().is_empty() {
                return Err(format!("[[allow]] {}: say why it is wanted, with reason = \"…\"", allow.code));
            }
            if !bellwether_promql::Code::ALL.iter().any(|code| code.as_str() == allow.code) {
                return Err(format!("[[allow]] code = {:?} is no finding", allow.code));
            }
        }
        Ok(settings)
    }
}

/// `bellwether.toml` cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {message}", path.display())]
pub struct SettingsError {
    path: PathBuf,
    message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("servce = \"x\"", "servce"),
            ("prefix = \"Not-good\"", "prefix"),
            ("service = \"a b\"", "service"),
            ("[rules]\nscrape_interval = \"soon\"", "scrape_interval"),
            ("[[allow]]\ncode = \"BW202\"\nin = \"x\"\nreason = \" \"", "reason"),
            ("[[allow]]\ncode = \"BW999\"\nin = \"x\"\nreason = \"y\"", "BW999"),
            ("series_budget = -1", "series_budget"),
            ("selector = [\"bad name\"]", "bad name"),
            ("[thresholds.X]\ny = nan", "finite"),
        ] {
            let error = Settings::parse(text).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(Settings::parse("prefix = \"app\"").unwrap().prefix, "app_");
    }
}
