//! The process itself: CPU time, memory, file descriptors, threads, when it started and which build
//! it is; and, with the feature `tokio`, the runtime's workers, tasks and queue.
//!
//! Everything is read at the scrape, from the system and from the runtime's own counters: nothing
//! runs in between.
//!
//! ```
//! use bellwether_core::{Config, Telemetry};
//! use bellwether_process::ProcessMetrics;
//!
//! let (telemetry, (process,)) = Telemetry::isolated::<(ProcessMetrics,)>(Config::default())?;
//! process.observe(env!("CARGO_PKG_VERSION"), "5f1c2e9").forever();
//! assert!(telemetry.render().contains("\nbuild_info{version=\"0.1.0\",revision=\"5f1c2e9\"} 1\n"));
//! # Ok::<(), bellwether_core::InstallError>(())
//! ```
//!
//! # Features
//! - `tokio`: [`TokioMetrics`], from the metrics that tokio has without `tokio_unstable`.

#[cfg(feature = "artifacts")]
mod alerts;
#[cfg(feature = "artifacts")]
mod dashboard;
mod metrics;
#[cfg(feature = "tokio")]
mod tokio;

pub use metrics::{BuildLabels, Observation, ProcessMetrics, Revision, Version};
#[cfg(feature = "tokio")]
pub use tokio::TokioMetrics;
