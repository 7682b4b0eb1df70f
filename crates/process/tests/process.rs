//! The process's own numbers against what `/proc` says.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
#![cfg(target_os = "linux")]

use std::fs::File;
use std::hint::black_box;
use std::time::{SystemTime, UNIX_EPOCH};

use bellwether_core::{Config, Telemetry};
use bellwether_process::ProcessMetrics;

type Observed = (ProcessMetrics,);

fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
}

fn status(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn numbers_are_those_of_proc() {
    let (telemetry, (process,)) = Telemetry::isolated::<Observed>(Config::default()).unwrap();
    let _observation = process.observe("1.2.3", "abc");
    let text = telemetry.render();

    let near = |value: f64, expected: u64| (value / (expected as f64) - 1.0).abs() < 0.5;
    assert!(near(value(&text, "process_resident_memory_bytes"), status("VmRSS") * 1024), "{text}");
    assert!(near(value(&text, "process_virtual_memory_bytes"), status("VmSize") * 1024), "{text}");
    // Other tests of this file run beside this one.
    assert!((value(&text, "process_threads") - status("Threads") as f64).abs() < 8.0, "{text}");

    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let max = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let soft = max.split_whitespace().nth(3).unwrap();
    let soft = soft.parse().unwrap_or(i64::MAX as f64);
    assert_eq!(value(&text, "process_max_fds"), soft);

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let (process_start, start) =
        (value(&text, "process_start_time_seconds"), value(&text, "start_time_seconds"));
    // The system tells the start of a process in whole seconds.
    assert!(process_start <= start + 2.0 && start <= now && now - process_start < 600.0, "{text}");
}

#[test]
fn descriptors_are_counted() {
    let (telemetry, (process,)) = Telemetry::isolated::<Observed>(Config::default()).unwrap();
    let _observation = process.observe("1.2.3", "abc");
    let before = value(&telemetry.render(), "process_open_fds");
    let files: Vec<File> = (0..100).map(|_| File::open("/dev/null").unwrap()).collect();
    let during = value(&telemetry.render(), "process_open_fds");
    drop(files);
    assert!((during - before - 100.0).abs() < 20.0, "{before} {during}");
}

#[test]
fn cpu_time_has_fractions_and_only_grows() {
    let (telemetry, (process,)) = Telemetry::isolated::<Observed>(Config::default()).unwrap();
    let _observation = process.observe("1.2.3", "abc");
    let cpu = || value(&telemetry.render(), "process_cpu_seconds_total");
    let (mut last, mut fractions) = (cpu(), 0);
    let end = last + 0.3;
    while last < end {
        black_box((0..1_000_000_u64).fold(0, |a, b| black_box(a ^ b)));
        let now = cpu();
        assert!(now >= last, "{last} {now}");
        fractions += u32::from(now.fract() != 0.0 && now > last);
        last = now;
    }
    assert!(fractions > 3, "whole seconds only");
}

#[test]
fn the_build_shows_while_it_is_observed_and_takes_the_prefix() {
    let config = Config::builder().prefix("tea").build().unwrap();
    let (telemetry, (process,)) = Telemetry::isolated::<Observed>(config).unwrap();
    let observation = process.observe("9.9.9", "a\"b");
    let series = "\ntea_build_info{version=\"9.9.9\",revision=\"a\\\"b\"} 1\n";
    let text = telemetry.render();
    assert!(text.contains(series), "{text}");
    assert!(value(&text, "tea_start_time_seconds") > 0.0);
    assert!(value(&text, "process_threads") > 0.0, "standard names take no prefix");
    drop(observation);
    assert!(!telemetry.render().contains("tea_build_info{"), "an ended observation leaves nothing");
    process.observe("9.9.9", "a\"b").forever();
    assert!(telemetry.render().contains(series));
}

#[test]
fn the_exposition_is_clean() {
    let (telemetry, (process,)) = Telemetry::isolated::<Observed>(Config::default()).unwrap();
    let _observation = process.observe("1.2.3", "abc");
    let (clean, said) = bellwether_testkit::prometheus::check_metrics(&telemetry.render());
    assert!(clean, "{said}");
}
