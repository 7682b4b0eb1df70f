//! Metrics of database pools and queries.
//!
//! # Overview
//! - **Pools**: connections in use and idle, the pool's bounds, callers that wait for a connection, and
//!   how long they waited, by how that ended: `db_pool_connections{pool,state}`,
//!   `db_pool_connections_max{pool}`, `db_pool_connections_min{pool}`, `db_pool_waiting{pool}`,
//!   `db_pool_acquire_duration_seconds{pool,status}`.
//! - **Queries**: time by operation and table, and errors by reason:
//!   `db_query_duration_seconds{operation,table}`, `db_query_errors_total{operation,reason}`.
//!
//! Pools are read when a scrape asks for them; no task runs in the background. A label never holds
//! anything out of a statement but its verb and the name of its table.
//!
#![cfg_attr(
    feature = "sqlx",
    doc = r##"
```
use bellwether_core::{Config, Telemetry};
use bellwether_database_pool::DatabasePoolMetrics;
use sqlx::sqlite::SqlitePoolOptions;

# #[tokio::main(flavor = "current_thread")]
# async fn main() -> Result<(), Box<dyn std::error::Error>> {
// A service calls `bellwether_core::install` instead.
let (telemetry, (metrics,)) = Telemetry::isolated::<(DatabasePoolMetrics,)>(Config::default())?;

let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
let pool = metrics.observe_sqlx_pool("main", &pool).with_durations();

sqlx::query("CREATE TABLE users (name TEXT PRIMARY KEY)").execute(&pool).await?;
sqlx::query("INSERT INTO users VALUES ($1)").bind("Ada").execute(&pool).await?;
assert!(sqlx::query("INSERT INTO users VALUES ('Ada')").execute(&pool).await.is_err());

let text = telemetry.render();
assert!(text.contains(r#"db_pool_connections_max{pool="main"} 1"#));
assert!(text.contains(r#"db_pool_acquire_duration_seconds_count{pool="main",status="success"} 3"#));
assert!(text.contains(r#"db_query_duration_seconds_count{operation="insert",table="users"} 2"#));
assert!(text.contains(r#"db_query_errors_total{operation="insert",reason="constraint"} 1"#));
# Ok(())
# }
```
"##
)]
//! # Features
//! - `sqlx`: pools of sqlx 0.9, a `tracing` layer for query times without a change to the code, and an
//!   executor that also sees errors and cancellations. It turns sqlx's `macros` on.
//! - `deadpool`: any deadpool 0.13 pool.
//! - `artifacts`: the dashboard, the alerts and their proofs.

#[cfg(feature = "artifacts")]
mod alerts;
#[cfg(feature = "artifacts")]
mod dashboard;
#[cfg(feature = "deadpool")]
pub mod deadpool;
mod metrics;
#[cfg(any(feature = "deadpool", feature = "sqlx"))]
mod pool;
#[cfg(feature = "sqlx")]
pub mod sqlx;

pub use metrics::{
    ACQUIRE_SECONDS, AcquireLabels, AcquireStatus, ConnectionLabels, ConnectionState, DatabasePoolMetrics,
    ErrorReason, Operation, PoolLabels, PoolName, QUERY_SECONDS, QueryErrorLabels, QueryLabels, Table,
};
