//! The single source: every metric of the domain, with its labels and buckets.

use bellwether_core::{
    Collectors, Counter, Gauge, Histogram, Interned, LabelSet, LabelValue, MetricSet, OpenLabel, Seconds,
};

/// A pool, as the application names it. At most 20 at a time.
#[derive(Clone, Copy, Debug, LabelValue)]
#[label(open, limit = 20)]
pub struct PoolName(Interned);

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, LabelValue)]
pub enum ConnectionState {
    /// Somebody has it.
    Active,
    /// It waits in the pool.
    Idle,
}

/// How the wait for a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, LabelValue)]
pub enum AcquireStatus {
    /// With a connection.
    Success,
    /// With the pool's timeout.
    Timeout,
    /// With another error: the server refused, the pool was closed.
    Error,
    /// The caller gave up: its future was dropped.
    Cancelled,
}

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, LabelValue)]
pub enum Operation {
    /// `SELECT`, `VALUES`, `TABLE`.
    Select,
    /// `INSERT`, and `REPLACE` where it is a statement.
    Insert,
    /// `UPDATE`.
    Update,
    /// `DELETE`.
    Delete,
    /// `MERGE`.
    Merge,
    /// A change of the schema or of privileges: `CREATE`, `ALTER`, `DROP`, `TRUNCATE`, `GRANT`, …
    Ddl,
    /// The beginning or end of a transaction or savepoint.
    Transaction,
    /// Anything else: `SET`, `PRAGMA`, `EXPLAIN`, `CALL`, or a text that is not SQL.
    #[label(other)]
    Other,
}

/// The main table of a statement, lower-cased. At most 100.
///
/// The table that is written to; of a query, the first one in `FROM`. `none` where there is none;
/// `other` where it cannot be told for sure, and past the limit.
#[derive(Clone, Copy, Debug, LabelValue)]
#[label(open, limit = 100)]
pub struct Table(Interned);

impl Table {
    /// The value of statements without a table.
    #[must_use]
    pub fn none() -> Self {
        Self::new("none")
    }
}

/// Why a query failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, LabelValue)]
pub enum ErrorReason {
    /// No connection came free in time.
    PoolTimeout,
    /// The server's limit for a statement or a lock passed, or SQLite's busy timeout.
    Timeout,
    /// The caller gave up: its future or stream was dropped before the end.
    Cancelled,
    /// The server cannot be reached, refused the connection, or it broke; the pool is closed.
    Connection,
    /// A unique, foreign key, not null, check or exclusion constraint.
    Constraint,
    /// A deadlock or a serialization failure: the transaction can be tried again.
    Conflict,
    /// The server does not accept the statement: syntax, an unknown table or column, no privilege.
    Syntax,
    /// Anything else.
    #[label(other)]
    Other,
}

/// The label of a pool.
#[derive(Clone, Copy, Debug, LabelSet)]
pub struct PoolLabels {
    /// The pool.
    pub pool: PoolName,
}

/// The labels of a pool's connections.
#[derive(Clone, Copy, Debug, LabelSet)]
pub struct ConnectionLabels {
    /// The pool.
    pub pool: PoolName,
    /// What they do.
    pub state: ConnectionState,
}

/// The labels of a wait for a connection.
#[derive(Clone, Copy, Debug, LabelSet)]
pub struct AcquireLabels {
    /// The pool.
    pub pool: PoolName,
    /// How the wait ended.
    pub status: AcquireStatus,
}

/// The labels of a query: at most 300 combinations of the two.
#[derive(Clone, Copy, Debug, LabelSet)]
#[labels(limit = 300)]
pub struct QueryLabels {
    /// What it does.
    pub operation: Operation,
    /// The main table.
    pub table: Table,
}

/// The labels of a failed query.
#[derive(Clone, Copy, Debug, LabelSet)]
pub struct QueryErrorLabels {
    /// What it does.
    pub operation: Operation,
    /// Why it failed.
    pub reason: ErrorReason,
}

/// From an idle connection (microseconds) to the usual timeouts of pools (30 s).
pub const ACQUIRE_SECONDS: &[f64] =
    &[0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// From a look-up by key to a report that should not run here.
pub const QUERY_SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Database pools and queries.
#[derive(Clone, Debug, MetricSet)]
#[metrics(domain = "database-pool")]
pub struct DatabasePoolMetrics {
    /// Connections of a pool, in use and idle.
    #[metric("db_pool_connections")]
    pub connections: Gauge<ConnectionLabels>,
    /// The most connections that a pool opens.
    #[metric("db_pool_connections_max")]
    pub connections_max: Gauge<PoolLabels>,
    /// The number of connections that a pool tries to keep open.
    #[metric("db_pool_connections_min")]
    pub connections_min: Gauge<PoolLabels>,
    /// Callers that wait for a connection.
    #[metric("db_pool_waiting")]
    pub waiting: Gauge<PoolLabels>,
    /// Time that callers waited for a connection, by how the wait ended.
    #[metric("db_pool_acquire_duration_seconds", buckets = ACQUIRE_SECONDS)]
    pub acquire_duration: Histogram<AcquireLabels, Seconds>,
    /// Time that queries took, failed ones as well, without the wait for a connection.
    #[metric("db_query_duration_seconds", buckets = QUERY_SECONDS)]
    pub query_duration: Histogram<QueryLabels, Seconds>,
    /// Queries that failed, by reason.
    #[metric("db_query_errors_total")]
    pub query_errors: Counter<QueryErrorLabels>,
    /// What reads the pools at a scrape.
    pub collectors: Collectors,
}

const _: () = assert!(<DatabasePoolMetrics as MetricSet>::MAX_SERIES <= 20_000, "over the series budget");
