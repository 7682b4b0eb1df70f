//! What the adapters of pools have in common: a name for as long as the pool lives, and timed waits.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bellwether_core::{OpenLabel, Registration};

use crate::metrics::{
    AcquireLabels, AcquireStatus, ConnectionLabels, ConnectionState, DatabasePoolMetrics, PoolLabels,
    PoolName,
};

/// One observed pool.
#[derive(Debug)]
pub(crate) struct PoolState {
    pub(crate) metrics: DatabasePoolMetrics,
    name: PoolName,
    registration: Mutex<Option<Registration<PoolName>>>,
    /// Whether the series have left, for those who record: set before the registration goes.
    ended: AtomicBool,
    waiting: AtomicU64,
}

/// What a pool says about itself at a scrape.
pub(crate) struct Reading {
    pub(crate) size: u64,
    pub(crate) idle: u64,
    pub(crate) max: u64,
    pub(crate) min: Option<u64>,
    pub(crate) waiting: u64,
}

impl PoolState {
    pub(crate) fn new(metrics: &DatabasePoolMetrics, name: &str) -> Self {
        let registration = PoolName::register(name);
        Self {
            metrics: metrics.clone(),
            name: registration.value(),
            registration: Mutex::new(Some(registration)),
            ended: AtomicBool::new(false),
            waiting: AtomicU64::new(0),
        }
    }

    /// Removes the series: the pool is closed or gone.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        drop(self.registration.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    pub(crate) fn show(&self, reading: &Reading) {
        // Held to the end: a gauge that is set after its series has left would stay as `other`.
        let registration = self.registration.lock().unwrap_or_else(PoisonError::into_inner);
        if registration.is_none() {
            return;
        }
        let (metrics, pool) = (&self.metrics, self.name);
        // The two numbers are read one after the other: a connection can be returned in between.
        let active = reading.size.saturating_sub(reading.idle);
        metrics.connections.set(ConnectionLabels { pool, state: ConnectionState::Active }, active);
        metrics.connections.set(ConnectionLabels { pool, state: ConnectionState::Idle }, reading.idle);
        metrics.connections_max.set(PoolLabels { pool }, reading.max);
        if let Some(min) = reading.min {
            metrics.connections_min.set(PoolLabels { pool }, min);
        }
        metrics.waiting.set(PoolLabels { pool }, reading.waiting);
    }

    #[cfg(feature = "sqlx")]
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(crate) fn observe(&self, status: AcquireStatus, time: Duration) {
        // No lock here: a wait that ends in the same instant as the pool may count as `other`'s.
        if !self.ended.load(Ordering::Acquire) {
            self.metrics.acquire_duration.observe(AcquireLabels { pool: self.name, status }, time);
        }
    }

    pub(crate) fn acquire(&self) -> Acquire<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Acquire { state: self, since: Instant::now(), status: AcquireStatus::Cancelled }
    }
}

/// A wait under way: cancelled unless it ends otherwise.
pub(crate) struct Acquire<'p> {
    state: &'p PoolState,
    since: Instant,
    status: AcquireStatus,
}

impl Acquire<'_> {
    pub(crate) fn end(mut self, status: AcquireStatus) {
        self.status = status;
    }
}

impl Drop for Acquire<'_> {
    fn drop(&mut self) {
        self.state.waiting.fetch_sub(1, Ordering::Relaxed);
        self.state.observe(self.status, self.since.elapsed());
    }
}
