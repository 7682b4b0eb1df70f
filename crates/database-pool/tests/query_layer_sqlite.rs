//! SQLite reports from a thread of its own. One subscriber for the process: one test.
#![cfg(feature = "sqlx")]

mod common;

use bellwether_database_pool::sqlx::QueryLayer;
use common::{count, errors, telemetry, until};
use sqlx::Executor;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tracing_subscriber::prelude::*;

#[tokio::test]
async fn each_query_counts_once() {
    let (telemetry, metrics) = telemetry();
    // Nobody says which dialect it is.
    tracing_subscriber::registry().with(QueryLayer::new(&metrics).layer()).init();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = SqliteConnectOptions::new().filename(folder.path().join("db")).create_if_missing(true);
    let pool = SqlitePool::connect_with(file).await.expect("a pool");
    let observed = metrics.observe_sqlx_pool("file", &pool);
    observed.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)").await.expect("a table");

    sqlx::query("INSERT INTO users VALUES (?, ?)")
        .bind(1)
        .bind("hunter2")
        .execute(&pool)
        .await
        .expect("an insert");
    sqlx::query("INSERT INTO users VALUES (2, 'hunter2')").execute(&observed).await.expect("an insert");
    sqlx::query("INSERT INTO users VALUES (2, 'hunter2')").execute(&observed).await.expect_err("a duplicate");
    sqlx::query("SELECT * FROM users").fetch_all(metrics.metered(&pool)).await.expect("rows");

    until("the inserts", || count(&telemetry, "insert", "users") == Some(3.0)).await;
    until("the query", || count(&telemetry, "select", "users") == Some(1.0)).await;
    assert_eq!(errors(&telemetry, "insert", "constraint"), Some(1.0));

    // A later event comes after all earlier ones of the connection: nothing came twice.
    let mut connection = pool.acquire().await.expect("a connection");
    sqlx::query("DELETE FROM users").execute(&mut *connection).await.expect("a delete");
    until("the delete", || count(&telemetry, "delete", "users") == Some(1.0)).await;
    assert_eq!(count(&telemetry, "insert", "users"), Some(3.0));
    assert!(!telemetry.render().contains("hunter2"));
}
