//! The `measured` crate.

use std::sync::Mutex;

use lasso::{Rodeo, RodeoReader, ThreadedRodeo};
use measured::metric::histogram::Thresholds;
use measured::text::BufferedTextEncoder;
use measured::{
    Counter, CounterVec, FixedCardinalityLabel, Gauge, Histogram, HistogramVec, LabelGroup, MetricGroup,
};

use crate::driver::{
    BUCKETS, Case, Kind, Library, OBSERVED, ROUTES, STEP, Series, Target, each, items, place, table,
};

/// `measured`.
pub const LIBRARY: Library = Library { name: "measured", target, series };

// The derive cannot be used on what a macro wrote: the labels of `crate::labels!`, by hand.

#[derive(Clone, Copy, FixedCardinalityLabel)]
enum Method {
    Get,
    Post,
    Put,
    Delete,
}

#[derive(Clone, Copy, FixedCardinalityLabel)]
enum Operation {
    Create,
    Read,
    Update,
    Remove,
    List,
    Search,
    Export,
    Import,
}

#[derive(Clone, Copy, FixedCardinalityLabel)]
enum Outcome {
    Success,
    Failure,
    Timeout,
    Cancelled,
}

#[derive(Clone, Copy, FixedCardinalityLabel)]
enum RouteName {
    Login,
    Logout,
    Users,
    User,
    Orders,
    Order,
    Items,
    Item,
    Carts,
    Cart,
    Search,
    Health,
    Ready,
    Export,
    Import,
    Events,
}

#[derive(Clone, Copy, FixedCardinalityLabel)]
enum Status {
    Ok,
    Created,
    NoContent,
    NotModified,
    BadRequest,
    NotFound,
    TooMany,
    Internal,
}

#[derive(Clone, Copy, FixedCardinalityLabel)]
enum Digit {
    Zero,
    One,
    Two,
    Three,
    Four,
    Five,
    Six,
    Seven,
    Eight,
    Nine,
}

impl Method {
    const ALL: [Self; 4] = [Self::Get, Self::Post, Self::Put, Self::Delete];
}

impl Operation {
    const ALL: [Self; 8] = [
        Self::Create,
        Self::Read,
        Self::Update,
        Self::Remove,
        Self::List,
        Self::Search,
        Self::Export,
        Self::Import,
    ];
}

impl Outcome {
    const ALL: [Self; 4] = [Self::Success, Self::Failure, Self::Timeout, Self::Cancelled];
}

impl RouteName {
    const ALL: [Self; 16] = [
        Self::Login,
        Self::Logout,
        Self::Users,
        Self::User,
        Self::Orders,
        Self::Order,
        Self::Items,
        Self::Item,
        Self::Carts,
        Self::Cart,
        Self::Search,
        Self::Health,
        Self::Ready,
        Self::Export,
        Self::Import,
        Self::Events,
    ];
}

impl Status {
    const ALL: [Self; 8] = [
        Self::Ok,
        Self::Created,
        Self::NoContent,
        Self::NotModified,
        Self::BadRequest,
        Self::NotFound,
        Self::TooMany,
        Self::Internal,
    ];
}

impl Digit {
    const ALL: [Self; 10] = [
        Self::Zero,
        Self::One,
        Self::Two,
        Self::Three,
        Self::Four,
        Self::Five,
        Self::Six,
        Self::Seven,
        Self::Eight,
        Self::Nine,
    ];
}

const N: usize = BUCKETS.len();

#[derive(LabelGroup)]
#[label(set = LabelsSet)]
struct Labels {
    method: Method,
    operation: Operation,
    outcome: Outcome,
}

#[derive(LabelGroup)]
#[label(set = HttpLabelsSet)]
struct HttpLabels<'a> {
    method: Method,
    #[label(fixed_with = RodeoReader)]
    route: &'a str,
    status: Status,
}

/// The same with the routes known to the program.
#[derive(LabelGroup)]
#[label(set = NamedHttpLabelsSet)]
struct NamedHttpLabels {
    method: Method,
    route: RouteName,
    status: Status,
}

#[derive(LabelGroup)]
#[label(set = ItemLabelsSet)]
struct ItemLabels<'a> {
    #[label(dynamic_with = ThreadedRodeo, default)]
    item: &'a str,
    first: Digit,
    second: Digit,
}

#[derive(MetricGroup)]
#[metric(new())]
struct Plain {
    /// Things counted.
    bench_total: Counter,
    /// Times taken.
    #[metric(metadata = Thresholds::with_buckets(BUCKETS))]
    bench_seconds: Histogram<N>,
}

#[derive(MetricGroup)]
#[metric(new())]
struct Labelled {
    /// Things counted.
    bench_total: CounterVec<LabelsSet>,
}

#[derive(MetricGroup)]
#[metric(new(routes: impl Fn() -> RodeoReader))]
struct Http {
    /// Requests that ended.
    #[metric(label_set = HttpLabelsSet::new(routes()))]
    bench_total: CounterVec<HttpLabelsSet>,
    /// Requests being served.
    bench_in_flight: Gauge,
    /// Times taken.
    #[metric(label_set = HttpLabelsSet::new(routes()), metadata = Thresholds::with_buckets(BUCKETS))]
    bench_seconds: HistogramVec<HttpLabelsSet, N>,
}

#[derive(MetricGroup)]
#[metric(new())]
struct NamedHttp {
    /// Requests that ended.
    bench_total: CounterVec<NamedHttpLabelsSet>,
    /// Requests being served.
    bench_in_flight: Gauge,
    /// Times taken.
    #[metric(metadata = Thresholds::with_buckets(BUCKETS))]
    bench_seconds: HistogramVec<NamedHttpLabelsSet, N>,
}

#[derive(MetricGroup)]
#[metric(new())]
struct Counters {
    /// Things counted.
    bench_total: CounterVec<ItemLabelsSet>,
}

#[derive(MetricGroup)]
#[metric(new())]
struct Histograms {
    /// Times taken.
    #[metric(metadata = Thresholds::with_buckets(BUCKETS))]
    bench_seconds: HistogramVec<ItemLabelsSet, N>,
}

/// A group of metrics and how to record into it. The encoder is kept, as its documentation advises.
struct Recording<G, R> {
    group: G,
    record: R,
    items: Vec<String>,
    encoder: Mutex<BufferedTextEncoder>,
}

impl<G: MetricGroup<BufferedTextEncoder>, R> Recording<G, R> {
    fn new(group: G, record: R) -> Self {
        Self { group, record, items: items(), encoder: Mutex::default() }
    }

    fn encode(&self) -> bytes::Bytes {
        let mut encoder = self.encoder.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.group.collect_group_into(&mut *encoder).unwrap_or_else(|never| match never {});
        encoder.finish()
    }
}

impl<G, R> Target for Recording<G, R>
where
    G: MetricGroup<BufferedTextEncoder> + Send + Sync,
    R: Fn(&G, usize, usize) + Send + Sync,
{
    fn run(&self, from: usize, iterations: usize) {
        (self.record)(&self.group, from, iterations);
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.encode()).into_owned()
    }
}

impl<G, R> Series for Recording<G, R>
where
    G: MetricGroup<BufferedTextEncoder> + Send + Sync,
    R: Fn(&G, ItemLabels<'_>) + Send + Sync,
{
    fn record(&self, at: usize) {
        let (item, first, second) = place(at);
        let item = self.items[item].as_str();
        let labels = ItemLabels { item, first: Digit::ALL[first], second: Digit::ALL[second] };
        (self.record)(&self.group, labels);
    }

    fn render(&self) -> usize {
        self.encode().len()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.encode()).into_owned()
    }
}

fn target(case: Case) -> Option<Box<dyn Target>> {
    Some(match case {
        Case::Counter => {
            let table = table(|_| ());
            Box::new(Recording::new(Plain::new(), move |group: &Plain, from, iterations| {
                each(&table, from, iterations, |()| group.bench_total.inc());
            }))
        }
        Case::Labelled => {
            let table = table(|sample| {
                let [method, operation, outcome, ..] = sample.labels;
                (Method::ALL[method], Operation::ALL[operation], Outcome::ALL[outcome])
            });
            Box::new(Recording::new(Labelled::new(), move |group: &Labelled, from, iterations| {
                each(&table, from, iterations, |&(method, operation, outcome)| {
                    group.bench_total.inc(Labels { method, operation, outcome });
                });
            }))
        }
        Case::Histogram => {
            let table = table(|sample| sample.nanos as f64 * 1e-9);
            Box::new(Recording::new(Plain::new(), move |group: &Plain, from, iterations| {
                each(&table, from, iterations, |seconds| group.bench_seconds.observe(*seconds));
            }))
        }
        Case::Http => {
            let table = table(|sample| {
                let [method, .., route, status] = sample.labels;
                let seconds = sample.nanos as f64 * 1e-9;
                (Method::ALL[method], RouteName::ALL[route], Status::ALL[status], seconds)
            });
            Box::new(Recording::new(NamedHttp::new(), move |group: &NamedHttp, from, iterations| {
                each(&table, from, iterations, |&(method, route, status, seconds)| {
                    group.bench_in_flight.get_metric().inc();
                    group.bench_total.inc(NamedHttpLabels { method, route, status });
                    group.bench_seconds.observe(NamedHttpLabels { method, route, status }, seconds);
                    group.bench_in_flight.get_metric().dec();
                });
            }))
        }
        Case::HttpText => {
            let table = table(|sample| {
                let [method, .., route, status] = sample.labels;
                (Method::ALL[method], ROUTES[route], Status::ALL[status], sample.nanos as f64 * 1e-9)
            });
            let http = Http::new(|| ROUTES.into_iter().collect::<Rodeo>().into_reader());
            Box::new(Recording::new(http, move |group: &Http, from, iterations| {
                each(&table, from, iterations, |&(method, route, status, seconds)| {
                    group.bench_in_flight.get_metric().inc();
                    group.bench_total.inc(HttpLabels { method, route, status });
                    group.bench_seconds.observe(HttpLabels { method, route, status }, seconds);
                    group.bench_in_flight.get_metric().dec();
                });
            }))
        }
    })
}

fn series(kind: Kind) -> Option<Box<dyn Series>> {
    Some(match kind {
        Kind::Counters => {
            Box::new(Recording::new(Counters::new(), |group: &Counters, labels: ItemLabels<'_>| {
                group.bench_total.inc_by(labels, STEP);
            }))
        }
        Kind::Histograms => {
            Box::new(Recording::new(Histograms::new(), |group: &Histograms, labels: ItemLabels<'_>| {
                group.bench_seconds.observe(labels, OBSERVED.as_secs_f64());
            }))
        }
    })
}
