//! The `prometheus` crate.

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

use crate::driver::{
    BUCKETS, Case, Kind, Library, OBSERVED, ROUTES, STEP, Series, Target, each, items, place, table,
};

/// `prometheus`.
pub const LIBRARY: Library = Library { name: "prometheus", target, series };

crate::labels! {}

const HTTP: &[&str] = &["method", "route", "status"];
const ITEM: &[&str] = &["item", "first", "second"];

fn made<T: Collector + Clone + 'static>(registry: &Registry, instrument: prometheus::Result<T>) -> T {
    let registered = instrument
        .and_then(|instrument| registry.register(Box::new(instrument.clone())).map(|()| instrument));
    registered.unwrap_or_else(|error| panic!("the declarations are sound: {error}"))
}

fn histogram_options() -> HistogramOpts {
    HistogramOpts::new("bench_seconds", "Times taken.").buckets(BUCKETS.to_vec())
}

fn encode(registry: &Registry) -> String {
    TextEncoder::new()
        .encode_to_string(&registry.gather())
        .unwrap_or_else(|error| panic!("the metrics are sound: {error}"))
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

fn target(case: Case) -> Option<Box<dyn Target>> {
    let registry = Registry::new();
    match case {
        Case::Counter => {
            let counter = made(&registry, IntCounter::new("bench_total", "Things counted."));
            let table = table(|_| ());
            recording(registry, move |from, iterations| {
                each(&table, from, iterations, |()| counter.inc());
            })
        }
        Case::Labelled => {
            let names = &["method", "operation", "outcome"];
            let counter =
                made(&registry, IntCounterVec::new(Opts::new("bench_total", "Things counted."), names));
            let table = table(|sample| {
                let [method, operation, outcome, ..] = sample.labels;
                (Method::ALL[method], Operation::ALL[operation], Outcome::ALL[outcome])
            });
            recording(registry, move |from, iterations| {
                each(&table, from, iterations, |(method, operation, outcome)| {
                    counter.with_label_values(&[method.text(), operation.text(), outcome.text()]).inc();
                });
            })
        }
        Case::Histogram => {
            let histogram = made(&registry, Histogram::with_opts(histogram_options()));
            let table = table(|sample| sample.nanos as f64 * 1e-9);
            recording(registry, move |from, iterations| {
                each(&table, from, iterations, |seconds| histogram.observe(*seconds));
            })
        }
        // A label is a text in any case.
        Case::Http | Case::HttpText => {
            let requests =
                made(&registry, IntCounterVec::new(Opts::new("bench_total", "Requests that ended."), HTTP));
            let in_flight = made(&registry, IntGauge::new("bench_in_flight", "Requests being served."));
            let duration = made(&registry, HistogramVec::new(histogram_options(), HTTP));
            let table = table(|sample| {
                let [method, .., route, status] = sample.labels;
                (Method::ALL[method], ROUTES[route], Status::ALL[status], sample.nanos as f64 * 1e-9)
            });
            recording(registry, move |from, iterations| {
                each(&table, from, iterations, |&(method, route, status, seconds)| {
                    let labels = [method.text(), route, status.text()];
                    in_flight.inc();
                    requests.with_label_values(&labels).inc();
                    duration.with_label_values(&labels).observe(seconds);
                    in_flight.dec();
                });
            })
        }
    }
}

struct Large<R> {
    registry: Registry,
    items: Vec<String>,
    record: R,
}

impl<R: Fn(&[&str; 3]) + Send + Sync> Series for Large<R> {
    fn record(&self, at: usize) {
        let (item, first, second) = place(at);
        (self.record)(&[&self.items[item], Digit::ALL[first].text(), Digit::ALL[second].text()]);
    }

    fn render(&self) -> usize {
        encode(&self.registry).len()
    }

    fn text(&self) -> String {
        encode(&self.registry)
    }
}

fn series(kind: Kind) -> Option<Box<dyn Series>> {
    let (registry, items) = (Registry::new(), items());
    Some(match kind {
        Kind::Counters => {
            let family =
                made(&registry, IntCounterVec::new(Opts::new("bench_total", "Things counted."), ITEM));
            let record = move |labels: &[&str; 3]| family.with_label_values(labels).inc_by(STEP);
            Box::new(Large { registry, items, record })
        }
        Kind::Histograms => {
            let family = made(&registry, HistogramVec::new(histogram_options(), ITEM));
            let record =
                move |labels: &[&str; 3]| family.with_label_values(labels).observe(OBSERVED.as_secs_f64());
            Box::new(Large { registry, items, record })
        }
    })
}
