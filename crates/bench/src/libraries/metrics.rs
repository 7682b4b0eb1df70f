//! The `metrics` facade with its Prometheus exporter.

use metrics::{Recorder as _, counter, gauge, histogram, with_local_recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::driver::{
    BUCKETS, Case, Kind, Library, OBSERVED, ROUTES, STEP, Series, Target, each, items, place, table,
};

/// `metrics` and `metrics-exporter-prometheus`.
pub const LIBRARY: Library = Library { name: "metrics", target, series };

crate::labels! {}

/// A recorder for each case: its macros find it as they find a global one, by one look at the thread's
/// own recorder.
struct Exporter {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

impl Exporter {
    fn new() -> Self {
        let builder = PrometheusBuilder::new()
            .set_buckets(&BUCKETS)
            .unwrap_or_else(|error| panic!("the buckets are not empty: {error}"));
        let recorder = builder.build_recorder();
        recorder.describe_counter("bench_total".into(), None, "Things counted.".into());
        recorder.describe_histogram("bench_seconds".into(), None, "Times taken.".into());
        let handle = recorder.handle();
        Self { recorder, handle }
    }
}

struct Recording<R> {
    exporter: Exporter,
    run: R,
}

impl<R: Fn(usize, usize) + Send + Sync> Target for Recording<R> {
    fn run(&self, from: usize, iterations: usize) {
        with_local_recorder(&self.exporter.recorder, || (self.run)(from, iterations));
    }

    fn text(&self) -> String {
        self.exporter.handle.render()
    }

    fn settle(&self) {
        // Samples of histograms are kept one by one until then.
        self.exporter.handle.run_upkeep();
    }
}

fn recording(run: impl Fn(usize, usize) + Send + Sync + 'static) -> Option<Box<dyn Target>> {
    Some(Box::new(Recording { exporter: Exporter::new(), run }))
}

fn target(case: Case) -> Option<Box<dyn Target>> {
    match case {
        Case::Counter => {
            let table = table(|_| ());
            recording(move |from, iterations| {
                each(&table, from, iterations, |()| counter!("bench_total").increment(1));
            })
        }
        Case::Labelled => {
            let table = table(|sample| {
                let [method, operation, outcome, ..] = sample.labels;
                (Method::ALL[method], Operation::ALL[operation], Outcome::ALL[outcome])
            });
            recording(move |from, iterations| {
                each(&table, from, iterations, |(method, operation, outcome)| {
                    counter!(
                        "bench_total",
                        "method" => method.text(),
                        "operation" => operation.text(),
                        "outcome" => outcome.text(),
                    )
                    .increment(1);
                });
            })
        }
        Case::Histogram => {
            let table = table(|sample| sample.nanos as f64 * 1e-9);
            recording(move |from, iterations| {
                each(&table, from, iterations, |seconds| histogram!("bench_seconds").record(*seconds));
            })
        }
        // A label is a text in any case.
        Case::Http | Case::HttpText => {
            let table = table(|sample| {
                let [method, .., route, status] = sample.labels;
                (Method::ALL[method], ROUTES[route], Status::ALL[status], sample.nanos as f64 * 1e-9)
            });
            recording(move |from, iterations| {
                each(&table, from, iterations, |&(method, route, status, seconds)| {
                    let (method, status) = (method.text(), status.text());
                    gauge!("bench_in_flight").increment(1.0);
                    counter!("bench_total", "method" => method, "route" => route, "status" => status)
                        .increment(1);
                    histogram!("bench_seconds", "method" => method, "route" => route, "status" => status)
                        .record(seconds);
                    gauge!("bench_in_flight").decrement(1.0);
                });
            })
        }
    }
}

struct Large {
    exporter: Exporter,
    items: Vec<String>,
    kind: Kind,
}

impl Series for Large {
    fn record(&self, at: usize) {
        let (item, first, second) = place(at);
        let (item, first, second) =
            (self.items[item].clone(), Digit::ALL[first].text(), Digit::ALL[second].text());
        with_local_recorder(&self.exporter.recorder, || match self.kind {
            Kind::Counters => {
                counter!("bench_total", "item" => item, "first" => first, "second" => second).increment(STEP);
            }
            Kind::Histograms => {
                histogram!("bench_seconds", "item" => item, "first" => first, "second" => second)
                    .record(OBSERVED);
            }
        });
    }

    fn render(&self) -> usize {
        self.exporter.handle.render().len()
    }

    fn text(&self) -> String {
        self.exporter.handle.render()
    }
}

fn series(kind: Kind) -> Option<Box<dyn Series>> {
    Some(Box::new(Large { exporter: Exporter::new(), items: items(), kind }))
}
