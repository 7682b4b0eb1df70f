//! No flood of values, of combinations or of observations grows memory.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
#![cfg(target_os = "linux")]

mod support;

use std::sync::Mutex;
use std::time::Duration;

use bellwether_core::{
    Config, Counter, Histogram, Interned, LabelSet, LabelValue, MetricSet, OpenLabel, Seconds, Telemetry,
};
use bellwether_testkit::resident;
use support::{series, value};

/// Memory is that of the process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// By how many bytes the process grew.
fn growth(work: impl FnOnce()) -> i64 {
    let before = resident();
    work();
    let growth = resident().cast_signed() - before.cast_signed();
    println!("grew by {} KiB", growth / 1024);
    growth
}

const MIB: i64 = 1 << 20;

#[derive(Clone, Copy, LabelValue)]
#[label(open, limit = 1000)]
struct User(Interned);

#[derive(Clone, Copy, LabelValue)]
enum Status {
    Good,
    Bad,
}

#[derive(Clone, Copy, LabelSet)]
struct UserLabels {
    user: User,
    status: Status,
}

#[derive(Clone, MetricSet)]
#[metrics(domain = "flood")]
struct Flood {
    /// Requests by user.
    #[metric("flood_requests_total")]
    requests: Counter<UserLabels>,
    /// Time by user.
    #[metric("flood_duration_seconds", buckets = &[0.1, 1.0, 10.0])]
    duration: Histogram<UserLabels, Seconds>,
}

#[test]
fn a_million_values_of_an_open_label() {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let (telemetry, (flood,)) = support::isolated::<(Flood,)>();
    let grown = growth(|| {
        for user in 0..1_000_000 {
            let labels = UserLabels { user: User::new(&format!("user-{user}")), status: Status::Good };
            flood.requests.inc(labels);
            flood.duration.observe(labels, Duration::from_millis(5));
        }
    });
    let text = telemetry.render();
    assert!(grown < 8 * MIB, "{grown}");
    let requests = series(&text, "flood_requests_total{");
    assert_eq!(requests.len(), 1_001);
    assert_eq!(requests.values().sum::<f64>(), 1_000_000.0);
    assert_eq!(value(&text, "flood_requests_total{user=\"other\",status=\"good\"}"), 999_000.0);
    assert_eq!(value(&text, "flood_duration_seconds_count{user=\"other\",status=\"good\"}"), 999_000.0);
    for metric in ["flood_requests_total", "flood_duration_seconds"] {
        let overflow = format!("bellwether_label_overflow_total{{metric=\"{metric}\",label=\"user\"}}");
        assert_eq!(value(&text, &overflow), 999_000.0);
        let combination = overflow.replace("label=\"user\"", "label=\"combination\"");
        assert_eq!(value(&text, &combination), 0.0);
    }
    assert!(text.lines().count() as u64 <= Flood::MAX_SERIES);
}

#[derive(Clone, Copy, LabelValue)]
#[label(open, limit = 500)]
struct From(Interned);

#[derive(Clone, Copy, LabelValue)]
#[label(open, limit = 500)]
struct To(Interned);

#[derive(Clone, Copy, LabelValue)]
enum Size {
    Small,
    #[label(other)]
    Any,
}

#[derive(Clone, Copy, LabelSet)]
#[labels(limit = 100)]
struct Route {
    from: From,
    to: To,
    size: Size,
}

#[derive(Clone, MetricSet)]
#[metrics(domain = "routes")]
struct Routes {
    /// Transfers by where from and where to.
    #[metric("routes_transfers_total")]
    transfers: Counter<Route>,
}

#[test]
fn a_limit_on_combinations() {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let (telemetry, (routes,)) = support::isolated::<(Routes,)>();
    let names: Vec<String> = (0..500).map(|at| at.to_string()).collect();
    let (from, to): (Vec<From>, Vec<To>) = names.iter().map(|name| (From::new(name), To::new(name))).unzip();
    let grown = growth(|| {
        for (at, from) in from.iter().enumerate() {
            for (step, to) in to.iter().enumerate() {
                let size = if (at + step) % 2 == 0 { Size::Small } else { Size::Any };
                routes.transfers.inc(Route { from: *from, to: *to, size });
            }
        }
    });
    let text = telemetry.render();
    assert!(grown < 16 * MIB, "{grown}");
    let transfers = series(&text, "routes_transfers_total{");
    assert_eq!(transfers.len(), 101, "the limit, and the combination for all others");
    assert_eq!(transfers.values().sum::<f64>(), 250_000.0);
    let others = "routes_transfers_total{from=\"other\",to=\"other\",size=\"any\"}";
    assert_eq!(value(&text, others), 249_900.0);
    let overflow = "bellwether_label_overflow_total{metric=\"routes_transfers_total\",label=\"combination\"}";
    assert_eq!(value(&text, overflow), 249_900.0);
    assert_eq!(Routes::MAX_SERIES, 101);
}

#[derive(Clone, Copy, LabelValue)]
#[label(open, limit = 2000)]
struct Tenant(Interned);

#[derive(Clone, Copy, LabelSet)]
struct TenantLabels {
    tenant: Tenant,
    status: Status,
}

#[derive(Clone, MetricSet)]
#[metrics(domain = "tenants")]
struct Tenants {
    /// Requests by tenant.
    #[metric("tenants_requests_total")]
    requests: Counter<TenantLabels>,
    /// Time by tenant.
    #[metric("tenants_duration_seconds", buckets = &[1.0])]
    duration: Histogram<TenantLabels, Seconds>,
}

#[test]
fn the_limit_on_all_series() {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    // Some are taken by what the recorder says about itself.
    let limit = 500;
    let config = Config::builder().series_limit(limit).build().unwrap();
    let (telemetry, (tenants,)) = Telemetry::isolated::<(Tenants,)>(config).unwrap();
    let mut recorded = 0.0;
    for tenant in 0..2_000 {
        let tenant = Tenant::new(&tenant.to_string());
        for status in [Status::Good, Status::Bad] {
            tenants.requests.inc(TenantLabels { tenant, status });
            tenants.duration.observe(TenantLabels { tenant, status }, Duration::from_secs(2));
            recorded += 1.0;
        }
    }
    let text = telemetry.render();
    let used = value(&text, "bellwether_series");
    assert_eq!(value(&text, "bellwether_series_limit"), limit as f64);
    // Over the limit are only the series of `other`: one counter and four of a histogram, by status.
    assert!(used > limit as f64 - 5.0 && used <= limit as f64 + 10.0, "{used}");
    assert_eq!(used, text.lines().filter(|line| !line.starts_with('#')).count() as f64);
    for (metric, count) in [
        ("tenants_requests_total", "tenants_requests_total"),
        ("tenants_duration_seconds", "tenants_duration_seconds_count"),
    ] {
        let kept = series(&text, &format!("{count}{{"));
        assert_eq!(kept.values().sum::<f64>(), recorded);
        let other: f64 = kept.iter().filter(|(id, _)| id.contains("\"other\"")).map(|(_, value)| value).sum();
        let overflow =
            format!("bellwether_label_overflow_total{{metric=\"{metric}\",label=\"combination\"}}");
        assert_eq!(value(&text, &overflow), other);
    }
}

#[derive(Clone, MetricSet)]
#[metrics(domain = "samples")]
struct Samples {
    /// Time of a sample.
    #[metric("samples_duration_seconds", buckets = &[0.1, 1.0, 10.0])]
    duration: Histogram<(), Seconds>,
}

#[test]
fn ten_million_observations_without_a_scrape() {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let (telemetry, (samples,)) = support::isolated::<(Samples,)>();
    let grown = growth(|| {
        for nanos in 0..10_000_000 {
            samples.duration.observe((), Duration::from_nanos(nanos));
        }
    });
    assert!(grown < MIB, "{grown}");
    let grown = growth(|| {
        metrics::with_local_recorder(&telemetry.recorder(), || {
            // A look-up by macro takes most of the time: the rest goes through a kept handle.
            for nanos in 0..1_000_000 {
                metrics::histogram!("foreign_seconds").record(f64::from(nanos) * 1e-9);
            }
            let kept = metrics::histogram!("foreign_seconds");
            (1_000_000..10_000_000).for_each(|nanos| kept.record(f64::from(nanos) * 1e-9));
        });
    });
    assert!(grown < 4 * MIB, "{grown}");
    let text = telemetry.render();
    assert_eq!(value(&text, "samples_duration_seconds_count"), 1e7);
    assert_eq!(value(&text, "samples_duration_seconds_sum"), 49_999.995);
    assert_eq!(value(&text, "foreign_seconds_count"), 1e7);
}
