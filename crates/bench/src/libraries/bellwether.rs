//! Bellwether.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bellwether_core::{
    Config, Counter, Domains, Format, Gauge, Histogram, Interned, LabelSet, LabelValue, MetricSet, OpenLabel,
    Seconds, Telemetry,
};

use crate::driver::{
    BUCKETS, Case, ITEMS, Kind, Library, OBSERVED, ROUTES, STEP, Series, TABLE, Target, each, items, place,
    table,
};

/// Bellwether.
pub const LIBRARY: Library = Library { name: "bellwether", target, series };

crate::labels! { #[derive(LabelValue)] }

/// A route: interned once, when the router is built, or looked up at each request.
#[derive(Clone, Copy, LabelValue)]
#[label(open, limit = 100)]
pub struct Route(Interned);

/// The open label of the large families.
#[derive(Clone, Copy, LabelValue)]
#[label(open, limit = 1000)]
pub struct Item(Interned);

#[derive(Clone, Copy, LabelSet)]
struct Labels {
    method: Method,
    operation: Operation,
    outcome: Outcome,
}

#[derive(Clone, Copy, LabelSet)]
struct HttpLabels {
    method: Method,
    route: Route,
    status: Status,
}

#[derive(Clone, Copy, LabelSet)]
struct ItemLabels {
    item: Item,
    first: Digit,
    second: Digit,
}

/// Without labels.
#[derive(Clone, MetricSet)]
#[metrics(domain = "bench")]
struct Plain {
    /// Things counted.
    #[metric("bench_total")]
    counter: Counter,
    /// Times taken.
    #[metric("bench_seconds", buckets = &BUCKETS)]
    histogram: Histogram<(), Seconds>,
}

/// With three closed labels.
#[derive(Clone, MetricSet)]
#[metrics(domain = "bench")]
struct Labelled {
    /// Things counted.
    #[metric("bench_total")]
    counter: Counter<Labels>,
}

/// A server.
#[derive(Clone, MetricSet)]
#[metrics(domain = "bench")]
struct Http {
    /// Requests that ended.
    #[metric("bench_total")]
    requests: Counter<HttpLabels>,
    /// Requests being served.
    #[metric("bench_in_flight")]
    in_flight: Gauge,
    /// Time from the request to the end of the response.
    #[metric("bench_seconds", buckets = &BUCKETS)]
    duration: Histogram<HttpLabels, Seconds>,
}

impl Http {
    #[inline(always)]
    fn request(&self, labels: HttpLabels, duration: Duration) {
        self.in_flight.inc(());
        self.requests.inc(labels);
        self.duration.observe(labels, duration);
        self.in_flight.dec(());
    }
}

/// Many counters.
#[derive(Clone, MetricSet)]
#[metrics(domain = "bench")]
struct Counters {
    /// Things counted.
    #[metric("bench_total")]
    counter: Counter<ItemLabels>,
}

/// Many histograms.
#[derive(Clone, MetricSet)]
#[metrics(domain = "bench")]
struct Histograms {
    /// Times taken.
    #[metric("bench_seconds", buckets = &BUCKETS)]
    histogram: Histogram<ItemLabels, Seconds>,
}

fn isolated<D: Domains>() -> (Telemetry, D) {
    let config = Config::builder().series_limit(10_000_000).build();
    let isolated = config
        .map_err(|error| error.to_string())
        .and_then(|config| Telemetry::isolated(config).map_err(|error| error.to_string()));
    isolated.unwrap_or_else(|error| panic!("bellwether does not start: {error}"))
}

struct Recording<R> {
    telemetry: Telemetry,
    run: R,
}

impl<R: Fn(usize, usize) + Send + Sync> Target for Recording<R> {
    fn run(&self, from: usize, iterations: usize) {
        (self.run)(from, iterations);
    }

    fn text(&self) -> String {
        self.telemetry.render()
    }
}

fn recording(
    telemetry: Telemetry,
    run: impl Fn(usize, usize) + Send + Sync + 'static,
) -> Option<Box<dyn Target>> {
    Some(Box::new(Recording { telemetry, run }))
}

fn target(case: Case) -> Option<Box<dyn Target>> {
    match case {
        Case::Counter => {
            let (telemetry, (Plain { counter, .. },)) = isolated();
            let table = table(|_| ());
            recording(telemetry, move |from, iterations| {
                each(&table, from, iterations, |()| counter.inc(()));
            })
        }
        Case::Labelled => {
            let (telemetry, (Labelled { counter },)) = isolated();
            let table: Box<[_; TABLE]> = table(|sample| {
                let [method, operation, outcome, ..] = sample.labels;
                (Method::ALL[method], Operation::ALL[operation], Outcome::ALL[outcome])
            });
            recording(telemetry, move |from, iterations| {
                each(&table, from, iterations, |&(method, operation, outcome)| {
                    counter.inc(Labels { method, operation, outcome });
                });
            })
        }
        Case::Histogram => {
            let (telemetry, (Plain { histogram, .. },)) = isolated();
            let table = table(|sample| Duration::from_nanos(sample.nanos));
            recording(telemetry, move |from, iterations| {
                each(&table, from, iterations, |duration| histogram.observe((), *duration));
            })
        }
        Case::Http => {
            let (telemetry, (http,)) = isolated::<(Http,)>();
            let table = table(|sample| {
                let [method, .., route, status] = sample.labels;
                let duration = Duration::from_nanos(sample.nanos);
                (Method::ALL[method], Route::new(ROUTES[route]), Status::ALL[status], duration)
            });
            recording(telemetry, move |from, iterations| {
                each(&table, from, iterations, |&(method, route, status, duration)| {
                    http.request(HttpLabels { method, route, status }, duration);
                });
            })
        }
        Case::HttpText => {
            let (telemetry, (http,)) = isolated::<(Http,)>();
            let table = table(|sample| {
                let [method, .., route, status] = sample.labels;
                let duration = Duration::from_nanos(sample.nanos);
                (Method::ALL[method], ROUTES[route], Status::ALL[status], duration)
            });
            recording(telemetry, move |from, iterations| {
                each(&table, from, iterations, |&(method, route, status, duration)| {
                    let route = Route::new(route);
                    http.request(HttpLabels { method, route, status }, duration);
                });
            })
        }
    }
}

struct Large<R> {
    telemetry: Telemetry,
    /// Used again for each scrape, as the other libraries' are where their interface allows it.
    buffer: Mutex<Vec<u8>>,
    items: Vec<String>,
    record: R,
}

impl<R: Fn(ItemLabels) + Send + Sync> Series for Large<R> {
    fn record(&self, at: usize) {
        let (item, first, second) = place(at);
        let item = Item::new(&self.items[item]);
        (self.record)(ItemLabels { item, first: Digit::ALL[first], second: Digit::ALL[second] });
    }

    fn render(&self) -> usize {
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        buffer.clear();
        self.telemetry.render_into(Format::Text, &mut buffer);
        buffer.len()
    }

    fn text(&self) -> String {
        self.telemetry.render()
    }
}

fn series(kind: Kind) -> Option<Box<dyn Series>> {
    const { assert!(ITEMS == 1000, "the limit of Item") };
    let items = items();
    Some(match kind {
        Kind::Counters => {
            let (telemetry, (Counters { counter },)) = isolated();
            Box::new(Large {
                buffer: Mutex::default(),
                telemetry,
                items,
                record: move |labels| counter.add(labels, STEP),
            })
        }
        Kind::Histograms => {
            let (telemetry, (Histograms { histogram },)) = isolated();
            Box::new(Large {
                buffer: Mutex::default(),
                telemetry,
                items,
                record: move |labels| histogram.observe(labels, OBSERVED),
            })
        }
    })
}
