//! Guards: no way of leaving a scope leaks a gauge or loses a time.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod support;

use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Waker};
use std::time::Duration;

use bellwether_core::{
    Gauge, Histogram, Interned, LabelSet, LabelValue, MetricSet, OpenLabel, Seconds, Telemetry,
};
use support::value;

#[derive(Clone, Copy, LabelValue)]
enum Outcome {
    Done,
    Failed,
    Cancelled,
}

#[derive(Clone, Copy, LabelSet)]
struct Labels {
    outcome: Outcome,
}

const DONE: Labels = Labels { outcome: Outcome::Done };
const FAILED: Labels = Labels { outcome: Outcome::Failed };
const CANCELLED: Labels = Labels { outcome: Outcome::Cancelled };

/// An object that comes and goes.
#[derive(Clone, Copy, LabelValue)]
#[label(open, limit = 4)]
struct Owner(Interned);

#[derive(Clone, Copy, LabelSet)]
struct OwnerLabels {
    owner: Owner,
}

#[derive(Clone, MetricSet)]
#[metrics(domain = "jobs")]
struct Jobs {
    /// Jobs at work.
    #[metric("jobs_in_flight")]
    in_flight: Gauge,
    /// Time of a job.
    #[metric("jobs_duration_seconds", buckets = &[0.1, 1.0])]
    duration: Histogram<Labels, Seconds>,
    /// Jobs that wait for an owner.
    #[metric("jobs_waiting")]
    waiting: Gauge<OwnerLabels>,
}

impl Jobs {
    /// What an adapter does around foreign code.
    async fn run(&self, work: impl Future<Output = Result<(), ()>>) -> Result<(), ()> {
        let _in_flight = self.in_flight.track(());
        let mut timer = self.duration.start(CANCELLED);
        let result = work.await;
        timer.relabel(if result.is_ok() { DONE } else { FAILED });
        result
    }
}

/// Jobs at work, and times by outcome.
fn seen(telemetry: &Telemetry) -> (f64, [f64; 3]) {
    let text = telemetry.render();
    let times = ["done", "failed", "cancelled"]
        .map(|outcome| value(&text, &format!("jobs_duration_seconds_count{{outcome=\"{outcome}\"}}")));
    (value(&text, "jobs_in_flight"), times)
}

/// Polls once.
fn poll<F: Future>(future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[test]
fn ends_of_a_future() {
    let (telemetry, (jobs,)) = support::isolated::<(Jobs,)>();
    assert_eq!(poll(jobs.run(async { Ok(()) })), Some(Ok(())));
    assert_eq!(seen(&telemetry), (0.0, [1.0, 0.0, 0.0]));
    // The question mark and `return` are the same.
    assert_eq!(poll(jobs.run(async { Err(())? })), Some(Err(())));
    assert_eq!(seen(&telemetry), (0.0, [1.0, 1.0, 0.0]));
    // Dropped while it waits.
    let mut waiting = Box::pin(jobs.run(pending()));
    assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(seen(&telemetry), (1.0, [1.0, 1.0, 0.0]));
    drop(waiting);
    assert_eq!(seen(&telemetry), (0.0, [1.0, 1.0, 1.0]));
    // Dropped before it began: it never was.
    drop(jobs.run(pending()));
    assert_eq!(seen(&telemetry), (0.0, [1.0, 1.0, 1.0]));
    let panicked = catch_unwind(AssertUnwindSafe(|| poll(jobs.run(async { panic!("on purpose") }))));
    assert!(panicked.is_err());
    assert_eq!(seen(&telemetry), (0.0, [1.0, 1.0, 2.0]));
}

#[test]
fn a_timer_is_stopped_discarded_or_dropped() {
    let (telemetry, (jobs,)) = support::isolated::<(Jobs,)>();
    let elapsed = jobs.duration.start(CANCELLED).stop(DONE);
    let text = telemetry.render();
    let sum = value(&text, "jobs_duration_seconds_sum{outcome=\"done\"}");
    assert_eq!(sum, elapsed.as_nanos() as f64 / 1e9, "what it tells is what it observed");
    assert_eq!(seen(&telemetry).1, [1.0, 0.0, 0.0]);
    jobs.duration.start(CANCELLED).discard();
    assert_eq!(seen(&telemetry).1, [1.0, 0.0, 0.0]);
    drop(jobs.duration.start(FAILED));
    assert_eq!(seen(&telemetry).1, [1.0, 1.0, 0.0]);
    let mut timer = jobs.duration.start(FAILED);
    timer.relabel(DONE);
    drop(timer);
    assert_eq!(seen(&telemetry).1, [2.0, 1.0, 0.0]);
}

#[test]
fn guards_move_to_other_threads_and_outlive_the_telemetry() {
    let (telemetry, (jobs,)) = support::isolated::<(Jobs,)>();
    let (in_flight, timer) = (jobs.in_flight.track(()), jobs.duration.start(DONE));
    std::thread::spawn(move || drop((in_flight, timer))).join().unwrap();
    assert_eq!(seen(&telemetry), (0.0, [1.0, 0.0, 0.0]));
    let late = (jobs.in_flight.track(()), jobs.duration.start(DONE));
    drop((telemetry, jobs));
    drop(late);
}

#[test]
fn a_guard_measures_until_it_ends() {
    let (telemetry, (jobs,)) = support::isolated::<(Jobs,)>();
    let start = std::time::Instant::now();
    let timer = jobs.duration.start(DONE);
    while start.elapsed() < Duration::from_millis(20) {
        std::hint::spin_loop();
    }
    drop(timer);
    let sum = value(&telemetry.render(), "jobs_duration_seconds_sum{outcome=\"done\"}");
    assert!(sum >= 0.0199 && sum <= start.elapsed().as_secs_f64(), "{sum}");
}

#[test]
fn a_guard_that_outlives_its_object_takes_from_nobody() {
    let (telemetry, (jobs,)) = Telemetry::isolated::<(Jobs,)>(bellwether_core::Config::default()).unwrap();
    let owner = Owner::register("gone");
    let waiting = jobs.waiting.track(OwnerLabels { owner: owner.value() });
    drop(owner);
    drop(waiting);
    assert!(!telemetry.render().contains("jobs_waiting{"), "{}", telemetry.render());
}
