//! What the tests share.
#![allow(
    dead_code,
    clippy::expect_used,
    reason = "a test says what it expects by failing, and not every one uses all of this"
)]

use std::future::Future;
use std::time::{Duration, Instant};

use bellwether_core::{Config, Telemetry};
use bellwether_database_pool::DatabasePoolMetrics;

pub(crate) fn telemetry() -> (Telemetry, DatabasePoolMetrics) {
    let (telemetry, (metrics,)) =
        Telemetry::isolated::<(DatabasePoolMetrics,)>(Config::default()).expect("the default configuration");
    (telemetry, metrics)
}

/// The value of one series in a scrape; none if it is not there.
pub(crate) fn value(telemetry: &Telemetry, series: &str) -> Option<f64> {
    let text = telemetry.render();
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

pub(crate) fn count(telemetry: &Telemetry, operation: &str, table: &str) -> Option<f64> {
    value(
        telemetry,
        &format!(r#"db_query_duration_seconds_count{{operation="{operation}",table="{table}"}}"#),
    )
}

pub(crate) fn errors(telemetry: &Telemetry, operation: &str, reason: &str) -> Option<f64> {
    value(telemetry, &format!(r#"db_query_errors_total{{operation="{operation}",reason="{reason}"}}"#))
}

pub(crate) fn acquires(telemetry: &Telemetry, pool: &str, status: &str) -> Option<f64> {
    value(telemetry, &format!(r#"db_pool_acquire_duration_seconds_count{{pool="{pool}",status="{status}"}}"#))
}

/// Lets other tasks run until `ready` says so.
pub(crate) async fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let start = Instant::now();
    while !ready() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what} did not come");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The same for a condition that has to be asked for.
pub(crate) async fn until_true<F: Future<Output = bool>>(what: &str, mut ready: impl FnMut() -> F) {
    let start = Instant::now();
    while !ready().await {
        assert!(start.elapsed() < Duration::from_secs(20), "{what} did not come");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
