//! `ENABLED=false`: instruments do nothing, the endpoint is a 404, and nothing global is touched.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use bellwether_core::{Config, Counter, Gauge, Histogram, MetricSet, ScrapeRequest, Seconds, install};
use http::{HeaderMap, Method, StatusCode};

/// Tea.
#[derive(Clone, MetricSet)]
#[metrics(domain = "tea")]
struct Tea {
    /// Cups poured.
    #[metric("tea_cups_total")]
    cups: Counter,
    /// Guests now.
    #[metric("tea_guests")]
    guests: Gauge,
    /// Time to brew.
    #[metric("tea_brew_seconds", buckets = &[60.0])]
    brew: Histogram<(), Seconds>,
}

#[test]
fn nothing_is_measured() {
    let variables = [("TEA_METRICS_ENABLED".into(), "false".into())];
    let config = Config::from_vars("TEA", variables).unwrap();
    assert!(!config.enabled());
    let (telemetry, (tea,)) = install::<(Tea,)>(config.clone()).unwrap();
    tea.cups.inc(());
    tea.cups.handle(()).increment(1);
    drop((tea.guests.track(()), tea.brew.start(())));
    metrics::counter!("kettles_total").increment(1);
    assert_eq!(telemetry.render(), "");
    for method in [Method::GET, Method::POST] {
        let request = ScrapeRequest { method: &method, headers: &HeaderMap::new(), peer: None };
        let response = telemetry.scrape(request);
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
    }
    // No recorder was put in place: another one still can be.
    let _ = install::<(Tea,)>(config).unwrap();
    let (second, _) = install::<(Tea,)>(Config::default()).unwrap();
    metrics::counter!("kettles_total").increment(1);
    assert!(second.render().contains("\nkettles_total 1\n"));
}
