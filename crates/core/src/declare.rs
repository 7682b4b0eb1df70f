//! Checks of declarations at compile time, called by the code that the derives write.
//!
//! `track_caller` lets the compiler report a failure at the declaration alone, not here.

use bellwether_catalog::{Kind, Unit};

use crate::label::{LabelSpec, MAX_TABLE, closed_size, open_size};

const fn ends_with(name: &str, suffix: &str) -> bool {
    let (name, suffix) = (name.as_bytes(), suffix.as_bytes());
    if name.len() < suffix.len() {
        return false;
    }
    let mut at = 0;
    while at < suffix.len() {
        if name[name.len() - suffix.len() + at] != suffix[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// The suffix of a name must fit its kind and unit.
#[track_caller]
pub const fn check_name(name: &str, kind: Kind, unit: Unit) {
    let counter = ends_with(name, "_total");
    match kind {
        Kind::Counter => assert!(counter, "the name of a Counter must end in `_total`: add it"),
        Kind::Gauge => assert!(!counter, "`_total` is for counters: leave it off the name of a Gauge"),
        Kind::Histogram => {
            assert!(!counter, "`_total` is for counters: leave it off the name of a Histogram")
        }
    }
    let stem = if counter { name.split_at(name.len() - "_total".len()).0 } else { name };
    let (seconds, bytes, ratio) =
        (ends_with(stem, "_seconds"), ends_with(stem, "_bytes"), ends_with(stem, "_ratio"));
    match unit {
        Unit::Seconds => {
            assert!(seconds, "a metric in Seconds must be named `…_seconds`, before any `_total`")
        }
        Unit::Timestamp => {
            assert!(
                ends_with(stem, "_timestamp_seconds") || ends_with(stem, "_time_seconds"),
                "a Timestamp must be named `…_timestamp_seconds` or `…_time_seconds`"
            )
        }
        Unit::Bytes => assert!(bytes, "a metric in Bytes must be named `…_bytes`, before any `_total`"),
        Unit::Ratio => assert!(ratio, "a Ratio must be named `…_ratio`"),
        Unit::None => assert!(
            !seconds && !bytes && !ratio,
            "the name promises a unit: give the instrument its type (Seconds, Bytes, Ratio, Timestamp), or rename it"
        ),
    }
}

/// Bounds belong to histograms, and must be finite, ascending and not negative.
#[track_caller]
pub const fn check_buckets(kind: Kind, buckets: &[f64]) {
    if !matches!(kind, Kind::Histogram) {
        assert!(buckets.is_empty(), "only a Histogram has buckets: remove them");
        return;
    }
    assert!(!buckets.is_empty(), "a Histogram needs `buckets = …`: a list of upper bounds without +Inf");
    let mut at = 0;
    while at < buckets.len() {
        assert!(buckets[at].is_finite(), "bucket bounds must be finite: +Inf is added by itself");
        assert!(buckets[at] >= 0.0, "bucket bounds must not be negative: no value is");
        assert!(at == 0 || buckets[at - 1] < buckets[at], "bucket bounds must ascend, each one once");
        at += 1;
    }
}

/// The table of a metric is bounded.
#[track_caller]
pub const fn check_table(labels: &[LabelSpec]) {
    assert!(
        closed_size(labels) <= MAX_TABLE / open_size(labels),
        "these labels have more than 4,194,304 combinations: lower the limits of the open ones"
    );
}

/// Series of one label combination.
#[must_use]
pub const fn series_each(kind: Kind, buckets: &[f64]) -> u64 {
    if matches!(kind, Kind::Histogram) { buckets.len() as u64 + 3 } else { 1 }
}
