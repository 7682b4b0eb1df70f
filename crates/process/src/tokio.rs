//! The tokio runtime, from the metrics that it keeps in every build.

use std::time::Duration;

use bellwether_core::{Collector, Collectors, Counter, Gauge, MetricSet, Seconds};
use tokio::runtime::Handle;

/// The workers, tasks and queue of one tokio runtime.
///
/// Busy time and parks are sums over the workers, so that the number of series does not depend on
/// the machine; `rate(tokio_worker_busy_seconds_total[5m]) / tokio_workers` is how busy they are.
///
/// ```
/// use bellwether_core::{Config, Telemetry};
/// use bellwether_process::TokioMetrics;
///
/// let (telemetry, (metrics,)) = Telemetry::isolated::<(TokioMetrics,)>(Config::default())?;
/// let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// let observation = metrics.observe(runtime.handle());
/// assert!(telemetry.render().contains("\ntokio_workers 1\n"));
/// # drop(observation);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, MetricSet)]
#[metrics(domain = "tokio")]
pub struct TokioMetrics {
    /// Worker threads of the runtime.
    #[metric("tokio_workers")]
    workers: Gauge,
    /// Tasks that were spawned and have not ended.
    #[metric("tokio_alive_tasks")]
    alive_tasks: Gauge,
    /// Tasks that wait in the runtime's shared queue for a worker.
    #[metric("tokio_global_queue_depth")]
    queue_depth: Gauge,
    /// Time that the workers spent running tasks, summed over the workers.
    #[metric("tokio_worker_busy_seconds_total")]
    busy: Counter<(), Seconds>,
    /// How often a worker had nothing to do and went to sleep, summed over the workers.
    #[metric("tokio_worker_parks_total")]
    parks: Counter,
    collectors: Collectors,
}

impl TokioMetrics {
    /// Reads this runtime at every scrape until the returned guard is dropped; `forever()` on the
    /// guard lets it go on as long as the service. One runtime at a time: two would overwrite each
    /// other's gauges.
    ///
    /// The handle does not keep the runtime from being shut down.
    ///
    /// Cost per scrape: a few atomic reads for each worker.
    pub fn observe(&self, runtime: &Handle) -> Collector {
        let (metrics, runtime) = (self.clone(), runtime.metrics());
        self.collectors.add(move || {
            let workers = runtime.num_workers();
            metrics.workers.set((), workers as u64);
            metrics.alive_tasks.set((), runtime.num_alive_tasks() as u64);
            metrics.queue_depth.set((), runtime.global_queue_depth() as u64);
            let busy: Duration = (0..workers).map(|worker| runtime.worker_total_busy_duration(worker)).sum();
            metrics.busy.raise_to((), busy);
            metrics.parks.raise_to((), (0..workers).map(|worker| runtime.worker_park_count(worker)).sum());
        })
    }
}
