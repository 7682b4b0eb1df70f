//! Queries and waits as sqlx itself reports them, in its `tracing` events.

use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, RwLock, Weak};
use std::time::Duration;

use bellwether_core::Histogram;
use bellwether_core::Seconds;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::LookupSpan;

use crate::metrics::{AcquireStatus, DatabasePoolMetrics, QueryLabels};
use crate::pool::PoolState;
use crate::sqlx::statement::{Dialect, query_labels};

const QUERY: &str = "sqlx::query";
const ACQUIRE: &str = "sqlx::pool::acquire";

/// Where the waits that sqlx reports are counted; see [`QueryLayer::acquire_events`].
#[derive(Clone, Debug, Default)]
pub struct AcquireEvents(Arc<RwLock<Weak<PoolState>>>);

impl AcquireEvents {
    pub(crate) fn belong_to(&self, pool: &Arc<PoolState>) {
        let mut place = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        *place = Arc::downgrade(pool);
    }

    fn observe(&self, time: Duration) {
        // Never waits: the place is locked only while a pool is put there.
        let pool = self.0.try_read().ok().and_then(|place| place.upgrade());
        if let Some(pool) = pool {
            pool.observe(AcquireStatus::Success, time);
        }
    }
}

/// Query time by operation and table, from the events that sqlx emits for every statement: no change
/// at any call site.
///
/// Cost: an event costs what the tracing registry takes for it, plus a look-up of the statement's
/// text (or at most 16 kB of it) in a bounded cache; a new text is read once, in time linear to its length.
///
/// What sqlx does not tell, this cannot count: failed and cancelled statements have a time but no
/// error ([`Metered`](crate::sqlx::Metered) counts those), and the time of a `fetch` stream includes
/// what its consumer does between the rows.
///
/// The layer has a filter of its own: it sees sqlx's events whatever the filters of other *layers*
/// say. A filter over the whole subscriber (`registry().with(EnvFilter::new("warn"))`) silences it;
/// put that filter on the layer that it is meant for, as below. Statements that sqlx does not log
/// (`ConnectOptions::log_statements(Off)`) are not seen either.
///
/// ```
/// use bellwether_core::{Config, Telemetry};
/// use bellwether_database_pool::DatabasePoolMetrics;
/// use bellwether_database_pool::sqlx::{Dialect, QueryLayer};
/// use tracing_subscriber::prelude::*;
///
/// let (telemetry, (metrics,)) = Telemetry::isolated::<(DatabasePoolMetrics,)>(Config::default())?;
/// tracing_subscriber::registry()
///     .with(QueryLayer::new(&metrics).dialect(Dialect::Postgres).layer())
///     .with(tracing_subscriber::fmt::layer().with_filter(tracing_subscriber::EnvFilter::new("warn")))
///     .init();
/// # Ok::<(), bellwether_core::InstallError>(())
/// ```
#[must_use = "call `layer()` and give the result to the subscriber"]
#[derive(Debug)]
pub struct QueryLayer {
    durations: Histogram<QueryLabels, Seconds>,
    dialect: Dialect,
    acquires: AcquireEvents,
}

impl QueryLayer {
    /// Statements of any database: a table is told only where all dialects read it alike.
    pub fn new(metrics: &DatabasePoolMetrics) -> Self {
        Self {
            durations: metrics.query_duration.clone(),
            dialect: Dialect::Any,
            acquires: AcquireEvents::default(),
        }
    }

    /// Says in which dialect the statements are. With it, quoted names are understood as well.
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// The waits that sqlx reports, to be given to a pool with
    /// [`ObservedPool::take_acquire_events`](crate::sqlx::ObservedPool::take_acquire_events); until
    /// then they are not counted.
    ///
    /// sqlx reports them with `PoolOptions::acquire_time_level` (off by default; only waits over two
    /// seconds are reported without), and does not say of which pool: this is for a service whose
    /// plain acquires are all of one pool. Only successful waits are reported. A wait that
    /// [`ObservedPool::acquire`](crate::sqlx::ObservedPool::acquire) times is not counted again.
    #[must_use]
    pub fn acquire_events(&self) -> AcquireEvents {
        self.acquires.clone()
    }

    /// The layer, for `registry().with(…)`.
    #[must_use]
    pub fn layer<S>(self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'s> LookupSpan<'s>,
    {
        Listener(self).with_filter(Targets)
    }
}

/// Apart from [`QueryLayer`], so that nobody adds it without its filter: a layer without one turns on
/// every event of the process.
struct Listener(QueryLayer);

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let QueryLayer { durations, dialect, acquires } = &self.0;
        let mut reading = Reading { dialect: *dialect, labels: None, time: None };
        match event.metadata().target() {
            QUERY => {
                event.record(&mut reading);
                if let Reading { labels: Some(labels), time: Some(time), .. } = reading {
                    durations.observe(labels, time);
                }
            }
            ACQUIRE if !is_timed() => {
                event.record(&mut reading);
                if let Some(time) = reading.time {
                    acquires.observe(time);
                }
            }
            _ => {}
        }
    }
}

/// The fields of one event.
struct Reading {
    dialect: Dialect,
    labels: Option<QueryLabels>,
    time: Option<Duration>,
}

impl Visit for Reading {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if matches!(field.name(), "elapsed_secs" | "acquired_after_secs") {
            self.time = Duration::try_from_secs_f64(value).ok();
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        // The summary is the first four words, marked when it is not all; then the statement follows.
        let is_whole = match field.name() {
            "summary" => !value.ends_with(" …"),
            "db.statement" => !value.is_empty(),
            _ => false,
        };
        if is_whole {
            self.labels = Some(query_labels(self.dialect, value.trim()));
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

/// Exactly sqlx's two targets, at every level: the level is what the service chose for its logs.
struct Targets;

impl Targets {
    fn has(metadata: &Metadata<'_>) -> bool {
        matches!(metadata.target(), QUERY | ACQUIRE)
    }
}

impl<S> Filter<S> for Targets {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        Self::has(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if Self::has(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }
}

thread_local! {
    /// Whether this thread polls a wait that is timed already. sqlx emits its event inside that poll,
    /// on the same thread, for every database.
    static TIMED: Cell<bool> = const { Cell::new(false) };
}

/// Marks the thread until it is dropped, also by a panic.
pub(crate) struct Timed(bool);

impl Timed {
    pub(crate) fn here() -> Self {
        Self(TIMED.replace(true))
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        TIMED.set(self.0);
    }
}

fn is_timed() -> bool {
    // An event while the thread ends has no mark any more.
    TIMED.try_with(Cell::get).unwrap_or(false)
}
