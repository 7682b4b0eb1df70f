//! The `prometheus-client` crate.

use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::driver::{
    BUCKETS, Case, Kind, Library, OBSERVED, ROUTES, STEP, Series, Target, each, items, place, table,
};

/// `prometheus-client`.
pub const LIBRARY: Library = Library { name: "prometheus-client", target, series };

crate::labels! { #[derive(EncodeLabelValue)] }

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    method: Method,
    operation: Operation,
    outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HttpLabels {
    method: Method,
    route: &'static str,
    status: Status,
}

/// The same with the routes known to the program.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NamedHttpLabels {
    method: Method,
    route: RouteName,
    status: Status,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ItemLabels {
    item: String,
    first: Digit,
    second: Digit,
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

fn histograms<L: Clone + std::hash::Hash + Eq>() -> Histograms<L> {
    Family::new_with_constructor(histogram)
}

fn encode(registry: &Registry) -> String {
    let mut text = String::new();
    encode_into(&mut text, registry);
    text
}

fn encode_into(text: &mut String, registry: &Registry) {
    text::encode(text, registry).unwrap_or_else(|error| panic!("a String takes everything: {error}"));
}

struct Recording<R> {
    registry: Registry,
    run: R,
}

impl<R: Fn(usize, usize) + Send + Sync> Target for Recording<R> {
    fn run(&self, from: usize, iterations: usize) {
        (self.run)(from, iterations);
    }

    fn text(&self) -> String {
        encode(&self.registry)
    }
}

fn recording(
    registry: Registry,
    run: impl Fn(usize, usize) + Send + Sync + 'static,
) -> Option<Box<dyn Target>> {
    Some(Box::new(Recording { registry, run }))
}

struct Http<L> {
    requests: Family<L, Counter>,
    in_flight: Gauge,
    duration: Histograms<L>,
}

impl<L> Http<L>
where
    L: Clone + std::hash::Hash + Eq + EncodeLabelSet + std::fmt::Debug + Send + Sync + 'static,
{
    fn new(registry: &mut Registry) -> Self {
        let http = Self { requests: Family::default(), in_flight: Gauge::default(), duration: histograms() };
        // `_total` is added by the encoder.
        registry.register("bench", "Requests that ended", http.requests.clone());
        registry.register("bench_in_flight", "Requests being served", http.in_flight.clone());
        registry.register("bench_seconds", "Times taken", http.duration.clone());
        http
    }

    #[inline(always)]
    fn request(&self, labels: &L, seconds: f64) {
        self.in_flight.inc();
        self.requests.get_or_create(labels).inc();
        self.duration.get_or_create(labels).observe(seconds);
        self.in_flight.dec();
    }
}

fn target(case: Case) -> Option<Box<dyn Target>> {
    let mut registry = Registry::default();
    match case {
        Case::Counter => {
            let counter = Counter::<u64>::default();
            registry.register("bench", "Things counted", counter.clone());
            let table = table(|_| ());
            recording(registry, move |from, iterations| {
                each(&table, from, iterations, |()| {
                    counter.inc();
                });
            })
        }
        Case::Labelled => {
            let counter = Family::<Labels, Counter>::default();
            registry.register("bench", "Things counted", counter.clone());
            let table = table(|sample| {
                let [method, operation, outcome, ..] = sample.labels;
                (Method::ALL[method], Operation::ALL[operation], Outcome::ALL[outcome])
            });
            recording(registry, move |from, iterations| {
                each(&table, from, iterations, |&(method, operation, outcome)| {
                    counter.get_or_create(&Labels { method, operation, outcome }).inc();
                });
            })
        }
        Case::Histogram => {
            let histogram = histogram();
            registry.register("bench_seconds", "Times taken", histogram.clone());
            let table = table(|sample| sample.nanos as f64 * 1e-9);
            recording(registry, move |from, iterations| {
                each(&table, from, iterations, |seconds| histogram.observe(*seconds));
            })
        }
        Case::Http => {
            let http = Http::new(&mut registry);
            let table = table(|sample| {
                let [method, .., route, status] = sample.labels;
                let seconds = sample.nanos as f64 * 1e-9;
                (Method::ALL[method], RouteName::ALL[route], Status::ALL[status], seconds)
            });
            recording(registry, move |from, iterations| {
                each(&table, from, iterations, |&(method, route, status, seconds)| {
                    http.request(&NamedHttpLabels { method, route, status }, seconds);
                });
            })
        }
        Case::HttpText => {
            let http = Http::new(&mut registry);
            let table = table(|sample| {
                let [method, .., route, status] = sample.labels;
                (Method::ALL[method], ROUTES[route], Status::ALL[status], sample.nanos as f64 * 1e-9)
            });
            recording(registry, move |from, iterations| {
                each(&table, from, iterations, |&(method, route, status, seconds)| {
                    http.request(&HttpLabels { method, route, status }, seconds);
                });
            })
        }
    }
}

struct Large<R> {
    registry: Registry,
    /// Used again for each scrape.
    buffer: Mutex<String>,
    items: Vec<String>,
    record: R,
}

impl<R: Fn(&ItemLabels) + Send + Sync> Series for Large<R> {
    fn record(&self, at: usize) {
        let (item, first, second) = place(at);
        let item = self.items[item].clone();
        (self.record)(&ItemLabels { item, first: Digit::ALL[first], second: Digit::ALL[second] });
    }

    fn render(&self) -> usize {
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        buffer.clear();
        encode_into(&mut buffer, &self.registry);
        buffer.len()
    }

    fn text(&self) -> String {
        encode(&self.registry)
    }
}

fn series(kind: Kind) -> Option<Box<dyn Series>> {
    let (mut registry, items) = (Registry::default(), items());
    Some(match kind {
        Kind::Counters => {
            let family = Family::<ItemLabels, Counter>::default();
            registry.register("bench", "Things counted", family.clone());
            let record = move |labels: &ItemLabels| {
                family.get_or_create(labels).inc_by(STEP);
            };
            Box::new(Large { buffer: Mutex::default(), registry, items, record })
        }
        Kind::Histograms => {
            let family = histograms::<ItemLabels>();
            registry.register("bench_seconds", "Times taken", family.clone());
            let record =
                move |labels: &ItemLabels| family.get_or_create(labels).observe(OBSERVED.as_secs_f64());
            Box::new(Large { buffer: Mutex::default(), registry, items, record })
        }
    })
}
