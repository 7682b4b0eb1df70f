//! A real runtime at work.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
#![cfg(feature = "tokio")]

use std::sync::mpsc;
use std::time::{Duration, Instant};

use bellwether_core::{Config, Telemetry};
use bellwether_process::TokioMetrics;
use bellwether_testkit::wait_for;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

const LIMIT: Duration = Duration::from_secs(20);

fn observed() -> (Telemetry, TokioMetrics) {
    let (telemetry, (metrics,)) = Telemetry::isolated::<(TokioMetrics,)>(Config::default()).unwrap();
    (telemetry, metrics)
}

fn runtime(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).build().unwrap()
}

fn value(telemetry: &Telemetry, series: &str) -> f64 {
    let text = telemetry.render();
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
}

#[test]
fn tasks_are_alive_until_they_end() {
    let (telemetry, metrics) = observed();
    let runtime = runtime(3);
    let _observation = metrics.observe(runtime.handle());
    assert_eq!(value(&telemetry, "tokio_workers"), 3.0);
    let (ends, tasks): (Vec<_>, Vec<_>) = (0..7)
        .map(|_| {
            let (end, ended) = oneshot::channel::<()>();
            (end, runtime.spawn(async { drop(ended.await) }))
        })
        .unzip();
    assert_eq!(value(&telemetry, "tokio_alive_tasks"), 7.0);
    drop(ends);
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
    wait_for("the end of the tasks", LIMIT, || (value(&telemetry, "tokio_alive_tasks") == 0.0).then_some(()));
    assert!(value(&telemetry, "tokio_worker_parks_total") > 0.0);
}

#[test]
fn a_blocked_worker_shows_in_the_queue_and_then_as_busy_time() {
    let (telemetry, metrics) = observed();
    let runtime = runtime(1);
    let _observation = metrics.observe(runtime.handle());
    let (started, has_started) = mpsc::channel::<()>();
    let (release, released) = mpsc::channel::<()>();
    let blocked_at = Instant::now();
    runtime.spawn(async move {
        started.send(()).unwrap();
        // What a task must not do: it takes the only worker away from the others.
        let _ = released.recv();
    });
    has_started.recv().unwrap();
    for _ in 0..5 {
        runtime.spawn(async {});
    }
    assert_eq!(value(&telemetry, "tokio_global_queue_depth"), 5.0);
    wait_for("a tenth of a second", LIMIT, || {
        (blocked_at.elapsed() > Duration::from_millis(100)).then_some(())
    });
    drop(release);
    wait_for("busy time", LIMIT, || {
        (value(&telemetry, "tokio_worker_busy_seconds_total") >= 0.09).then_some(())
    });
    assert_eq!(value(&telemetry, "tokio_global_queue_depth"), 0.0);
}

#[test]
fn an_observed_runtime_can_end_first() {
    let (telemetry, metrics) = observed();
    let runtime = runtime(1);
    let _observation = metrics.observe(runtime.handle());
    runtime.shutdown_timeout(LIMIT);
    assert_eq!(value(&telemetry, "tokio_alive_tasks"), 0.0);
}

#[test]
fn the_exposition_is_clean() {
    let (telemetry, metrics) = observed();
    let runtime = runtime(1);
    let _observation = metrics.observe(runtime.handle());
    let (clean, said) = bellwether_testkit::prometheus::check_metrics(&telemetry.render());
    assert!(clean, "{said}");
}
