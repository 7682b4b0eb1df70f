//! Query times out of sqlx's events, beside a log with its own filter; and each thing once, whoever
//! else looks. One subscriber for the process: one test.
#![cfg(feature = "sqlx")]
#![allow(clippy::expect_used, reason = "a test says what it expects by failing")]

mod common;

use std::io::Write;
use std::sync::{Arc, Mutex};

use bellwether_database_pool::sqlx::{Dialect, QueryLayer};
use bellwether_testkit::postgres::Postgres;
use common::{acquires, count, errors, telemetry};
use sqlx::Executor;
use sqlx::postgres::PgPoolOptions;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::prelude::*;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_become_times() {
    let (telemetry, metrics) = telemetry();
    let layer = QueryLayer::new(&metrics).dialect(Dialect::Postgres);
    let acquire_events = layer.acquire_events();
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::registry()
        .with(layer.layer())
        .with(
            tracing_subscriber::fmt::layer()
                .with_writer(move || writer.clone())
                .with_filter(EnvFilter::new("error")),
        )
        .init();

    let server = Postgres::start();
    let pool = PgPoolOptions::new()
        .max_connections(2)
        .acquire_time_level("trace".parse().expect("a level"))
        .connect(&server.url())
        .await
        .expect("a pool");
    pool.execute("CREATE TABLE users (id int PRIMARY KEY, name text)").await.expect("a table");
    assert_eq!(count(&telemetry, "ddl", "none"), Some(1.0));

    // Four words stand in the summary alone, more of them in the statement.
    sqlx::query("SELECT * FROM users").fetch_all(&pool).await.expect("rows");
    sqlx::query("SELECT  *\n FROM users").fetch_all(&pool).await.expect("rows");
    sqlx::query("SELECT name FROM \"Users\" WHERE id = 4711")
        .fetch_all(&pool)
        .await
        .expect_err("another table");
    sqlx::query("INSERT INTO users VALUES (1, 'hunter2 FROM hunter2')")
        .execute(&pool)
        .await
        .expect("an insert");
    assert_eq!(count(&telemetry, "select", "users"), Some(3.0));
    assert_eq!(count(&telemetry, "insert", "users"), Some(1.0));
    tracing::error!("the log is there");

    // The executor without times and the layer: each sees its own.
    let duplicate = sqlx::query("INSERT INTO users VALUES (1, 'x')");
    duplicate.execute(metrics.metered(&pool)).await.expect_err("a duplicate");
    assert_eq!(count(&telemetry, "insert", "users"), Some(2.0));
    assert_eq!(errors(&telemetry, "insert", "constraint"), Some(1.0));

    // Waits: timed by us, reported by sqlx, each once.
    let observed = metrics.observe_sqlx_pool("main", &pool);
    drop(pool.acquire().await.expect("a connection"));
    assert_eq!(acquires(&telemetry, "main", "success"), None, "the events are nobody's yet");
    observed.take_acquire_events(&acquire_events);
    drop(pool.acquire().await.expect("a connection"));
    assert_eq!(acquires(&telemetry, "main", "success"), Some(1.0));
    drop(observed.acquire().await.expect("a connection"));
    assert_eq!(acquires(&telemetry, "main", "success"), Some(2.0));
    sqlx::query("DELETE FROM users WHERE id = 8").execute(&observed).await.expect("a delete");
    assert_eq!(acquires(&telemetry, "main", "success"), Some(3.0));
    assert_eq!(count(&telemetry, "delete", "users"), Some(1.0));
    pool.begin().await.expect("a transaction").rollback().await.expect("a rollback");
    assert_eq!(acquires(&telemetry, "main", "success"), Some(4.0));

    // The events do not hold the pool.
    drop(observed);
    drop(pool.acquire().await.expect("a connection"));
    let text = telemetry.render();
    assert!(!text.contains(r#"pool="main""#) && !text.contains(r#"pool="other""#), "{text}");
    assert!(!text.contains("hunter2") && !text.contains("4711"));

    let log = String::from_utf8(log.0.lock().expect("no panic").clone()).expect("text");
    assert!(log.contains("the log is there"));
    assert!(!log.contains("sqlx::"), "the log has its own filter: {log}");
}
