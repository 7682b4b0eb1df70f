//! The facade in both directions: instruments on a recorder of somebody else, and facade handles
//! over our own cells.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use bellwether_core::{
    Bytes, Counter, Gauge, Histogram, Interned, LabelSet, LabelValue, MetricSet, OpenLabel, Ratio, Registrar,
    Seconds,
};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use support::value;

#[derive(Clone, Copy, LabelValue)]
enum Status {
    Good,
    Bad,
}

#[derive(Clone, Copy, LabelValue)]
#[label(open, limit = 8)]
struct Name(Interned);

#[derive(Clone, Copy, LabelSet)]
struct Labels {
    status: Status,
    name: Name,
    again: Status,
}

#[derive(Clone, MetricSet)]
#[metrics(domain = "both")]
struct Both {
    /// Things counted.
    #[metric("both_total")]
    count: Counter<Labels>,
    /// Time counted.
    #[metric("both_busy_seconds_total")]
    busy: Counter<(), Seconds>,
    /// A level.
    #[metric("both_level")]
    level: Gauge<Labels>,
    /// A share.
    #[metric("both_share_ratio")]
    share: Gauge<(), Ratio>,
    /// A size.
    #[metric("both_size_bytes", buckets = &[10.0, 100.0])]
    size: Histogram<Labels, Bytes>,
    /// A time.
    #[metric("both_wait_seconds", buckets = &[0.1, 1.0])]
    wait: Histogram<(), Seconds>,
    collectors: bellwether_core::Collectors,
}

fn labels(name: &str) -> Labels {
    Labels { status: Status::Bad, name: Name::new(name), again: Status::Good }
}

fn debugging() -> (Snapshotter, Registrar, Both) {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let registrar = Registrar::on(recorder);
    let both = Both::register(&registrar);
    (snapshotter, registrar, both)
}

/// What was recorded, by name and labels.
fn snapshot(snapshotter: &Snapshotter) -> BTreeMap<String, DebugValue> {
    let rows = snapshotter.snapshot().into_vec().into_iter();
    rows.map(|(key, _, _, value)| {
        let labels: Vec<String> =
            key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        (format!("{}{{{}}}", key.key().name(), labels.join(",")), value)
    })
    .collect()
}

fn gauge(value: f64) -> DebugValue {
    DebugValue::Gauge(value.into())
}

fn histogram(values: &[f64]) -> DebugValue {
    DebugValue::Histogram(values.iter().map(|value| (*value).into()).collect())
}

#[test]
fn instruments_on_a_foreign_recorder() {
    let (snapshotter, _registrar, both) = debugging();
    let a = labels("a\"\\\n");
    both.count.add(a, 2);
    both.count.inc(a);
    both.count.inc(labels("b"));
    both.level.set(a, 5);
    both.level.dec(a);
    both.share.set((), -0.25);
    both.size.observe(a, 64);
    both.wait.observe((), Duration::from_millis(1_500));
    drop(both.wait.start(()));
    let seen = snapshot(&snapshotter);
    let labels = "{status=bad,name=a\"\\\n,again=good}";
    assert_eq!(seen[&format!("both_total{labels}")], DebugValue::Counter(3));
    assert_eq!(seen["both_total{status=bad,name=b,again=good}"], DebugValue::Counter(1));
    assert_eq!(seen[&format!("both_level{labels}")], gauge(4.0));
    assert_eq!(seen["both_share_ratio{}"], gauge(-0.25));
    assert_eq!(seen[&format!("both_size_bytes{labels}")], histogram(&[64.0]));
    let DebugValue::Histogram(waits) = &seen["both_wait_seconds{}"] else { panic!("{seen:?}") };
    assert_eq!((waits[0].into_inner(), waits.len()), (1.5, 2));
}

#[test]
fn descriptions_reach_a_foreign_recorder() {
    let (snapshotter, _registrar, both) = debugging();
    both.busy.add((), Duration::from_secs(1));
    let (_, unit, help, _) = snapshotter.snapshot().into_vec().pop().unwrap();
    assert_eq!((unit, help.as_deref()), (Some(metrics::Unit::Seconds), Some("Time counted.")));
}

#[test]
fn seconds_add_up_in_whole_number_counters() {
    let (snapshotter, _registrar, both) = debugging();
    for _ in 0..25 {
        both.busy.add((), Duration::from_millis(100));
    }
    assert_eq!(snapshot(&snapshotter)["both_busy_seconds_total{}"], DebugValue::Counter(2));
    both.busy.raise_to((), Duration::from_millis(10_600));
    both.busy.add((), Duration::from_millis(500));
    assert_eq!(snapshot(&snapshotter)["both_busy_seconds_total{}"], DebugValue::Counter(11));
    both.busy.raise_to((), Duration::from_secs(3));
    assert_eq!(snapshot(&snapshotter)["both_busy_seconds_total{}"], DebugValue::Counter(11));
}

#[test]
fn handles_on_a_foreign_recorder_are_its_own() {
    let (snapshotter, _registrar, both) = debugging();
    both.count.handle(labels("h")).increment(4);
    both.count.inc(labels("h"));
    both.share.handle(()).set(0.5);
    both.wait.handle(()).record(0.25);
    let seen = snapshot(&snapshotter);
    assert_eq!(seen["both_total{status=bad,name=h,again=good}"], DebugValue::Counter(5));
    assert_eq!(seen["both_share_ratio{}"], gauge(0.5));
    assert_eq!(seen["both_wait_seconds{}"], histogram(&[0.25]));
}

#[test]
fn the_application_runs_the_collectors_of_a_foreign_recorder() {
    let (snapshotter, registrar, both) = debugging();
    let metrics = both.clone();
    let collector = both.collectors.add(move || metrics.share.set((), 0.75));
    let panics = both.collectors.add(|| panic!("on purpose"));
    assert!(snapshot(&snapshotter).is_empty());
    registrar.collect();
    assert_eq!(snapshot(&snapshotter)["both_share_ratio{}"], gauge(0.75));
    drop((collector, panics));
    both.share.set((), 0.1);
    registrar.collect();
    assert_eq!(snapshot(&snapshotter)["both_share_ratio{}"], gauge(0.1), "an ended collector is quiet");
}

#[test]
fn handles_over_our_own_cells() {
    let (telemetry, (both,)) = support::isolated::<(Both,)>();
    let a = labels("native");
    let counter = both.count.handle(a);
    counter.increment(4);
    both.count.inc(a);
    counter.absolute(3);
    both.busy.handle(()).increment(2);
    both.busy.add((), Duration::from_millis(500));
    let level = both.level.handle(a);
    level.set(7.0);
    level.decrement(9.0);
    let share = both.share.handle(());
    share.set(0.5);
    share.increment(0.25);
    both.size.handle(a).record(50.0);
    both.wait.handle(()).record(0.25);
    both.wait.handle(()).record_many(0.5, 3);
    let text = telemetry.render();
    let labels = "status=\"bad\",name=\"native\",again=\"good\"";
    assert_eq!(value(&text, &format!("both_total{{{labels}}}")), 5.0, "a lower total changes nothing");
    assert_eq!(value(&text, "both_busy_seconds_total"), 2.5);
    assert_eq!(value(&text, &format!("both_level{{{labels}}}")), -2.0);
    assert_eq!(value(&text, "both_share_ratio"), 0.75);
    assert_eq!(value(&text, &format!("both_size_bytes_bucket{{{labels},le=\"100.0\"}}")), 1.0);
    assert_eq!(value(&text, "both_wait_seconds_sum"), 1.75);
    counter.absolute(40);
    assert_eq!(value(&telemetry.render(), &format!("both_total{{{labels}}}")), 40.0);
    // What a float can be and a number of seconds cannot.
    for odd in [f64::NAN, f64::NEG_INFINITY, -1.0] {
        both.wait.handle(()).record(odd);
    }
    assert_eq!(value(&telemetry.render(), "both_wait_seconds_count"), 7.0);
}

#[test]
fn instruments_that_are_off_do_nothing() {
    let registrar = Registrar::off();
    let both = Both::register(&registrar);
    both.count.inc(labels("off"));
    both.count.handle(labels("off")).increment(1);
    both.level.handle(labels("off")).set(1.0);
    both.wait.handle(()).record(1.0);
    drop((both.wait.start(()), both.collectors.add(|| ())));
    registrar.collect();
}
