//! Errors, cancellations and times of queries, through the executor, against PostgreSQL.
#![cfg(feature = "sqlx")]
#![allow(clippy::expect_used, reason = "a test says what it expects by failing")]

mod common;

use bellwether_testkit::postgres::Postgres;
use common::{count, errors, telemetry, until, until_true};
use futures_util::TryStreamExt;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{Executor, Row};

async fn pool(server: &Postgres) -> PgPool {
    let pool = PgPoolOptions::new().max_connections(3).connect(&server.url()).await.expect("a pool");
    pool.execute("CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL)").await.expect("a table");
    pool
}

#[tokio::test]
async fn times_by_operation_and_table() {
    let server = Postgres::start();
    let (telemetry, metrics) = telemetry();
    let observed = metrics.observe_sqlx_pool("main", &pool(&server).await).with_durations();

    for id in 0..3 {
        let insert = sqlx::query("INSERT INTO public.users VALUES ($1, $2)").bind(id).bind("it's a secret");
        let done = insert.execute(&observed).await.expect("an insert");
        assert_eq!(done.rows_affected(), 1);
    }
    let rows =
        sqlx::query("SELECT * FROM users WHERE name <> 'secret'").fetch_all(&observed).await.expect("rows");
    assert_eq!(rows.len(), 3);
    let row = sqlx::query("SELECT count(*) FROM users").fetch_one(&observed).await.expect("a row");
    assert_eq!(row.get::<i64, _>(0), 3);
    let none = sqlx::query("SELECT * FROM users WHERE id = 9").fetch_optional(&observed).await;
    assert!(none.expect("an answer").is_none());
    assert!(matches!(
        sqlx::query("SELECT * FROM users WHERE id = 9").fetch_one(&observed).await,
        Err(sqlx::Error::RowNotFound)
    ));
    let prepared =
        (&observed).prepare(sqlx::SqlStr::from_static("SELECT id FROM users")).await.expect("prepared");
    let mut transaction = observed.begin().await.expect("a transaction");
    let metered = metrics.metered(&mut *transaction).with_durations();
    sqlx::Statement::query(&prepared).execute(metered).await.expect("a prepared statement");
    sqlx::raw_sql("UPDATE users SET name = 'x'; SELECT 1")
        .execute(metrics.metered(&mut *transaction).with_durations())
        .await
        .expect("two statements");
    transaction.commit().await.expect("a commit");

    assert_eq!(count(&telemetry, "insert", "users"), Some(3.0));
    assert_eq!(count(&telemetry, "select", "users"), Some(5.0));
    assert_eq!(count(&telemetry, "update", "users"), Some(1.0));
    assert_eq!(common::acquires(&telemetry, "main", "success"), Some(9.0));
    let text = telemetry.render();
    assert!(!text.contains("secret"));
    let failed =
        text.lines().filter(|line| line.starts_with("db_query_errors_total") && !line.ends_with(" 0"));
    assert_eq!(failed.count(), 0, "{text}");
}

#[tokio::test]
async fn errors_by_reason() {
    let server = Postgres::start();
    let (telemetry, metrics) = telemetry();
    let pool = pool(&server).await;
    let run = async |sql: &'static str| sqlx::query(sql).execute(metrics.metered(&pool)).await.map(drop);

    run("INSERT INTO users VALUES (1, 'a')").await.expect("an insert");
    run("INSERT INTO users VALUES (1, 'a')").await.expect_err("a duplicate");
    run("INSERT INTO users VALUES (2, NULL)").await.expect_err("a null");
    assert_eq!(errors(&telemetry, "insert", "constraint"), Some(2.0));

    run("SELECT * FROM nowhere").await.expect_err("no such table");
    run("SELECT SELECT").await.expect_err("no SQL");
    assert_eq!(errors(&telemetry, "select", "syntax"), Some(2.0));

    run("SELECT 1 / 0").await.expect_err("a division");
    assert_eq!(errors(&telemetry, "select", "other"), Some(1.0));

    // At every series from the start: the first failure is one.
    assert_eq!(errors(&telemetry, "select", "timeout"), Some(0.0));
    let mut connection = pool.acquire().await.expect("a connection");
    connection.execute("SET statement_timeout = 20").await.expect("a setting");
    let slow = sqlx::query("SELECT pg_sleep(60)").execute(metrics.metered(&mut *connection)).await;
    slow.expect_err("a timeout");
    assert_eq!(errors(&telemetry, "select", "timeout"), Some(1.0));

    connection.execute("SET statement_timeout = 0").await.expect("a setting");
    let kill = sqlx::query("SELECT pg_terminate_backend(pg_backend_pid())");
    kill.execute(metrics.metered(&mut *connection)).await.expect_err("an end");
    assert_eq!(errors(&telemetry, "select", "connection"), Some(1.0));
    drop(connection);

    // A statement that is only prepared fails as well.
    let prepared = metrics.metered(&pool).prepare(sqlx::SqlStr::from_static("DELETE FROM nowhere")).await;
    prepared.map(drop).expect_err("no such table");
    assert_eq!(errors(&telemetry, "delete", "syntax"), Some(1.0));
    // Nobody asked for times.
    assert!(!telemetry.render().contains("db_query_duration_seconds_count{"));
}

#[tokio::test]
async fn a_dropped_query_is_cancelled() {
    let server = Postgres::start();
    let (telemetry, metrics) = telemetry();
    let pool = pool(&server).await;
    let observed = metrics.observe_sqlx_pool("main", &pool).with_durations();
    let query = tokio::spawn({
        let observed = observed.clone();
        async move { sqlx::query("SELECT pg_sleep(3600)").execute(&observed).await.map(drop) }
    });
    let sleeping =
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%3600%' AND wait_event = 'PgSleep'";
    until_true("the query at the server", || async {
        sqlx::query_scalar::<_, i64>(sleeping).fetch_one(&pool).await.is_ok_and(|count| count == 1)
    })
    .await;
    query.abort();
    until("the cancellation", || errors(&telemetry, "select", "cancelled") == Some(1.0)).await;
    assert_eq!(count(&telemetry, "select", "none"), Some(1.0));
}

#[tokio::test]
async fn a_stream_ends_at_its_end() {
    let server = Postgres::start();
    let (telemetry, metrics) = telemetry();
    let pool = pool(&server).await;
    let series = "SELECT * FROM generate_series(1, 5)";

    let rows: Vec<_> = sqlx::query(series).fetch(metrics.metered(&pool)).try_collect().await.expect("rows");
    assert_eq!(rows.len(), 5);
    drop(sqlx::query(series).fetch(metrics.metered(&pool)));
    assert_eq!(errors(&telemetry, "select", "cancelled"), Some(0.0), "nobody polled it");

    let mut rows = sqlx::query(series).fetch(metrics.metered(&pool));
    assert!(rows.try_next().await.expect("a row").is_some());
    drop(rows);
    assert_eq!(errors(&telemetry, "select", "cancelled"), Some(1.0), "four rows were left");

    let mut results = metrics.metered(&pool).execute_many("UPDATE users SET name = 'x'");
    assert!(results.try_next().await.expect("a result").is_some());
    drop(results);
    assert_eq!(errors(&telemetry, "update", "cancelled"), Some(0.0), "the statement had ended");
}
