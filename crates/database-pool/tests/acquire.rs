//! Waits for a connection of an sqlx pool: success, timeout, error, cancellation, and who waits.
#![cfg(feature = "sqlx")]

mod common;

use std::time::Duration;

use bellwether_testkit::postgres::Postgres;
use common::{acquires, errors, telemetry, until, value};
use sqlx::postgres::PgPoolOptions;

#[tokio::test]
async fn every_end_of_a_wait_is_counted() {
    let server = Postgres::start();
    let (telemetry, metrics) = telemetry();
    let one = PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_millis(100));
    let pool = one.connect(&server.url()).await.expect("a pool");
    let observed = metrics.observe_sqlx_pool("one", &pool);
    let held = observed.acquire().await.expect("the only connection");
    assert_eq!(acquires(&telemetry, "one", "success"), Some(1.0));

    assert!(matches!(observed.acquire().await, Err(sqlx::Error::PoolTimedOut)));
    assert_eq!(acquires(&telemetry, "one", "timeout"), Some(1.0));
    assert!(matches!(observed.begin().await, Err(sqlx::Error::PoolTimedOut)));
    assert_eq!(acquires(&telemetry, "one", "timeout"), Some(2.0));

    // As an executor: the query failed as well.
    assert!(sqlx::query("DELETE FROM t").execute(&observed).await.is_err());
    assert_eq!(acquires(&telemetry, "one", "timeout"), Some(3.0));
    assert_eq!(errors(&telemetry, "delete", "pool_timeout"), Some(1.0));
    let metered = metrics.metered(observed.pool());
    assert!(sqlx::query("DELETE FROM t").execute(metered).await.is_err());
    assert_eq!(errors(&telemetry, "delete", "pool_timeout"), Some(2.0));
    drop(held);

    // Whoever is there: the next error is a closed pool, before a scrape takes the series away.
    observed.close().await;
    assert!(matches!(observed.acquire().await, Err(sqlx::Error::PoolClosed)));
    assert!(sqlx::query("DELETE FROM t").execute(&observed).await.is_err());
    assert_eq!(errors(&telemetry, "delete", "connection"), Some(1.0));
}

#[tokio::test]
async fn who_waits_is_seen_and_who_gives_up_is_counted() {
    let server = Postgres::start();
    let (telemetry, metrics) = telemetry();
    let pool = PgPoolOptions::new().max_connections(1).connect(&server.url()).await.expect("a pool");
    let observed = metrics.observe_sqlx_pool("patient", &pool);
    let held = observed.acquire().await.expect("the only connection");
    let waiting = || value(&telemetry, r#"db_pool_waiting{pool="patient"}"#);

    let tasks: Vec<_> = (0..3)
        .map(|_| {
            let observed = observed.clone();
            tokio::spawn(async move { observed.acquire().await.map(drop) })
        })
        .collect();
    until("three callers", || waiting() == Some(3.0)).await;
    tasks[0].abort();
    until("a cancellation", || acquires(&telemetry, "patient", "cancelled") == Some(1.0)).await;
    assert_eq!(waiting(), Some(2.0));
    drop(held);
    until("the others", || acquires(&telemetry, "patient", "success") == Some(3.0)).await;
    assert_eq!(waiting(), Some(0.0));
}

#[tokio::test]
async fn a_server_that_refuses_is_an_error() {
    let server = Postgres::start();
    let (telemetry, metrics) = telemetry();
    let pool = PgPoolOptions::new().connect_lazy(&format!("{}_missing", server.url())).expect("a URL");
    let observed = metrics.observe_sqlx_pool("refused", &pool);
    observed.acquire().await.expect_err("no such database");
    assert_eq!(acquires(&telemetry, "refused", "error"), Some(1.0));

    // sqlx tries again to reach a server that is not there, until the timeout.
    let nowhere = format!("postgres://postgres@127.0.0.1:{}/x", bellwether_testkit::free_port());
    let short = PgPoolOptions::new().acquire_timeout(Duration::from_millis(50));
    let observed = metrics.observe_sqlx_pool("nowhere", &short.connect_lazy(&nowhere).expect("a URL"));
    observed.acquire().await.expect_err("nobody listens");
    assert_eq!(acquires(&telemetry, "nowhere", "timeout"), Some(1.0));
}

#[tokio::test]
async fn the_time_of_a_query_is_without_its_wait() {
    let server = Postgres::start();
    let (telemetry, metrics) = telemetry();
    let pool = PgPoolOptions::new().max_connections(1).connect(&server.url()).await.expect("a pool");
    let observed = metrics.observe_sqlx_pool("wait", &pool).with_durations();
    let held = observed.acquire().await.expect("the only connection");
    let since = std::time::Instant::now();
    let query = tokio::spawn({
        let observed = observed.clone();
        async move { sqlx::query("SELECT 1").execute(&observed).await.map(drop) }
    });
    until("a wait worth measuring", || since.elapsed() > Duration::from_millis(600)).await;
    assert_eq!(value(&telemetry, r#"db_pool_waiting{pool="wait"}"#), Some(1.0));
    drop(held);
    query.await.expect("no panic").expect("an answer");

    let waited = value(&telemetry, r#"db_pool_acquire_duration_seconds_sum{pool="wait",status="success"}"#);
    let took = value(&telemetry, r#"db_query_duration_seconds_sum{operation="select",table="none"}"#);
    assert!(waited > Some(0.5) && took.is_some_and(|took| took < 0.5), "waited {waited:?}, took {took:?}");
}
