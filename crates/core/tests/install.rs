//! The global recorder: one test, because a process has one.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod support;

use bellwether_core::{Config, Counter, Histogram, InstallError, MetricSet, Seconds, install};
use support::{find, value};

/// Tea.
#[derive(Clone, MetricSet)]
#[metrics(domain = "tea")]
struct Tea {
    /// Cups poured.
    #[metric("tea_cups_total")]
    cups: Counter,
    /// Time to brew.
    #[metric("tea_brew_seconds", buckets = &[60.0, 180.0])]
    brew: Histogram<(), Seconds>,
}

#[test]
fn the_facade_and_the_declared_metrics_share_one_scrape() {
    metrics::counter!("too_early_total").increment(1);
    let config = Config::builder().prefix("shop").global_labels("branch=north").build().unwrap();
    let (telemetry, (tea,)) = install::<(Tea,)>(config).unwrap();
    tea.cups.inc(());

    metrics::counter!("kettles_total", "size" => "big").increment(2);
    metrics::gauge!("water_level").set(0.5);
    metrics::histogram!("pour_seconds").record(0.3);
    let text = telemetry.render();
    assert_eq!(value(&text, "shop_tea_cups_total{branch=\"north\"}"), 1.0);
    assert_eq!(value(&text, "kettles_total{branch=\"north\",size=\"big\"}"), 2.0);
    assert_eq!(value(&text, "water_level{branch=\"north\"}"), 0.5);
    assert_eq!(value(&text, "pour_seconds_count{branch=\"north\"}"), 1.0);
    assert!(!text.contains("too_early"), "nothing was in place then");

    // Names that belong to declared metrics, in any writing and with any suffix of theirs.
    let conflicts =
        || value(&telemetry.render(), "bellwether_uncatalogued_conflicts_total{branch=\"north\"}");
    assert_eq!(conflicts(), 0.0);
    metrics::counter!("shop_tea_cups_total").increment(100);
    metrics::counter!("shop.tea.cups.total").increment(100);
    metrics::gauge!("shop_tea_cups").set(100.0);
    metrics::gauge!("shop_tea_brew_seconds").set(100.0);
    metrics::counter!("shop_tea_brew_seconds_bucket").increment(100);
    metrics::gauge!("shop-tea-brew-seconds_sum").set(100.0);
    metrics::counter!("shop_tea_brew_seconds_count", "le" => "1").increment(100);
    metrics::histogram!("shop_tea_brew_seconds").record(100.0);
    metrics::gauge!("bellwether_series").set(100.0);
    assert_eq!(conflicts(), 9.0);
    // Without the prefix it is another name.
    metrics::counter!("tea_cups_total").increment(7);
    let text = telemetry.render();
    assert_eq!(value(&text, "shop_tea_cups_total{branch=\"north\"}"), 1.0);
    assert_eq!(value(&text, "tea_cups_total{branch=\"north\"}"), 7.0);
    assert_eq!(value(&text, "shop_tea_brew_seconds_count{branch=\"north\"}"), 0.0);
    assert_eq!(find(&text, "shop_tea_cups{branch=\"north\"}"), None);
    assert_eq!(text.matches("# TYPE shop_tea_brew_seconds ").count(), 1, "{text}");
    tea.brew.observe((), std::time::Duration::from_secs(100));
    let (_, said) = bellwether_testkit::prometheus::check_metrics(&telemetry.render());
    // Nobody described what came through the macros.
    assert!(said.lines().all(|line| line.is_empty() || line.ends_with("no help text")), "{said}");

    // Once a process.
    let Err(again) = install::<(Tea,)>(Config::default()) else { panic!("a second recorder") };
    assert!(matches!(again, InstallError::RecorderInPlace), "{again}");
    assert!(again.to_string().contains("install once"), "{again}");
    metrics::counter!("kettles_total", "size" => "big").increment(1);
    assert_eq!(value(&telemetry.render(), "kettles_total{branch=\"north\",size=\"big\"}"), 3.0);
}
