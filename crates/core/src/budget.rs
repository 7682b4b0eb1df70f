//! The series that exist and may exist, over all families of a registry.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    used: AtomicU64,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, used: AtomicU64::new(0) }
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    pub(crate) fn take(&self, series: u64, within_limit: bool) -> bool {
        self.used
            .try_update(Relaxed, Relaxed, |used| {
                let used = used.saturating_add(series);
                (!within_limit || used <= self.limit).then_some(used)
            })
            .is_ok()
    }

    pub(crate) fn give(&self, series: u64) {
        let _ = self.used.try_update(Relaxed, Relaxed, |used| Some(used.saturating_sub(series)));
    }
}
