//! `promtool`, and a real Prometheus server.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::http::{get, percent_encode};
use crate::{Server, free_port, program, run, wait_for};

const PACKAGE: &str = "prometheus";

fn promtool() -> Command {
    Command::new(program("promtool", PACKAGE))
}

/// `promtool check metrics` on an exposition: whether it could be read and raised no complaint, and
/// what was said. Complaints can be about style: the caller decides which ones matter.
#[must_use]
pub fn check_metrics(text: &str) -> (bool, String) {
    run(promtool().args(["check", "metrics"]), text.as_bytes())
}

/// `promtool check rules` on a rule file.
#[must_use]
pub fn check_rules(path: &Path) -> (bool, String) {
    run(promtool().args(["check", "rules"]).arg(path), b"")
}

/// `promtool test rules` on a file of rule tests.
#[must_use]
pub fn test_rules(path: &Path) -> (bool, String) {
    run(promtool().args(["test", "rules"]).arg(path), b"")
}

/// What a Prometheus server reads: scrape targets, rules, or any other text of its configuration.
#[derive(Clone, Debug)]
pub struct Setup {
    interval: String,
    jobs: String,
    rules: Vec<String>,
    more: String,
}

impl Default for Setup {
    fn default() -> Self {
        Self { interval: "1s".to_owned(), jobs: String::new(), rules: Vec::new(), more: String::new() }
    }
}

impl Setup {
    /// Nothing to scrape, at an interval of one second.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How often targets are scraped and rules are evaluated, as Prometheus writes it: `1s`.
    #[must_use]
    pub fn interval(mut self, interval: &str) -> Self {
        interval.clone_into(&mut self.interval);
        self
    }

    /// Scrapes `target` under this job name.
    #[must_use]
    pub fn scrape(self, job: &str, target: SocketAddr) -> Self {
        self.scrape_with(job, target, "")
    }

    /// The same with more lines of its `scrape_config`, such as `basic_auth: {…}`.
    #[must_use]
    pub fn scrape_with(mut self, job: &str, target: SocketAddr, more: &str) -> Self {
        self.jobs += &format!("- job_name: {job}\n  static_configs: [{{targets: ['{target}']}}]\n");
        self.jobs.extend(more.lines().map(|line| format!("  {line}\n")));
        self
    }

    /// Loads the text of a rule file.
    #[must_use]
    pub fn rules(mut self, yaml: &str) -> Self {
        self.rules.push(yaml.to_owned());
        self
    }

    /// Adds lines at the top level of the configuration, such as `alerting: …`.
    #[must_use]
    pub fn more(mut self, yaml: &str) -> Self {
        self.more += yaml;
        self.more.push('\n');
        self
    }

    fn write(&self, folder: &Path) -> std::io::Result<()> {
        for (at, rules) in self.rules.iter().enumerate() {
            std::fs::write(folder.join(format!("{at}.rules.yml")), rules)?;
        }
        let Self { interval, jobs, more, .. } = self;
        let global = format!("{{scrape_interval: {interval}, evaluation_interval: {interval}}}");
        let text = format!("global: {global}\nrule_files: ['*.rules.yml']\n{more}scrape_configs:\n{jobs}");
        std::fs::write(folder.join("prometheus.yml"), text)
    }
}

/// A Prometheus server on a loopback port with storage of its own; it ends with this value.
#[derive(Debug)]
pub struct Prometheus {
    address: SocketAddr,
    // Before the folder: the server ends first.
    server: Server,
    folder: TempDir,
}

impl Prometheus {
    /// Starts it and waits until it answers.
    ///
    /// # Panics
    /// If Prometheus is missing, refuses the configuration, or does not get ready.
    #[must_use]
    pub fn start(setup: &Setup) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        setup.write(folder.path()).expect("the configuration can be written");
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let log = std::fs::File::create(folder.path().join("log")).expect("a log file");
        let server = Server::start(
            Command::new(program("prometheus", PACKAGE))
                .arg(format!("--config.file={}", folder.path().join("prometheus.yml").display()))
                .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
                .arg(format!("--web.listen-address={address}"))
                .stdout(Stdio::null())
                .stderr(log),
        );
        let mut prometheus = Self { address, server, folder };
        wait_for("Prometheus", Duration::from_secs(30), || {
            assert!(prometheus.server.running(), "Prometheus ended: {}", prometheus.log());
            get(address, "/-/ready").ok().filter(|answer| answer.status == 200)
        });
        prometheus
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The `result` of an instant query: a list of `{metric, value}`.
    ///
    /// # Panics
    /// If Prometheus refuses the query.
    #[must_use]
    pub fn query(&self, expr: &str) -> Value {
        self.api(&format!("query?query={}", percent_encode(expr)))["result"].take()
    }

    /// The one number that a query gives, if it gives one.
    #[must_use]
    pub fn value(&self, expr: &str) -> Option<f64> {
        self.query(expr).get(0)?.get("value")?.get(1)?.as_str()?.parse().ok()
    }

    /// The `result` of a range query over Unix times and a step in seconds.
    ///
    /// # Panics
    /// If Prometheus refuses the query.
    #[must_use]
    pub fn query_range(&self, expr: &str, start: f64, end: f64, step: f64) -> Value {
        let query = percent_encode(expr);
        self.api(&format!("query_range?query={query}&start={start}&end={end}&step={step}"))["result"].take()
    }

    /// The alerts that are pending or firing.
    ///
    /// # Panics
    /// If there is no answer.
    #[must_use]
    pub fn alerts(&self) -> Value {
        self.api("alerts")["alerts"].take()
    }

    /// The scrape targets, with their health and last error.
    ///
    /// # Panics
    /// If there is no answer.
    #[must_use]
    pub fn targets(&self) -> Value {
        self.api("targets?state=active")["activeTargets"].take()
    }

    fn api(&self, path: &str) -> Value {
        let answer = get(self.address, &format!("/api/v1/{path}")).expect("Prometheus answers");
        let mut value: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(value["status"], "success", "{path}: {value}");
        value["data"].take()
    }
}
