//! The metrics of the process: the single source.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bellwether_core::{
    Bytes, Collector, Collectors, Counter, Gauge, Interned, LabelSet, LabelValue, MetricSet, OpenLabel,
    Registration, Seconds, Timestamp,
};
use metrics_process::collector;

/// The version of the service, as its build names it.
#[derive(Clone, Copy, Debug, LabelValue)]
#[label(open, limit = 4)]
pub struct Version(Interned);

/// The commit that the service was built from.
#[derive(Clone, Copy, Debug, LabelValue)]
#[label(open, limit = 4)]
pub struct Revision(Interned);

/// What was built.
#[derive(Clone, Copy, Debug, LabelSet)]
pub struct BuildLabels {
    /// The version.
    pub version: Version,
    /// The commit.
    pub revision: Revision,
}

/// The process and its build. The names `process_*` are Prometheus' standard ones and take no prefix.
#[derive(Clone, Debug, MetricSet)]
#[metrics(domain = "process")]
pub struct ProcessMetrics {
    /// CPU time that the process has used, in user and system mode.
    #[metric("process_cpu_seconds_total", unprefixed)]
    cpu: Counter<(), Seconds>,
    /// Memory of the process that is in RAM.
    #[metric("process_resident_memory_bytes", unprefixed)]
    resident: Gauge<(), Bytes>,
    /// Address space of the process, whether used or only reserved.
    #[metric("process_virtual_memory_bytes", unprefixed)]
    virtual_memory: Gauge<(), Bytes>,
    /// File descriptors that are open: files, sockets and pipes.
    #[metric("process_open_fds", unprefixed)]
    open_fds: Gauge,
    /// File descriptors that the process may have open at most.
    ///
    /// Without a limit it is the largest number that a gauge can hold, so that the share in use is
    /// 0 and not a division by zero.
    #[metric("process_max_fds", unprefixed)]
    max_fds: Gauge,
    /// Threads of the process.
    #[metric("process_threads", unprefixed)]
    threads: Gauge,
    /// When the process started.
    #[metric("process_start_time_seconds", unprefixed)]
    process_start: Gauge<(), Timestamp>,
    /// Always 1: its labels say which build is running.
    #[metric("build_info")]
    build: Gauge<BuildLabels>,
    /// When the service began to observe itself, shortly after the start of its process.
    #[metric("start_time_seconds")]
    service_start: Gauge<(), Timestamp>,
    collectors: Collectors,
}

impl ProcessMetrics {
    /// Reads the process at every scrape, and says which build it is, until the returned value is
    /// dropped.
    ///
    /// `revision` is often `option_env!("GIT_COMMIT").unwrap_or("unknown")`.
    ///
    /// Cost per scrape: a handful of files under `/proc`; on other systems their system calls.
    pub fn observe(&self, version: &str, revision: &str) -> Observation {
        let (version, revision) = (Version::register(version), Revision::register(revision));
        self.build.set(BuildLabels { version: *version, revision: *revision }, 1);
        self.service_start.set((), SystemTime::now());
        let metrics = self.clone();
        let collector = self.collectors.add(move || metrics.take_over(&collector::collect()));
        Observation { collector, version, revision }
    }

    /// What the system did not tell keeps its last value.
    fn take_over(&self, now: &collector::Metrics) {
        if let Some(cpu) = now.cpu_seconds_total.and_then(|cpu| Duration::try_from_secs_f64(cpu).ok()) {
            self.cpu.raise_to((), cpu);
        }
        if let Some(bytes) = now.resident_memory_bytes {
            self.resident.set((), bytes);
        }
        if let Some(bytes) = now.virtual_memory_bytes {
            self.virtual_memory.set((), bytes);
        }
        if let Some(open) = now.open_fds {
            self.open_fds.set((), open);
        }
        if let Some(max) = now.max_fds {
            self.max_fds.set((), if max == 0 { u64::MAX } else { max });
        }
        if let Some(threads) = now.threads {
            self.threads.set((), threads);
        }
        let start = now.start_time_seconds.and_then(|at| UNIX_EPOCH.checked_add(Duration::from_secs(at)));
        if let Some(start) = start {
            self.process_start.set((), start);
        }
    }
}

/// A process under observation; see [`ProcessMetrics::observe`].
#[must_use = "the observation ends when this is dropped: keep it, or say `forever()`"]
#[derive(Debug)]
pub struct Observation {
    collector: Collector,
    version: Registration<Version>,
    revision: Registration<Revision>,
}

impl Observation {
    /// Observes as long as the process lives.
    pub fn forever(self) {
        self.collector.forever();
        // The build keeps its two labels to the end: there is no owner that could free them.
        std::mem::forget((self.version, self.revision));
    }
}
