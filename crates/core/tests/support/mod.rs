//! What several of these tests read out of a scrape.
#![allow(dead_code, reason = "each test uses some of it")]

use std::collections::BTreeMap;

use bellwether_core::{Config, Domains, Telemetry};

/// The domains on a registry of their own, with the default settings.
pub(crate) fn isolated<D: Domains>() -> (Telemetry, D) {
    Telemetry::isolated(Config::default()).unwrap()
}

/// The value of one series, written as in the exposition; none if the series is not there.
pub(crate) fn find(text: &str, series: &str) -> Option<f64> {
    let value = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok();
    text.lines().find_map(value)
}

/// The same for a series that must be there.
pub(crate) fn value(text: &str, series: &str) -> f64 {
    find(text, series).unwrap_or_else(|| panic!("no {series} in\n{text}"))
}

/// All series that begin with this text.
pub(crate) fn series<'a>(text: &'a str, start: &str) -> BTreeMap<&'a str, f64> {
    let lines = text.lines().filter(|line| line.starts_with(start));
    lines.filter_map(|line| line.rsplit_once(' ')).map(|(id, value)| (id, value.parse().unwrap())).collect()
}
