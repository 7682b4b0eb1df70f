//! The executor over SQLite, and that it compiles over MySQL.
#![cfg(feature = "sqlx")]

mod common;

use std::time::Duration;

use common::{count, errors, telemetry};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{Executor, MySql, Pool};

#[tokio::test]
async fn errors_of_sqlite_have_reasons() {
    let (telemetry, metrics) = telemetry();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = SqliteConnectOptions::new()
        .filename(folder.path().join("db"))
        .create_if_missing(true)
        .busy_timeout(Duration::from_millis(1));
    let pool: SqlitePool =
        SqlitePoolOptions::new().max_connections(2).connect_with(file).await.expect("a pool");
    let observed = metrics.observe_sqlx_pool("sqlite", &pool).with_durations();
    observed.execute("CREATE TABLE users (id INTEGER PRIMARY KEY)").await.expect("a table");
    sqlx::query("INSERT INTO users VALUES (1)").execute(&observed).await.expect("an insert");
    sqlx::query("INSERT INTO users VALUES (1)").execute(&observed).await.expect_err("a duplicate");
    sqlx::query("SELECT * FROM missing").fetch_all(&observed).await.expect_err("no such table");

    let mut writer = pool.acquire().await.expect("a connection");
    writer.execute("BEGIN IMMEDIATE").await.expect("a lock");
    sqlx::query("INSERT INTO users VALUES (2)").execute(&observed).await.expect_err("locked");
    writer.execute("ROLLBACK").await.expect("no lock");

    assert_eq!(errors(&telemetry, "insert", "constraint"), Some(1.0));
    assert_eq!(errors(&telemetry, "insert", "timeout"), Some(1.0));
    assert_eq!(errors(&telemetry, "select", "syntax"), Some(1.0));
    assert_eq!(count(&telemetry, "insert", "users"), Some(3.0));
}

/// Never run: there is no MySQL server here.
#[allow(dead_code, reason = "compiling is the test")]
async fn over_mysql(
    metrics: bellwether_database_pool::DatabasePoolMetrics,
    pool: Pool<MySql>,
) -> sqlx::Result<()> {
    let observed = metrics.observe_sqlx_pool("mysql", &pool).with_durations();
    sqlx::query("SELECT * FROM t WHERE id = ?").bind(1).fetch_optional(&observed).await?;
    let mut transaction = observed.begin().await?;
    sqlx::query("SELECT 1").execute(metrics.metered(&mut *transaction)).await?;
    transaction.commit().await
}

/// Code that takes any executor takes these, and they can be sent to another task.
#[allow(dead_code, reason = "compiling is the test")]
fn in_a_task(metrics: &'static bellwether_database_pool::DatabasePoolMetrics, pool: SqlitePool) {
    async fn generic<'c>(executor: impl Executor<'c, Database = sqlx::Sqlite>) -> sqlx::Result<()> {
        sqlx::query("SELECT 1").execute(executor).await.map(drop)
    }
    drop(tokio::spawn(async move { generic(metrics.metered(&pool)).await }));
}
