//! Pools of sqlx: their size at a scrape, timed waits, and queries that have both.

use std::fmt;
use std::future::poll_fn;
use std::ops::Deref;
use std::pin::pin;
use std::sync::{Arc, Weak};

use bellwether_core::Collector;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, TryStreamExt};
use sqlx_core::Either;
use sqlx_core::database::Database;
use sqlx_core::describe::Describe;
use sqlx_core::error::Error;
use sqlx_core::executor::{Execute, Executor};
use sqlx_core::pool::{Pool, PoolConnection};
use sqlx_core::sql_str::SqlStr;
use sqlx_core::transaction::Transaction;
use sqlx_core::try_stream;

use crate::metrics::{AcquireStatus, DatabasePoolMetrics, QueryLabels};
use crate::pool::{PoolState, Reading};
use crate::sqlx::events::{AcquireEvents, Timed};
use crate::sqlx::metered::{Metered, Parts, Watch};

impl DatabasePoolMetrics {
    /// Shows a pool's connections and waiting callers in every scrape, until the pool is closed or the
    /// last clone of the result is dropped. Its series carry `name`, which no other pool should have.
    ///
    /// Cost: a scrape reads two atomic numbers of the pool.
    ///
    /// sqlx has no weak handle of a pool, so the result holds the pool open as any clone of it does;
    /// nothing else does (the scrape looks at it through the result, weakly). Use it in place of the
    /// pool: it dereferences to [`Pool`], is cloned as cheaply, and is an executor. A service that
    /// keeps it beside clones of the plain pool and ends without [`Pool::close`] drops both.
    ///
    /// ```
    /// use bellwether_core::{Config, Telemetry};
    /// use bellwether_database_pool::DatabasePoolMetrics;
    /// use sqlx::SqlitePool;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (telemetry, (metrics,)) = Telemetry::isolated::<(DatabasePoolMetrics,)>(Config::default())?;
    /// let pool = metrics.observe_sqlx_pool("main", &SqlitePool::connect("sqlite::memory:").await?);
    ///
    /// let connection = pool.acquire().await?;
    /// assert!(telemetry.render().contains(r#"db_pool_connections{pool="main",state="active"} 1"#));
    /// drop(connection);
    ///
    /// assert!(sqlx::query("SELECT * FROM missing").execute(&pool).await.is_err());
    /// assert!(telemetry.render().contains(r#"db_query_errors_total{operation="select",reason="syntax"} 1"#));
    /// # Ok(())
    /// # }
    /// ```
    pub fn observe_sqlx_pool<DB: Database>(&self, name: &str, pool: &Pool<DB>) -> ObservedPool<DB> {
        let state = Arc::new(PoolState::new(self, name));
        let shared = Arc::new_cyclic(|shared: &Weak<Shared<DB>>| {
            let shared = shared.clone();
            let collector = self.collectors.add(move || {
                if let Some(shared) = shared.upgrade() {
                    shared.show();
                }
            });
            Shared { _collector: collector, state, pool: pool.clone() }
        });
        ObservedPool { shared, durations: false }
    }
}

/// A pool in the scrape; see [`DatabasePoolMetrics::observe_sqlx_pool`].
///
/// A reference to it is an executor, as one to the pool is: a query waits for a connection
/// ([timed](Self::acquire)), and is [`Metered`] on it, so that its time, where asked for, is without
/// the wait. What this type does not have itself (`try_acquire`, `begin_with`, …) is the plain pool's,
/// and neither timed nor counted.
#[must_use = "the pool's series end when this is dropped"]
pub struct ObservedPool<DB: Database> {
    shared: Arc<Shared<DB>>,
    durations: bool,
}

struct Shared<DB: Database> {
    _collector: Collector,
    state: Arc<PoolState>,
    pool: Pool<DB>,
}

impl<DB: Database> Shared<DB> {
    fn show(&self) {
        if self.pool.is_closed() {
            return self.state.end();
        }
        let options = self.pool.options();
        self.state.show(&Reading {
            size: u64::from(self.pool.size()),
            idle: self.pool.num_idle() as u64,
            max: u64::from(options.get_max_connections()),
            min: Some(u64::from(options.get_min_connections())),
            waiting: self.state.waiting(),
        });
    }
}

impl<DB: Database> Drop for Shared<DB> {
    fn drop(&mut self) {
        // The state can be in use for a moment longer: by an event that is being counted.
        self.state.end();
    }
}

impl<DB: Database> ObservedPool<DB> {
    /// Waits for a connection, and counts how long that took and how it ended: with a connection, the
    /// pool's timeout, another error, or cancelled when this future is dropped. Until then the caller
    /// is one of `db_pool_waiting`.
    ///
    /// Cost beside [`Pool::acquire`]: two readings of the clock, two additions and one recording.
    ///
    /// # Errors
    /// Those of [`Pool::acquire`].
    pub async fn acquire(&self) -> Result<PoolConnection<DB>, Error> {
        let wait = self.shared.state.acquire();
        let mut acquire = pin!(self.shared.pool.acquire());
        let result = poll_fn(|context| {
            let _mark = Timed::here();
            acquire.as_mut().poll(context)
        })
        .await;
        wait.end(match &result {
            Ok(_) => AcquireStatus::Success,
            Err(Error::PoolTimedOut) => AcquireStatus::Timeout,
            Err(_) => AcquireStatus::Error,
        });
        result
    }

    /// Begins a transaction on a connection of the pool; the wait is timed as in
    /// [`acquire`](Self::acquire).
    ///
    /// # Errors
    /// Those of [`Pool::begin`].
    pub async fn begin(&self) -> Result<Transaction<'static, DB>, Error> {
        Transaction::begin(self.acquire().await?, None).await
    }

    /// Records the time of queries that run on this handle and its clones. Only where no
    /// [`QueryLayer`](crate::sqlx::QueryLayer) listens: with both, each query would count twice.
    pub fn with_durations(mut self) -> Self {
        self.durations = true;
        self
    }

    /// Counts the waits that sqlx reports as this pool's; see
    /// [`QueryLayer::acquire_events`](crate::sqlx::QueryLayer::acquire_events). The latest pool to ask
    /// has them.
    pub fn take_acquire_events(&self, events: &AcquireEvents) {
        events.belong_to(&self.shared.state);
    }

    /// The plain pool.
    #[must_use]
    pub fn pool(&self) -> &Pool<DB> {
        &self.shared.pool
    }

    fn metrics(&self) -> &DatabasePoolMetrics {
        &self.shared.state.metrics
    }

    fn metered<E>(&self, executor: E) -> Metered<'_, E> {
        let metered = Metered::new(self.metrics(), executor);
        if self.durations { metered.with_durations() } else { metered }
    }

    /// A connection for a query: a wait that fails or is cancelled is the query's failure as well.
    async fn connection_for(&self, labels: QueryLabels) -> Result<PoolConnection<DB>, Error> {
        let watch = Watch::start(self.metrics(), labels, false);
        let result = self.acquire().await;
        watch.end_with(&result);
        result
    }
}

impl<DB: Database> Deref for ObservedPool<DB> {
    type Target = Pool<DB>;
    fn deref(&self) -> &Pool<DB> {
        &self.shared.pool
    }
}

impl<DB: Database> Clone for ObservedPool<DB> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), durations: self.durations }
    }
}

impl<DB: Database> fmt::Debug for ObservedPool<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObservedPool").field("pool", &self.shared.pool).finish_non_exhaustive()
    }
}

impl<'p, DB: Database> Executor<'p> for &'p ObservedPool<DB>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    type Database = DB;

    fn fetch_many<'e, 'q: 'e, Q>(
        self,
        query: Q,
    ) -> BoxStream<'e, Result<Either<DB::QueryResult, DB::Row>, Error>>
    where
        'p: 'e,
        Q: 'q + Execute<'q, DB>,
    {
        let parts = Parts::<DB>::of(query);
        let labels = parts.labels();
        Box::pin(try_stream! {
            let mut connection = self.connection_for(labels).await?;
            let mut results = self.metered(&mut *connection).fetch_many(parts);
            while let Some(result) = results.try_next().await? {
                r#yield!(result);
            }
            Ok(())
        })
    }

    fn fetch_optional<'e, 'q: 'e, Q>(self, query: Q) -> BoxFuture<'e, Result<Option<DB::Row>, Error>>
    where
        'p: 'e,
        Q: 'q + Execute<'q, DB>,
    {
        let parts = Parts::<DB>::of(query);
        let labels = parts.labels();
        Box::pin(async move {
            let mut connection = self.connection_for(labels).await?;
            self.metered(&mut *connection).fetch_optional(parts).await
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [DB::TypeInfo],
    ) -> BoxFuture<'e, Result<DB::Statement, Error>>
    where
        'p: 'e,
    {
        Box::pin(async move {
            let mut connection = self.acquire().await?;
            self.metered(&mut *connection).prepare_with(sql, parameters).await
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<DB>, Error>>
    where
        'p: 'e,
    {
        Box::pin(async move { self.acquire().await?.describe(sql).await })
    }
}
