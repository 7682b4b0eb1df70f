//! Recording, scraping, and series that come and go, all at once.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod support;

use std::collections::HashMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use bellwether_core::{
    Counter, Gauge, Histogram, Interned, LabelSet, LabelValue, MetricSet, OpenLabel, Seconds, Telemetry,
};
use support::{find, series, value};

const THREADS: u64 = 8;

#[derive(Clone, Copy, LabelValue)]
enum Status {
    Good,
    Bad,
}

#[derive(Clone, Copy, LabelValue)]
#[label(open, limit = 64)]
struct Name(Interned);

#[derive(Clone, Copy, LabelSet)]
struct Labels {
    name: Name,
    status: Status,
}

#[derive(Clone, Copy, LabelSet)]
struct Closed {
    status: Status,
}

#[derive(Clone, MetricSet)]
#[metrics(domain = "work")]
struct Work {
    /// Work done.
    #[metric("work_total")]
    done: Counter<Labels>,
    /// Work done by status alone.
    #[metric("work_status_total")]
    by_status: Counter<Closed>,
    /// Work at hand.
    #[metric("work_at_hand")]
    at_hand: Gauge,
    /// Time taken.
    #[metric("work_duration_seconds", buckets = &[0.001, 0.01, 0.1])]
    duration: Histogram<Labels, Seconds>,
}

/// Checks one scrape against the one before: no counter falls, `_count` is the bucket `+Inf`.
fn check(text: &str, last: &mut HashMap<String, f64>) {
    for line in text.lines().filter(|line| line.starts_with("work_")) {
        let (id, now) = line.rsplit_once(' ').unwrap();
        let now: f64 = now.parse().unwrap();
        if !id.starts_with("work_at_hand") {
            let before = last.insert(id.to_owned(), now);
            assert!(before.is_none_or(|before| before <= now), "{id} fell from {before:?} to {now}");
        }
        if let Some(labels) = id.strip_prefix("work_duration_seconds_count{") {
            let all = format!("work_duration_seconds_bucket{{{},le=\"+Inf\"}}", labels.trim_end_matches('}'));
            assert_eq!(value(text, &all), now, "{id}");
        }
    }
}

#[test]
fn nothing_is_lost_and_nothing_falls() {
    const EACH: u64 = 60_000;
    let (telemetry, (work,)) = support::isolated::<(Work,)>();
    let done = AtomicBool::new(false);
    let barrier = Barrier::new(THREADS as usize + 1);
    let scrapes = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (work, barrier) = (&work, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    for at in 0..EACH {
                        let status = if at % 3 == 0 { Status::Bad } else { Status::Good };
                        // Some names are shared by all threads, some are new in the middle of it.
                        let name = Name::new(&format!("n{}", (at / 2_000 + thread / 4) % 40));
                        let labels = Labels { name, status };
                        work.at_hand.inc(());
                        work.done.inc(labels);
                        work.by_status.inc(Closed { status });
                        work.duration.observe(labels, Duration::from_micros(at));
                        work.at_hand.dec(());
                    }
                })
            })
            .collect();
        let scraper = scope.spawn(|| {
            barrier.wait();
            let (mut last, mut scrapes) = (HashMap::new(), 0);
            while !done.load(Ordering::Relaxed) {
                check(&telemetry.render(), &mut last);
                scrapes += 1;
            }
            scrapes
        });
        for thread in threads {
            thread.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        scraper.join().unwrap()
    });
    println!("{scrapes} scrapes meanwhile");
    assert!(scrapes > 3);
    let text = telemetry.render();
    let all = (THREADS * EACH) as f64;
    for counted in ["work_total{", "work_status_total{", "work_duration_seconds_count{"] {
        assert_eq!(series(&text, counted).values().sum::<f64>(), all, "{counted}");
    }
    assert_eq!(value(&text, "work_at_hand"), 0.0);
    assert_eq!(value(&text, "work_status_total{status=\"bad\"}"), (THREADS * EACH / 3) as f64);
    assert!(
        series(&text, "bellwether_label_overflow_total{metric=\"work").values().all(|count| *count == 0.0)
    );
}

#[derive(Clone, Copy, LabelValue)]
#[label(open, limit = 12)]
struct Pool(Interned);

#[derive(Clone, Copy, LabelSet)]
struct PoolLabels {
    pool: Pool,
    status: Status,
}

#[derive(Clone, MetricSet)]
#[metrics(domain = "pools")]
struct Pools {
    /// A number that belongs to one owner's text alone.
    #[metric("pools_owned_total")]
    owned: Counter<PoolLabels>,
    /// Time of an owner, always as many times as in the counter.
    #[metric("pools_duration_seconds", buckets = &[1.0])]
    duration: Histogram<PoolLabels, Seconds>,
}

/// The number that the owner of a text counts, whatever the place it got.
fn number(owner: u64) -> u64 {
    1_000 + owner * 7
}

fn check_owners(text: &str) {
    for (id, count) in series(text, "pools_owned_total{") {
        let owner = id.trim_start_matches("pools_owned_total{pool=\"p").split('"').next();
        let Some(Ok(owner)) = owner.map(str::parse) else { continue };
        // Not yet, or all of it: never what an earlier owner of the place counted.
        assert!(count == 0.0 || count == number(owner) as f64, "{id} {count}, not {}", number(owner));
    }
}

#[test]
fn registrations_come_and_go() {
    let (telemetry, (pools,)) = support::isolated::<(Pools,)>();
    let steady = Pool::register("steady");
    let (done, owners) = (AtomicBool::new(false), AtomicU64::new(0));
    let steady_count = AtomicU64::new(0);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..1_500 {
                        let owner = owners.fetch_add(1, Ordering::Relaxed);
                        let pool = Pool::register(&format!("p{owner}"));
                        for status in [Status::Good, Status::Bad] {
                            let labels = PoolLabels { pool: *pool, status };
                            pools.owned.add(labels, number(owner));
                            pools.duration.observe(labels, Duration::from_millis(owner));
                        }
                        pools.owned.inc(PoolLabels { pool: *steady, status: Status::Bad });
                        steady_count.fetch_add(1, Ordering::Relaxed);
                        let live = format!("pools_owned_total{{pool=\"p{owner}\",status=\"bad\"}}");
                        if owner.is_multiple_of(50) {
                            assert_eq!(find(&telemetry.render(), &live), Some(number(owner) as f64));
                        }
                    }
                })
            })
            .collect();
        let scraper = scope.spawn(|| {
            let mut last = 0.0;
            while !done.load(Ordering::Relaxed) {
                let text = telemetry.render();
                check_owners(&text);
                if let Some(steady) = find(&text, "pools_owned_total{pool=\"steady\",status=\"bad\"}") {
                    assert!(steady >= last);
                    last = steady;
                } else {
                    assert_eq!(last, 0.0, "the series of a live registration is gone");
                }
            }
        });
        let results: Vec<_> = threads.into_iter().map(thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::Relaxed);
        scraper.join().unwrap();
        results.into_iter().for_each(|result| result.unwrap());
    });
    let text = telemetry.render();
    let steady_count = steady_count.into_inner() as f64;
    assert_eq!(value(&text, "pools_owned_total{pool=\"steady\",status=\"bad\"}"), steady_count);
    assert_eq!(series(&text, "pools_owned_total{pool=\"p").len(), 0, "{text}");
    drop(steady);
    assert_eq!(series(&telemetry.render(), "pools_owned_total{pool=\"s").len(), 0);
}

#[derive(Clone, Copy, LabelValue)]
#[label(open, limit = 2)]
struct Slot(Interned);

#[derive(Clone, Copy, LabelSet)]
struct SlotLabels {
    slot: Slot,
}

#[derive(Clone, MetricSet)]
#[metrics(domain = "slots")]
struct Slots {
    /// Uses of a slot.
    #[metric("slots_used_total")]
    used: Counter<SlotLabels>,
}

/// Threads that go on recording with a value while its registration ends: what comes late is lost
/// or `other`, and never the next owner's.
#[test]
fn late_recordings_do_not_reach_the_next_owner() {
    let (telemetry, (slots,)) = support::isolated::<(Slots,)>();
    let telemetry: &Telemetry = &telemetry;
    for _ in 0..400 {
        let first = Slot::register("first");
        let late = SlotLabels { slot: *first };
        let stop = AtomicBool::new(false);
        let started = Barrier::new(3);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    slots.used.inc(late);
                    started.wait();
                    while !stop.load(Ordering::Relaxed) {
                        slots.used.inc(late);
                    }
                });
            }
            started.wait();
            drop(first);
            let second = Slot::register("second");
            slots.used.add(SlotLabels { slot: *second }, 5);
            let seen = find(&telemetry.render(), "slots_used_total{slot=\"second\"}");
            stop.store(true, Ordering::Relaxed);
            assert_eq!(seen, Some(5.0));
        });
    }
}

#[test]
fn a_gauge_is_what_was_set_and_what_was_added_since() {
    let (telemetry, (work,)) = Telemetry::isolated::<(Work,)>(bellwether_core::Config::default()).unwrap();
    let shift = |by: i64| {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..1_000).for_each(|_| work.at_hand.shift((), by)));
            }
        });
    };
    shift(3);
    assert!(telemetry.render().contains("\nwork_at_hand 24000\n"));
    work.at_hand.set((), 5);
    assert!(telemetry.render().contains("\nwork_at_hand 5\n"));
    shift(-1);
    assert!(telemetry.render().contains("\nwork_at_hand -7995\n"));
}

#[test]
fn guards_that_end_in_another_thread_are_never_seen_without_their_beginning() {
    let (telemetry, (work,)) = Telemetry::isolated::<(Work,)>(bellwether_core::Config::default()).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let (sender, receiver) = std::sync::mpsc::sync_channel(64);
        let (work, done) = (&work, &done);
        scope.spawn(move || {
            for _ in 0..200_000 {
                sender.send(work.at_hand.track(())).unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        scope.spawn(move || receiver.into_iter().for_each(drop));
        while !done.load(Ordering::Relaxed) {
            let at_hand = value(&telemetry.render(), "work_at_hand");
            assert!((0.0..=66.0).contains(&at_hand), "{at_hand}");
        }
    });
    assert_eq!(value(&telemetry.render(), "work_at_hand"), 0.0);
}
