//! Any [deadpool](https://docs.rs/deadpool) pool: of Redis or PostgreSQL connections, or of anything else.

use std::fmt;
use std::sync::Arc;

use bellwether_core::Collector;
use deadpool::managed::{Manager, Object, Pool, PoolError, WeakPool};

use crate::metrics::{AcquireStatus, DatabasePoolMetrics};
use crate::pool::{PoolState, Reading};

impl DatabasePoolMetrics {
    /// Shows a deadpool pool's connections and waiting callers in every scrape, until the result is
    /// dropped, or the pool is. Its series carry `name`, which no other pool should have.
    ///
    /// Cost: one look at [`Pool::status`] a scrape, which takes the pool's lock for a moment. The
    /// pool is held weakly. deadpool has no least number of connections, so
    /// `db_pool_connections_min` has no series of it.
    ///
    /// ```
    /// use bellwether_core::{Config, Telemetry};
    /// use bellwether_database_pool::DatabasePoolMetrics;
    /// use deadpool::managed::{Manager, Metrics, Pool, RecycleResult};
    ///
    /// struct Numbers;
    ///
    /// impl Manager for Numbers {
    ///     type Type = u8;
    ///     type Error = std::convert::Infallible;
    ///     async fn create(&self) -> Result<u8, Self::Error> { Ok(7) }
    ///     async fn recycle(&self, _: &mut u8, _: &Metrics) -> RecycleResult<Self::Error> { Ok(()) }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (telemetry, (metrics,)) = Telemetry::isolated::<(DatabasePoolMetrics,)>(Config::default())?;
    /// let pool: Pool<Numbers> = Pool::builder(Numbers).max_size(4).build()?;
    /// let observed = metrics.observe_deadpool("numbers", &pool);
    /// let number = observed.get().await?;
    /// assert!(telemetry.render().contains(r#"db_pool_connections{pool="numbers",state="active"} 1"#));
    /// # drop(number);
    /// # Ok(())
    /// # }
    /// ```
    pub fn observe_deadpool<M, W>(&self, name: &str, pool: &Pool<M, W>) -> ObservedPool<M>
    where
        M: Manager + 'static,
        W: From<Object<M>>,
    {
        let state = Arc::new(PoolState::new(self, name));
        let (weak, shown) = (pool.weak(), state.clone());
        let collector = self.collectors.add(move || {
            let Some(pool) = weak.upgrade().filter(|pool| !pool.is_closed()) else { return shown.end() };
            let status = pool.status();
            shown.show(&Reading {
                size: status.size as u64,
                idle: status.available as u64,
                max: status.max_size as u64,
                min: None,
                waiting: status.waiting as u64,
            });
        });
        ObservedPool { shared: Arc::new(Shared { _collector: collector, state, pool: pool.weak() }) }
    }
}

/// A deadpool pool in the scrape, and its timed `get`; see [`DatabasePoolMetrics::observe_deadpool`].
///
/// A clone observes the same pool. With the last one the pool's series end; the pool itself is not
/// held.
#[must_use = "the pool's series end when this is dropped"]
pub struct ObservedPool<M: Manager> {
    shared: Arc<Shared<M>>,
}

struct Shared<M: Manager> {
    _collector: Collector,
    state: Arc<PoolState>,
    pool: WeakPool<M>,
}

impl<M: Manager> Drop for Shared<M> {
    fn drop(&mut self) {
        // A scrape that runs right now still holds the state.
        self.state.end();
    }
}

impl<M: Manager> ObservedPool<M> {
    /// Gets an object, and counts how long that took and how it ended: with an object, a timeout of
    /// the pool, another error, or cancelled when this future is dropped.
    ///
    /// Cost beside [`Pool::get`]: two readings of the clock and one recording. For a pool with a
    /// wrapper type (deadpool-redis), turn the object into it: `Connection::from(object)`.
    ///
    /// # Errors
    /// Those of [`Pool::get`]; [`PoolError::Closed`] if the pool is gone.
    pub async fn get(&self) -> Result<Object<M>, PoolError<M::Error>> {
        let pool = self.shared.pool.upgrade().ok_or(PoolError::Closed)?;
        let wait = self.shared.state.acquire();
        let result = pool.get().await;
        wait.end(match &result {
            Ok(_) => AcquireStatus::Success,
            Err(PoolError::Timeout(_)) => AcquireStatus::Timeout,
            Err(_) => AcquireStatus::Error,
        });
        result
    }
}

impl<M: Manager> Clone for ObservedPool<M> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<M: Manager> fmt::Debug for ObservedPool<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObservedPool").field("state", &self.shared.state).finish_non_exhaustive()
    }
}
