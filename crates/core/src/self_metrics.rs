//! What the recorder says about itself.

use bellwether_derive::{LabelSet, LabelValue, MetricSet};

use crate::{Bytes, Counter, Gauge, Histogram, Interned, Seconds};

/// Why a scrape was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, LabelValue)]
pub(crate) enum Rejection {
    /// Neither GET nor HEAD.
    Method,
    /// Not from an allowed network.
    Address,
    /// Without the right password or token.
    Credentials,
    /// Too many at once.
    Rate,
}

#[derive(Clone, Copy, LabelSet)]
pub(crate) struct RejectionLabels {
    pub(crate) reason: Rejection,
}

/// A declared metric with open labels.
#[derive(Clone, Copy, LabelValue)]
#[label(open, limit = 100)]
pub(crate) struct MetricName(Interned);

/// One of its open labels, or `combination`.
#[derive(Clone, Copy, LabelValue)]
#[label(open, limit = 30)]
pub(crate) struct LabelName(Interned);

#[derive(Clone, Copy, LabelSet)]
#[labels(limit = 200)]
pub(crate) struct OverflowLabels {
    pub(crate) metric: MetricName,
    pub(crate) label: LabelName,
}

const SCRAPE_SECONDS: &[f64] = &[0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// The recorder's own metrics; part of every scrape.
#[derive(Clone, MetricSet)]
#[metrics(domain = "bellwether")]
pub struct SelfMetrics {
    /// Series of declared metrics that exist now.
    #[metric("bellwether_series", unprefixed)]
    pub(crate) series: Gauge,
    /// The most series that open labels may bring about.
    #[metric("bellwether_series_limit", unprefixed)]
    pub(crate) series_limit: Gauge,
    /// Recordings counted under `other` because an open label was full, had ended, or the metric
    /// or the service was at its limit of series (label `combination`).
    #[metric("bellwether_label_overflow_total", unprefixed)]
    pub(crate) overflow: Counter<OverflowLabels>,
    /// Time to collect and write the answer to a scrape.
    #[metric("bellwether_scrape_duration_seconds", buckets = SCRAPE_SECONDS, unprefixed)]
    pub(crate) duration: Histogram<(), Seconds>,
    /// Size of the latest answer, before compression.
    #[metric("bellwether_scrape_size_bytes", unprefixed)]
    pub(crate) size: Gauge<(), Bytes>,
    /// Scrapes turned away, by reason.
    #[metric("bellwether_scrapes_rejected_total", unprefixed)]
    pub(crate) rejected: Counter<RejectionLabels>,
    /// Attempts to register an undeclared metric under a name that belongs to another one.
    #[metric("bellwether_uncatalogued_conflicts_total", unprefixed)]
    pub(crate) conflicts: Counter,
}
