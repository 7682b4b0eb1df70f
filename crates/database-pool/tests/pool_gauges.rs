//! Connections of an sqlx pool in the scrape, and how they leave it.
#![cfg(feature = "sqlx")]
#![allow(clippy::expect_used, reason = "a test says what it expects by failing")]

mod common;

use std::time::Duration;

use bellwether_testkit::postgres::Postgres;
use common::{telemetry, value};
use sqlx::postgres::{PgPool, PgPoolOptions};

async fn pool(server: &Postgres) -> PgPool {
    PgPoolOptions::new().max_connections(5).min_connections(1).connect(&server.url()).await.expect("a pool")
}

#[tokio::test]
async fn gauges_follow_the_pool() {
    let server = Postgres::start();
    let (telemetry, metrics) = telemetry();
    let observed = metrics.observe_sqlx_pool("gauges", &pool(&server).await);
    let state =
        |state| value(&telemetry, &format!(r#"db_pool_connections{{pool="gauges",state="{state}"}}"#));

    assert_eq!(value(&telemetry, r#"db_pool_connections_max{pool="gauges"}"#), Some(5.0));
    assert_eq!(value(&telemetry, r#"db_pool_connections_min{pool="gauges"}"#), Some(1.0));
    assert_eq!(value(&telemetry, r#"db_pool_waiting{pool="gauges"}"#), Some(0.0));
    common::until("a first connection", || (state("active"), state("idle")) == (Some(0.0), Some(1.0))).await;

    let held = (observed.acquire().await.expect("one"), observed.pool().acquire().await.expect("another"));
    assert_eq!((state("active"), state("idle")), (Some(2.0), Some(0.0)));
    drop(held);
    common::until("both back", || (state("active"), state("idle")) == (Some(0.0), Some(2.0))).await;
}

#[tokio::test]
async fn the_last_guard_takes_the_series_away() {
    let server = Postgres::start();
    let (telemetry, metrics) = telemetry();
    let pool = pool(&server).await;
    let observed = metrics.observe_sqlx_pool("guard", &pool);
    let again = observed.clone();
    drop(observed.acquire().await.expect("a connection"));
    drop(observed);
    assert!(telemetry.render().contains(r#"pool="guard""#), "a clone is left");
    drop(again);
    assert!(!telemetry.render().contains(r#"pool="guard""#));

    // The name is free for another pool, which starts at nothing.
    let observed = metrics.observe_sqlx_pool("guard", &pool);
    assert_eq!(common::acquires(&telemetry, "guard", "success"), None);
    drop(observed);
}

#[tokio::test]
async fn a_closed_pool_leaves_at_the_next_scrape() {
    let server = Postgres::start();
    let (telemetry, metrics) = telemetry();
    let observed = metrics.observe_sqlx_pool("closed", &pool(&server).await);
    assert!(telemetry.render().contains(r#"pool="closed""#));
    observed.close().await;
    assert!(!telemetry.render().contains(r#"pool="closed""#));
    assert!(observed.acquire().await.is_err());
    let text = telemetry.render();
    assert!(!text.contains(r#"pool="closed""#) && !text.contains(r#"pool="other""#), "{text}");
}

#[tokio::test]
async fn the_scrape_keeps_no_pool_open() {
    let server = Postgres::start();
    let (telemetry, metrics) = telemetry();
    let pool = pool(&server).await;
    let mut closed = pool.close_event();
    let observed = metrics.observe_sqlx_pool("open", &pool);
    let text = telemetry.render();
    assert!(text.contains(r#"pool="open""#));
    drop(pool);
    drop(observed);
    // sqlx signals this event also when the last handle of a pool is dropped.
    let ended = tokio::time::timeout(Duration::from_secs(20), &mut closed).await;
    assert!(ended.is_ok(), "the pool is still held");
    // The telemetry that could hold it is still there.
    assert!(!telemetry.render().contains(r#"pool="open""#));
}
