//! The same application on actix-web and on axum, and clients that speak plain TCP to it.
#![allow(dead_code, unreachable_pub, reason = "a module of several test binaries; each uses a part")]
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

pub mod actix_app;
pub mod axum_app;
pub mod client;

use std::net::SocketAddr;
use std::time::Duration;

use bellwether_core::{Config, Telemetry};
use bellwether_http::HttpMetrics;

pub const LIMIT: Duration = Duration::from_secs(20);

/// A server on a port of its own, up to the end of the test's process.
pub struct Server {
    pub address: SocketAddr,
    pub telemetry: Telemetry,
}

impl Server {
    pub fn actix() -> Self {
        Self::actix_with(Config::default())
    }

    pub fn actix_with(config: Config) -> Self {
        let (telemetry, (http,)) = Telemetry::isolated::<(HttpMetrics,)>(config).unwrap();
        Self { address: actix_app::serve(&telemetry, &http, false), telemetry }
    }

    pub fn axum() -> Self {
        Self::axum_with(Config::default())
    }

    pub fn axum_with(config: Config) -> Self {
        let (telemetry, (http,)) = Telemetry::isolated::<(HttpMetrics,)>(config).unwrap();
        Self { address: axum_app::serve(axum_app::router(&telemetry, &http)), telemetry }
    }

    /// Waits until the scrape has all of these lines.
    #[track_caller]
    pub fn shows(&self, lines: &[&str]) {
        shows(&self.telemetry, lines);
    }

    /// The value of a series, 0 while there is none.
    pub fn value(&self, series: &str) -> u64 {
        value(&self.telemetry, series)
    }

    /// Waits until everything begun is counted, and tells how many requests there were.
    pub fn total(&self) -> u64 {
        self.shows(&["http_requests_in_flight 0"]);
        self.sum("http_requests_total{")
    }

    /// The sum of all series that begin like this.
    pub fn sum(&self, beginning: &str) -> u64 {
        let text = self.telemetry.render();
        let values = text.lines().filter(|line| line.starts_with(beginning));
        values.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }
}

#[track_caller]
pub fn shows(telemetry: &Telemetry, lines: &[&str]) {
    let start = std::time::Instant::now();
    loop {
        let text = telemetry.render();
        let missing: Vec<_> = lines.iter().filter(|line| !text.lines().any(|has| has == **line)).collect();
        if missing.is_empty() {
            return;
        }
        let has: String = text
            .lines()
            .filter(|line| line.starts_with("http_") && !line.contains("_bucket"))
            .map(|line| format!("{line}\n"))
            .collect();
        assert!(start.elapsed() < LIMIT, "{missing:#?} did not come; there is\n{has}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn value(telemetry: &Telemetry, series: &str) -> u64 {
    let text = telemetry.render();
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}
