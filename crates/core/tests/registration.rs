//! Series that live as long as the object that they are about.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod support;

use std::time::Duration;

use bellwether_core::{
    Counter, Gauge, Histogram, Interned, LabelSet, LabelValue, MetricSet, OpenLabel, Seconds,
};
use support::{find, series, value};

#[derive(Clone, Copy, LabelValue)]
enum State {
    Active,
    Idle,
}

/// A domain with texts of its own: those of a label are kept for the whole process, and the tests
/// run side by side.
macro_rules! domain {
    ($limit:literal) => {
        #[derive(Clone, Copy, LabelValue)]
        #[label(open, limit = $limit)]
        struct Pool(Interned);

        #[derive(Clone, Copy, LabelValue)]
        #[label(open, limit = $limit)]
        struct Workload(Interned);

        #[derive(Clone, Copy, LabelSet)]
        struct PoolState {
            state: State,
            pool: Pool,
        }

        #[derive(Clone, Copy, LabelSet)]
        struct PoolLabels {
            pool: Pool,
        }

        #[derive(Clone, Copy, LabelSet)]
        struct Both {
            pool: Pool,
            workload: Workload,
        }

        #[derive(Clone, MetricSet)]
        #[metrics(domain = "pools")]
        struct Pools {
            /// Connections by state.
            #[metric("pools_connections")]
            connections: Gauge<PoolState>,
            /// Borrowed so far.
            #[metric("pools_borrowed_total")]
            borrowed: Counter<PoolLabels>,
            /// Time to borrow.
            #[metric("pools_wait_seconds", buckets = &[0.1, 1.0])]
            wait: Histogram<Both, Seconds>,
        }

        impl Pools {
            #[allow(dead_code, reason = "one of the tests has no second label")]
            fn record(&self, pool: Pool, workload: Workload) {
                self.connections.set(PoolState { pool, state: State::Active }, 3);
                self.connections.set(PoolState { pool, state: State::Idle }, 1);
                self.borrowed.add(PoolLabels { pool }, 10);
                self.wait.observe(Both { pool, workload }, Duration::from_millis(50));
            }
        }
    };
}

#[test]
fn an_ended_registration_takes_its_series_along_in_every_family() {
    domain!(4);
    let (telemetry, (pools,)) = support::isolated::<(Pools,)>();
    let before = value(&telemetry.render(), "bellwether_series");
    let (a, b) = (Pool::register("a"), Pool::register("b"));
    let (x, y) = (Workload::register("x"), Workload::register("y"));
    for (pool, workload) in [(*a, *x), (*a, *y), (*b, *x), (*b, *y)] {
        pools.record(pool, workload);
    }
    let text = telemetry.render();
    assert_eq!(series(&text, "pools_wait_seconds_count{").len(), 4);
    assert_eq!(value(&text, "pools_connections{state=\"active\",pool=\"a\"}"), 3.0);
    let all = value(&text, "bellwether_series");

    drop(x);
    let text = telemetry.render();
    let waits = series(&text, "pools_wait_seconds_count{");
    assert_eq!(waits.len(), 2, "one of two open labels is enough to end a series");
    assert!(waits.keys().all(|id| id.contains("workload=\"y\"")), "{waits:?}");
    assert_eq!(series(&text, "pools_borrowed_total{").len(), 2, "the others go on");

    drop(a);
    let text = telemetry.render();
    let mine: Vec<&str> = text.lines().filter(|line| line.starts_with("pools_")).collect();
    assert!(mine.iter().all(|line| line.contains("pool=\"b\"")), "{mine:?}");
    assert_eq!(value(&text, "pools_borrowed_total{pool=\"b\"}"), 20.0);
    assert!(value(&text, "bellwether_series") < all);

    drop((b, y));
    let text = telemetry.render();
    assert!(!text.lines().any(|line| line.starts_with("pools_")), "{text}");
    assert_eq!(value(&text, "bellwether_series"), before, "the budget has it all back");
}

#[test]
fn a_place_is_free_for_another_text_and_starts_at_0() {
    domain!(1);
    let (telemetry, (pools,)) = support::isolated::<(Pools,)>();
    for (at, text) in ["a", "b", "a"].into_iter().enumerate() {
        let (pool, workload) = (Pool::register(text), Workload::register(text));
        assert!(Pool::register("too many").value().interned().unwrap().is_overflow());
        pools.borrowed.preregister(PoolLabels { pool: *pool });
        let series = format!("pools_borrowed_total{{pool=\"{text}\"}}");
        assert_eq!(find(&telemetry.render(), &series), Some(0.0), "owner {at}");
        pools.record(*pool, *workload);
        assert_eq!(find(&telemetry.render(), &series), Some(10.0), "owner {at}");
    }
}

#[test]
fn a_value_kept_too_long_is_other() {
    domain!(3);
    let (telemetry, (pools,)) = support::isolated::<(Pools,)>();
    let pool = Pool::register("a");
    let workload = Workload::register("x");
    pools.record(*pool, *workload);
    let (stale, live) = (*pool, *workload);
    drop(pool);
    pools.record(stale, live);
    let next = Pool::register("b");
    pools.record(*next, live);
    pools.borrowed.inc(PoolLabels { pool: stale });
    let text = telemetry.render();
    assert_eq!(find(&text, "pools_borrowed_total{pool=\"a\"}"), None);
    assert_eq!(value(&text, "pools_borrowed_total{pool=\"other\"}"), 11.0);
    assert_eq!(value(&text, "pools_borrowed_total{pool=\"b\"}"), 10.0);
    // The label that is still good keeps its text.
    assert_eq!(value(&text, "pools_wait_seconds_count{pool=\"other\",workload=\"x\"}"), 1.0);
    let overflow = "bellwether_label_overflow_total{metric=\"pools_borrowed_total\",label=\"pool\"}";
    assert_eq!(value(&text, overflow), 2.0);
}

#[test]
fn two_registrations_of_one_text_share_it() {
    domain!(2);
    let (telemetry, (pools,)) = support::isolated::<(Pools,)>();
    let (first, second) = (Pool::register("a"), Pool::register("a"));
    assert_eq!(first.interned(), second.interned());
    pools.borrowed.inc(PoolLabels { pool: *first });
    drop(first);
    pools.borrowed.inc(PoolLabels { pool: *second });
    assert_eq!(value(&telemetry.render(), "pools_borrowed_total{pool=\"a\"}"), 2.0);
    drop(second);
    assert_eq!(find(&telemetry.render(), "pools_borrowed_total{pool=\"a\"}"), None);
}

#[test]
fn a_text_for_good_outlives_its_registrations() {
    domain!(2);
    let (telemetry, (pools,)) = support::isolated::<(Pools,)>();
    let registered = Pool::register("a");
    pools.borrowed.inc(PoolLabels { pool: *registered });
    let kept = Pool::new("a");
    drop(registered);
    drop(Pool::register("a"));
    pools.borrowed.inc(PoolLabels { pool: kept });
    assert_eq!(value(&telemetry.render(), "pools_borrowed_total{pool=\"a\"}"), 2.0);
}

#[test]
fn registering_over_and_over_costs_nothing_for_good() {
    domain!(8);
    let (telemetry, (pools,)) = support::isolated::<(Pools,)>();
    for at in 0..10_000 {
        let (pool, workload) = (Pool::register(&at.to_string()), Workload::register(&at.to_string()));
        assert!(!pool.interned().unwrap().is_overflow() && !workload.interned().unwrap().is_overflow());
        pools.record(*pool, *workload);
    }
    let text = telemetry.render();
    assert!(!text.lines().any(|line| line.starts_with("pools_")), "{text}");
    assert!(
        series(&text, "bellwether_label_overflow_total{metric=\"pools").values().all(|count| *count == 0.0)
    );
}
