//! The service's own domain.

use bellwether_core::{Counter, Gauge, Histogram, LabelSet, LabelValue, MetricSet, Seconds};

/// How a recording ended.
#[derive(Clone, Copy, Debug, LabelValue)]
pub enum Outcome {
    /// The stream ended.
    Completed,
    /// Somebody deleted it.
    Deleted,
}

/// The labels of a recording that ended.
#[derive(Clone, Copy, Debug, LabelSet)]
pub struct OutcomeLabels {
    /// How it ended.
    pub outcome: Outcome,
}

/// Recordings as the library has them.
#[derive(Clone, Debug, MetricSet)]
#[metrics(domain = "library")]
pub struct LibraryMetrics {
    /// Recordings that are stored now.
    #[metric("library_recordings")]
    pub recordings: Gauge,
    /// Recordings that left the library or were completed, by how.
    #[metric("library_recordings_ended_total")]
    pub ended: Counter<OutcomeLabels>,
    /// Length of completed recordings.
    #[metric("library_recording_length_seconds", buckets = &[300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0])]
    pub length: Histogram<(), Seconds>,
}

/// The dashboard that every domain gets from its declarations alone.
#[cfg(feature = "artifacts")]
impl bellwether_artifacts::Artifacts for LibraryMetrics {}
