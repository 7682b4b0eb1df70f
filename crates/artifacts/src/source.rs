//! Everything that the writers need, checked and resolved: the domains of the service, with the
//! user's settings applied.

use std::collections::BTreeSet;
use std::path::PathBuf;

use bellwether_catalog::Catalog;
use bellwether_core::SelfMetrics;
use bellwether_promql::{Expression, Rewrite};

use crate::alert::{Alert, Expectation, Rules};
use crate::domain::{Domain, Observed};
use crate::duration;
use crate::output::Error;
use crate::settings::Settings;

/// The one source of all artefacts of a service.
#[derive(Clone, Debug)]
pub struct Source {
    pub(crate) root: PathBuf,
    pub(crate) settings: Settings,
    /// Names as declared.
    pub(crate) declared: Catalog,
    /// Names as exposed.
    pub(crate) exposed: Catalog,
    pub(crate) domains: Vec<Domain>,
}

impl Source {
    /// Reads the settings in `root` and applies them to the domains of `D`.
    ///
    /// # Errors
    /// If a setting names something that there is not, or a declaration contradicts itself.
    pub fn of<D: Observed>(root: PathBuf) -> Result<Self, Error> {
        let settings = Settings::read(&root)?;
        let mut domains = D::domains();
        domains.push(Domain::of::<SelfMetrics>());
        Self::new(root, settings, domains)
    }

    pub(crate) fn new(root: PathBuf, settings: Settings, mut domains: Vec<Domain>) -> Result<Self, Error> {
        let mut declared = Catalog::default();
        for domain in &domains {
            for metric in &domain.metrics {
                if let Some(other) = declared.insert(metric.clone()) {
                    let message =
                        format!("{} is declared by both {} and {}", other.name, other.domain, domain.name);
                    return Err(Error::Declaration { place: domain.name.to_owned(), message });
                }
            }
        }
        if !settings.slo.is_empty() {
            let own = settings.slo.iter().try_fold(Rules::new(), |rules, slo| Ok(rules.slo(slo.slo()?)));
            let own =
                own.map_err(|message| Error::Declaration { place: Settings::FILE.to_owned(), message })?;
            let dashboard =
                crate::dashboard::Dashboard::new("slo", "Objectives", "The service's own objectives.");
            domains.push(Domain { name: "slo", metrics: Vec::new(), dashboard, rules: own });
        }
        for domain in &mut domains {
            for slo in std::mem::take(&mut domain.rules.slos) {
                let expanded = slo.expand(&declared).map_err(|message| Error::Declaration {
                    place: format!("objective {} of {}", slo.name, domain.name),
                    message,
                })?;
                domain.rules.recordings.extend(expanded.recordings);
                domain.rules.alerts.extend(expanded.alerts);
            }
        }
        let exposed = declared.with_prefix(&settings.prefix);
        let mut source = Self { root, settings, declared, exposed, domains };
        source.apply_settings()?;
        source.check()?;
        Ok(source)
    }

    fn apply_settings(&mut self) -> Result<(), Error> {
        let names: BTreeSet<String> = self.alerts().map(|(_, alert)| alert.name.clone()).collect();
        let wrong = |message: String| Error::Declaration { place: Settings::FILE.to_owned(), message };
        let list = || names.iter().cloned().collect::<Vec<_>>().join(", ");
        if let Some(name) = self.settings.rules.disabled.iter().find(|name| !names.contains(*name)) {
            return Err(wrong(format!("rules.disabled has {name:?}, but the alerts are {}", list())));
        }
        for (name, values) in &self.settings.thresholds {
            if !names.contains(name) {
                return Err(wrong(format!("[thresholds.{name}] is of no alert; the alerts are {}", list())));
            }
            for (threshold, value) in values {
                let mut found = false;
                for alert in self.domains.iter_mut().flat_map(|domain| &mut domain.rules.alerts) {
                    for own in alert
                        .thresholds
                        .iter_mut()
                        .filter(|own| alert.name == *name && own.name == *threshold)
                    {
                        own.value = *value;
                        found = true;
                    }
                }
                if !found {
                    return Err(wrong(format!(
                        "{name} has no threshold {threshold:?}; docs/alerts.md lists them"
                    )));
                }
            }
        }
        for domain in &mut self.domains {
            domain.rules.alerts.retain(|alert| !self.settings.rules.disabled.contains(&alert.name));
        }
        Ok(())
    }

    /// What no writer could make sense of.
    fn check(&self) -> Result<(), Error> {
        for (domain, alert) in self.alerts() {
            let place = format!("alert {} of {}", alert.name, domain.name);
            let wrong =
                |message: &str| Err(Error::Declaration { place: place.clone(), message: message.to_owned() });
            Expression::parse(&alert.resolved())
                .map_err(|error| Error::Declaration { place: place.clone(), message: error.to_string() })?;
            let times =
                alert.proofs.iter().flat_map(|proof| [&proof.at, &proof.interval]).chain([&alert.hold]);
            if let Some(bad) = times.into_iter().find(|time| duration::parse(time).is_none()) {
                return wrong(&format!("{bad:?} is no duration: write 10m or 1h30m"));
            }
            if !alert.proofs.iter().any(|proof| matches!(proof.expects, Expectation::Fires(_))) {
                return wrong("it has no proof that it fires: add Proof::fires");
            }
            if !alert.proofs.iter().any(|proof| proof.expects == Expectation::Silent) {
                return wrong("it has no proof that it can be silent: add Proof::silent");
            }
            if alert.summary.is_empty() || alert.description.is_empty() || alert.runbook.meaning.is_empty() {
                return wrong("it needs a summary, a description and a runbook: somebody is woken by it");
            }
        }
        for domain in &self.domains {
            for panel in domain.dashboard.rows.iter().flat_map(|row| &row.panels) {
                let place = format!("panel {:?} of {}", panel.title, domain.name);
                let wrong = |message: String| Err(Error::Declaration { place: place.clone(), message });
                if panel.queries.is_empty() {
                    return wrong("it has no query".to_owned());
                }
                if panel.description.is_empty() {
                    return wrong("it needs a description that says what to look for".to_owned());
                }
                for query in &panel.queries {
                    if let Err(error) = Expression::parse(&query.expr) {
                        return wrong(error.to_string());
                    }
                }
            }
        }
        Ok(())
    }

    /// Labels of targets that the settings name, beside the usual ones.
    pub(crate) fn target_labels(&self) -> Vec<&str> {
        let Settings { selector, target_labels, rules, .. } = &self.settings;
        selector.iter().chain(target_labels).chain(rules.matchers.keys()).map(String::as_str).collect()
    }

    /// All alerts with their domains.
    pub(crate) fn alerts(&self) -> impl Iterator<Item = (&Domain, &Alert)> {
        self.domains.iter().flat_map(|domain| domain.rules.alerts.iter().map(move |alert| (domain, alert)))
    }

    /// An expression of the declared names as the rules have it.
    pub(crate) fn for_rules(&self, expression: &str) -> Result<Expression, Error> {
        let matchers: Vec<_> = self
            .settings
            .rules
            .matchers
            .iter()
            .map(|(name, value)| (name.clone(), "=".to_owned(), value.clone()))
            .collect();
        self.rewrite(expression, &matchers)
    }

    /// The same as the dashboards have it.
    pub(crate) fn for_dashboards(&self, expression: &str) -> Result<Expression, Error> {
        let selector = &self.settings.selector;
        let matchers: Vec<_> =
            selector.iter().map(|name| (name.clone(), "=~".to_owned(), format!("${name}"))).collect();
        self.rewrite(expression, &matchers)
    }

    pub(crate) fn rewrite(
        &self,
        expression: &str,
        matchers: &[(String, String, String)],
    ) -> Result<Expression, Error> {
        let rewrite = Rewrite { catalog: Some(&self.declared), prefix: &self.settings.prefix, matchers };
        Expression::parse(expression).and_then(|parsed| rewrite.apply(&parsed)).map_err(|error| {
            Error::Declaration { place: "an expression".to_owned(), message: error.to_string() }
        })
    }
}
