//! An executor that counts what goes wrong with queries, and times them where asked to.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::Stream;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use sqlx_core::Either;
use sqlx_core::database::Database;
use sqlx_core::describe::Describe;
use sqlx_core::error::{BoxDynError, Error};
use sqlx_core::executor::{Execute, Executor};
use sqlx_core::sql_str::SqlStr;

use crate::metrics::{DatabasePoolMetrics, ErrorReason, QueryErrorLabels, QueryLabels};
use crate::sqlx::error::reason;
use crate::sqlx::statement::{Dialect, query_labels};

impl DatabasePoolMetrics {
    /// An executor that counts errors, timeouts and cancellations of the query that runs on it, of any
    /// executor of sqlx: `&pool`, `&mut *connection`, `&mut *transaction`.
    ///
    /// ```
    /// use bellwether_core::{Config, Telemetry};
    /// use bellwether_database_pool::DatabasePoolMetrics;
    /// use sqlx::SqlitePool;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (telemetry, (metrics,)) = Telemetry::isolated::<(DatabasePoolMetrics,)>(Config::default())?;
    /// let pool = SqlitePool::connect("sqlite::memory:").await?;
    ///
    /// let mut transaction = pool.begin().await?;
    /// let answer: i64 = sqlx::query_scalar("SELECT 42")
    ///     .fetch_one(metrics.metered(&mut *transaction).with_durations())
    ///     .await?;
    /// assert_eq!(answer, 42);
    /// assert!(telemetry.render().contains(r#"db_query_duration_seconds_count{operation="select",table="none"} 1"#));
    /// # Ok(())
    /// # }
    /// ```
    pub fn metered<E>(&self, executor: E) -> Metered<'_, E> {
        Metered::new(self, executor)
    }
}

/// An executor around another; see [`DatabasePoolMetrics::metered`].
///
/// Cost: a look-up of the statement's text (or at most 16 kB of it) in a bounded cache, and one more
/// box for the future or stream.
///
/// - An error is counted by its reason; a fetch that finds no row is none. sqlx decodes rows after
///   the executor: a value that does not fit its type is not seen here.
/// - A future that is dropped before its result is `cancelled`, as is a stream that is dropped before
///   its end: use `fetch_optional` or `LIMIT` rather than the first row of a `fetch`.
/// - Time is recorded only [`with_durations`](Self::with_durations), for failed and cancelled queries
///   as well. Over a pool it includes the wait for a connection (an
///   [`ObservedPool`](crate::sqlx::ObservedPool) is an executor without that), and of a stream what
///   its consumer does between the rows.
/// - Several statements in one text (`raw_sql`) are one query, with the labels of the first.
#[must_use = "give it to a query as its executor"]
#[derive(Debug)]
pub struct Metered<'m, E> {
    metrics: &'m DatabasePoolMetrics,
    executor: E,
    durations: bool,
}

impl<'m, E> Metered<'m, E> {
    pub(crate) fn new(metrics: &'m DatabasePoolMetrics, executor: E) -> Self {
        Self { metrics, executor, durations: false }
    }

    /// Records the time of the query too. Only where no [`QueryLayer`](crate::sqlx::QueryLayer)
    /// listens: with both, each query would count twice.
    pub fn with_durations(mut self) -> Self {
        self.durations = true;
        self
    }
}

impl<'c, 'm: 'c, E: Executor<'c>> Executor<'c> for Metered<'m, E> {
    type Database = E::Database;

    fn fetch_many<'e, 'q: 'e, Q>(
        self,
        query: Q,
    ) -> BoxStream<'e, Result<Either<QueryResult<E::Database>, Row<E::Database>>, Error>>
    where
        'c: 'e,
        Q: 'q + Execute<'q, Self::Database>,
    {
        let Self { metrics, executor, durations } = self;
        let parts = Parts::of(query);
        let pending = Pending { metrics, labels: parts.labels(), durations };
        let inner = executor.fetch_many(parts);
        Box::pin(Watched { inner, state: WatchedState::Pending(pending), complete: false })
    }

    fn fetch_optional<'e, 'q: 'e, Q>(self, query: Q) -> BoxFuture<'e, Result<Option<Row<E::Database>>, Error>>
    where
        'c: 'e,
        Q: 'q + Execute<'q, Self::Database>,
    {
        let Self { metrics, executor, durations } = self;
        let parts = Parts::of(query);
        let labels = parts.labels();
        let inner = executor.fetch_optional(parts);
        Box::pin(async move {
            let watch = Watch::start(metrics, labels, durations);
            let result = inner.await;
            watch.end_with(&result);
            result
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [<Self::Database as Database>::TypeInfo],
    ) -> BoxFuture<'e, Result<<Self::Database as Database>::Statement, Error>>
    where
        'c: 'e,
    {
        let Self { metrics, executor, .. } = self;
        let labels = labels::<E::Database>(&sql);
        let inner = executor.prepare_with(sql, parameters);
        Box::pin(async move {
            // Not a query yet: its time is not one's either.
            let watch = Watch::start(metrics, labels, false);
            let result = inner.await;
            watch.end_with(&result);
            result
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Self::Database>, Error>>
    where
        'c: 'e,
    {
        self.executor.describe(sql)
    }
}

type QueryResult<DB> = <DB as Database>::QueryResult;
type Row<DB> = <DB as Database>::Row;

fn labels<DB: Database>(sql: &SqlStr) -> QueryLabels {
    query_labels(Dialect::of::<DB>(), sql.as_str())
}

/// A query taken apart: its text can be had only by taking it.
pub(crate) struct Parts<DB: Database> {
    statement: Option<DB::Statement>,
    arguments: Result<Option<DB::Arguments>, BoxDynError>,
    persistent: bool,
    sql: SqlStr,
}

impl<DB: Database> Parts<DB> {
    pub(crate) fn of<'q>(mut query: impl Execute<'q, DB>) -> Self {
        Self {
            statement: query.statement().cloned(),
            arguments: query.take_arguments(),
            persistent: query.persistent(),
            sql: query.sql(),
        }
    }

    pub(crate) fn labels(&self) -> QueryLabels {
        labels::<DB>(&self.sql)
    }
}

impl<'q, DB: Database> Execute<'q, DB> for Parts<DB> {
    fn sql(self) -> SqlStr {
        self.sql
    }

    fn statement(&self) -> Option<&DB::Statement> {
        self.statement.as_ref()
    }

    fn take_arguments(&mut self) -> Result<Option<DB::Arguments>, BoxDynError> {
        std::mem::replace(&mut self.arguments, Ok(None))
    }

    fn persistent(&self) -> bool {
        self.persistent
    }
}

/// A query that nobody has polled yet.
#[derive(Clone, Copy)]
struct Pending<'m> {
    metrics: &'m DatabasePoolMetrics,
    labels: QueryLabels,
    durations: bool,
}

/// A query under way: cancelled unless it ends otherwise.
pub(crate) struct Watch<'m> {
    query: Pending<'m>,
    since: Instant,
    failure: Option<ErrorReason>,
}

impl<'m> Watch<'m> {
    pub(crate) fn start(metrics: &'m DatabasePoolMetrics, labels: QueryLabels, durations: bool) -> Self {
        Pending { metrics, labels, durations }.start()
    }

    fn end(mut self, failure: Option<ErrorReason>) {
        self.failure = failure;
    }

    pub(crate) fn end_with<T>(self, result: &Result<T, Error>) {
        self.end(result.as_ref().err().and_then(reason));
    }
}

impl<'m> Pending<'m> {
    fn start(self) -> Watch<'m> {
        Watch { query: self, since: Instant::now(), failure: Some(ErrorReason::Cancelled) }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let Pending { metrics, labels, durations } = self.query;
        if durations {
            metrics.query_duration.observe(labels, self.since.elapsed());
        }
        if let Some(reason) = self.failure {
            metrics.query_errors.inc(QueryErrorLabels { operation: labels.operation, reason });
        }
    }
}

enum WatchedState<'m> {
    Pending(Pending<'m>),
    Running(Watch<'m>),
    Ended,
}

/// A stream of results, watched from its first poll to its end, its first error, or its drop.
struct Watched<'e, 'm, Q, R> {
    inner: BoxStream<'e, Result<Either<Q, R>, Error>>,
    state: WatchedState<'m>,
    /// Whether the last thing seen is the end of a statement: who stops there has cancelled nothing.
    complete: bool,
}

impl<Q, R> Watched<'_, '_, Q, R> {
    fn end(&mut self, failure: Option<ErrorReason>) {
        if let WatchedState::Running(watch) = std::mem::replace(&mut self.state, WatchedState::Ended) {
            watch.end(failure);
        }
    }
}

impl<Q, R> Stream for Watched<'_, '_, Q, R> {
    type Item = Result<Either<Q, R>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let WatchedState::Pending(pending) = self.state {
            self.state = WatchedState::Running(pending.start());
        }
        let next = self.inner.as_mut().poll_next(context);
        match &next {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(result))) => self.complete = matches!(result, Either::Left(_)),
            Poll::Ready(Some(Err(error))) => self.end(reason(error)),
            Poll::Ready(None) => self.end(None),
        }
        next
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}

impl<Q, R> Drop for Watched<'_, '_, Q, R> {
    fn drop(&mut self) {
        if self.complete {
            self.end(None);
        }
    }
}
