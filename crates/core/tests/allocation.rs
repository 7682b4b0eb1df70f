//! Recording allocates nothing after first use, and a scrape nothing per series.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod support;

use std::hint::black_box;
use std::time::Duration;

use allocation_counter::measure;
use bellwether_core::{
    Counter, Format, Gauge, Histogram, Interned, LabelSet, LabelValue, MetricSet, OpenLabel, Seconds,
};

#[derive(Clone, Copy, LabelValue)]
enum Status {
    Good,
    Bad,
}

#[derive(Clone, Copy, LabelValue)]
#[label(open, limit = 20000)]
struct Name(Interned);

#[derive(Clone, Copy, LabelSet)]
struct Closed {
    status: Status,
}

#[derive(Clone, Copy, LabelSet)]
struct Open {
    name: Name,
    status: Status,
}

#[derive(Clone, MetricSet)]
#[metrics(domain = "alloc")]
struct Alloc {
    /// Counted by status.
    #[metric("alloc_closed_total")]
    closed_count: Counter<Closed>,
    /// Level by status.
    #[metric("alloc_closed_level")]
    closed_level: Gauge<Closed>,
    /// Time by status.
    #[metric("alloc_closed_seconds", buckets = &[0.1, 1.0])]
    closed_time: Histogram<Closed, Seconds>,
    /// Counted by name.
    #[metric("alloc_open_total")]
    open_count: Counter<Open>,
    /// Level by name.
    #[metric("alloc_open_level")]
    open_level: Gauge<Open>,
    /// Time by name.
    #[metric("alloc_open_seconds", buckets = &[0.1, 1.0])]
    open_time: Histogram<Open, Seconds>,
}

impl Alloc {
    fn record(&self, name: Name) {
        for status in [Status::Good, Status::Bad] {
            self.closed_count.inc(Closed { status });
            self.closed_level.set(Closed { status }, 3);
            self.closed_time.observe(Closed { status }, Duration::from_millis(5));
            self.open_count.inc(Open { name, status });
            self.open_level.shift(Open { name, status }, -1);
            self.open_time.observe(Open { name, status }, Duration::from_millis(5));
        }
    }
}

#[test]
fn recording_after_first_use() {
    let (_telemetry, (alloc,)) = support::isolated::<(Alloc,)>();
    let name = Name::new("kept");
    alloc.record(name);
    let recorded = measure(|| (0..1_000).for_each(|_| alloc.record(name)));
    assert_eq!(recorded.count_total, 0, "{recorded:?}");
    let guard = || {
        drop(alloc.closed_level.track(Closed { status: Status::Good }));
        drop(alloc.open_time.start(Open { name, status: Status::Bad }));
    };
    // The thread's first addition to a gauge that was only set so far.
    guard();
    let guards = measure(|| (0..100).for_each(|_| guard()));
    assert_eq!(guards.count_total, 0, "{guards:?}");
}

#[test]
fn looking_up_a_known_text() {
    let (_telemetry, (alloc,)) = support::isolated::<(Alloc,)>();
    let known = "a known text";
    alloc.record(Name::new(known));
    let looked_up = measure(|| (0..1_000).for_each(|_| alloc.record(Name::new(black_box(known)))));
    assert_eq!(looked_up.count_total, 0, "{looked_up:?}");
}

#[derive(Clone, Copy, LabelSet)]
struct Many {
    name: Name,
}

macro_rules! of_size {
    ($module:ident, $size:expr) => {
        mod $module {
            use super::*;

            #[derive(Clone, MetricSet)]
            #[metrics(domain = "many")]
            struct Set {
                /// Counted by name.
                #[metric("many_total")]
                count: Counter<Many>,
                /// Time by name and status.
                #[metric("many_seconds", buckets = &[0.1, 1.0])]
                time: Histogram<Open, Seconds>,
            }

            /// Allocations of one render in each format, after a first one.
            pub(super) fn allocations() -> [u64; 2] {
                let (telemetry, (set,)) = support::isolated::<(Set,)>();
                for name in 0..$size {
                    let name = Name::new(&format!("name \"{name}\""));
                    set.count.inc(Many { name });
                    set.time.observe(Open { name, status: Status::Good }, Duration::from_millis(1));
                }
                [Format::Text, Format::OpenMetrics].map(|format| {
                    drop(telemetry.render_as(format));
                    let mut bytes = 0;
                    let rendered = measure(|| bytes = telemetry.render_as(format).len());
                    println!(
                        "{} names, {format:?}: {} allocations, {bytes} bytes",
                        $size, rendered.count_total
                    );
                    rendered.count_total
                })
            }
        }
    };
}

of_size!(few, 10);
of_size!(many, 10_000);

#[test]
fn rendering() {
    let (few, many) = (few::allocations(), many::allocations());
    for (few, many) in few.into_iter().zip(many) {
        assert!(many.abs_diff(few) <= 4, "{few} for 10 names, {many} for 10,000");
    }
}
