//! Typed Prometheus instruments, and the recorder and scrape behind them.
//!
//! # Overview
//! A domain is a struct of instruments. Its doc comments are the help texts, its labels are types,
//! its buckets stand beside it:
//!
//! ```
//! use std::time::Duration;
//! use bellwether_core::{
//!     Config, Counter, Histogram, Interned, LabelSet, LabelValue, MetricSet, OpenLabel, Seconds, Telemetry,
//! };
//!
//! /// How a task ended.
//! #[derive(Clone, Copy, LabelValue)]
//! pub enum TaskStatus { Success, Failure }
//!
//! /// The kind of work, as the application names it.
//! #[derive(Clone, Copy, LabelValue)]
//! #[label(open, limit = 100)]
//! pub struct TaskType(Interned);
//!
//! #[derive(Clone, Copy, LabelSet)]
//! pub struct TaskLabels { pub task_type: TaskType, pub status: TaskStatus }
//!
//! /// Work done by background workers.
//! #[derive(Clone, MetricSet)]
//! #[metrics(domain = "queue")]
//! pub struct QueueMetrics {
//!     /// Tasks that ended, by type and how they ended.
//!     #[metric("queue_tasks_total")]
//!     pub tasks: Counter<TaskLabels>,
//!     /// Time from a worker picking a task up to its end.
//!     #[metric("queue_task_duration_seconds", buckets = &[0.1, 1.0, 10.0])]
//!     pub duration: Histogram<TaskLabels, Seconds>,
//! }
//!
//! let (telemetry, (queue,)) = Telemetry::isolated::<(QueueMetrics,)>(Config::default())?;
//! let labels = TaskLabels { task_type: TaskType::new("resize"), status: TaskStatus::Success };
//! queue.tasks.inc(labels);
//! queue.duration.observe(labels, Duration::from_millis(20));
//! let text = telemetry.render();
//! assert!(text.contains(r#"queue_tasks_total{task_type="resize",status="success"} 1"#));
//! assert!(text.contains(r#"queue_task_duration_seconds_bucket{task_type="resize",status="success",le="0.1"} 1"#));
//! # Ok::<(), bellwether_core::InstallError>(())
//! ```
//!
//! [`install`] does the same for the process, with the `metrics` facade's macros going to the same
//! scrape.
//!
//! # What is measured, and what it costs
//! Every label value is a small integer: a variant of an enum, or a text interned up to a limit. So
//! the most series that a service can have is a constant ([`Domains::MAX_SERIES`]), a flood of label
//! values cannot grow memory, and recording is a table look-up and an addition. See
//! `docs/performance.md` for the figures.
//!
//! # Trade-offs
//! - Values are integers (nanoseconds, bytes, billionths): a counter cannot hold 0.1 things.
//! - Texts of an open label are kept per process, not per [`Telemetry`].
//! - A domain whose closed labels multiply to many combinations has a table of that size; more than
//!   four million do not compile.
//! - What nobody declared goes to `metrics-exporter-prometheus`, at its cost.
//!
//! # Features
//! - `listener` (default): an own HTTP listener for the scrape, `LISTEN`.

// The derives write paths from the root of this crate.
extern crate self as bellwether_core;

mod budget;
mod config;
mod declare;
mod facade;
mod family;
mod instrument;
mod intern;
mod label;
#[cfg(feature = "listener")]
mod listener;
mod measure;
mod registrar;
mod render;
mod scrape;
mod self_metrics;
mod stripe;
mod telemetry;
mod uncatalogued;

pub use bellwether_catalog as catalog;
pub use bellwether_derive::{LabelSet, LabelValue, MetricSet};

pub use config::{Config, ConfigBuilder, ConfigError};
pub use instrument::{Counter, Gauge, Histogram, InFlight, Instrument, Timer};
pub use intern::{Interned, Interner, MAX_TEXT, OTHER, OpenLabel, Registration};
pub use label::{LabelSet, LabelSpec, LabelValue, MAX_TABLE, ValueSpec};
pub use measure::{Bytes, Count, Measure, Ratio, Seconds, Timestamp};
pub use registrar::{Collector, Collectors, Domains, MetricSet, Registrar};
pub use render::Format;
pub use scrape::ScrapeRequest;
pub use self_metrics::SelfMetrics;
pub use telemetry::{InstallError, Telemetry, install};

/// What the derives call. Not for use by hand.
#[doc(hidden)]
pub mod private {
    pub use crate::declare::{check_buckets, check_name, check_table, series_each};
    pub use std::sync::LazyLock;
}
