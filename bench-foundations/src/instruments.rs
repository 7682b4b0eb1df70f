//! The instruments, by the calls that the `#[metrics]` macro of `foundations` expands to, without
//! the copy of the handle that it makes.

use std::hash::Hash;
use std::num::NonZeroUsize;

use foundations_metrics::{
    Counter, EncodeMetric, EncodeMetricValue, Family, Gauge, HistogramBuilder, LowCardinalityFamily,
    LowCardinalityLabel, MetricConstructor, NamedMetric, ThreadLocalCounter, TimeHistogram, encode_to_text,
};
use serde::Serialize;

use crate::driver::{
    BUCKETS, Case, Kind, Library, OBSERVED, ROUTES, STEP, Sample, Series, Target, each, items, place, table,
};

/// Families indexed by closed labels: the fastest that it has with shared counters.
pub(crate) const CLOSED: Library = Library { name: "foundations-metrics", target: closed, series: |_| None };
/// Families for any labels.
pub(crate) const FAMILY: Library = Library { name: "foundations-metrics-family", target: family, series };
/// Counters that have a cell for each thread.
pub(crate) const THREAD_LOCAL: Library =
    Library { name: "foundations-metrics-thread-local", target: thread_local, series: |_| None };

crate::labels! { #[derive(Serialize)] #[serde(rename_all = "snake_case")] }

#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
struct Labels {
    method: Method,
    operation: Operation,
    outcome: Outcome,
}

#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
struct HttpLabels {
    method: Method,
    route: &'static str,
    status: Status,
}

#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
struct NamedHttpLabels {
    method: Method,
    route: RouteName,
    status: Status,
}

#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
struct ItemLabels {
    item: String,
    first: Digit,
    second: Digit,
}

impl LowCardinalityLabel for Labels {
    const CARDINALITY: NonZeroUsize = NonZeroUsize::new(4 * 8 * 4).unwrap();

    #[inline]
    fn index(&self) -> usize {
        (self.method as usize * 8 + self.operation as usize) * 4 + self.outcome as usize
    }
}

impl LowCardinalityLabel for NamedHttpLabels {
    const CARDINALITY: NonZeroUsize = NonZeroUsize::new(4 * 16 * 8).unwrap();

    #[inline]
    fn index(&self) -> usize {
        (self.method as usize * 16 + self.route as usize) * 8 + self.status as usize
    }
}

impl From<Sample> for Labels {
    fn from(sample: Sample) -> Self {
        let [method, operation, outcome, ..] = sample.labels;
        Self {
            method: Method::ALL[method],
            operation: Operation::ALL[operation],
            outcome: Outcome::ALL[outcome],
        }
    }
}

impl From<Sample> for HttpLabels {
    fn from(sample: Sample) -> Self {
        let [method, .., route, status] = sample.labels;
        Self { method: Method::ALL[method], route: ROUTES[route], status: Status::ALL[status] }
    }
}

impl From<Sample> for NamedHttpLabels {
    fn from(sample: Sample) -> Self {
        let [method, .., route, status] = sample.labels;
        Self { method: Method::ALL[method], route: RouteName::ALL[route], status: Status::ALL[status] }
    }
}

const SECONDS: HistogramBuilder = HistogramBuilder { buckets: &BUCKETS };

/// What can be counted with.
trait Count: EncodeMetricValue + Clone + Default {
    fn one(&self);
}

impl Count for Counter {
    #[inline(always)]
    fn one(&self) {
        self.inc();
    }
}

impl Count for ThreadLocalCounter {
    #[inline(always)]
    fn one(&self) {
        self.inc();
    }
}

/// What finds an instrument by labels and does something with it.
trait Find<L, M>: EncodeMetricValue + Clone {
    fn with(&self, labels: &L, action: impl FnOnce(&M));
}

impl<L, M, C> Find<L, M> for Family<L, M, C>
where
    L: Clone + Eq + Hash + Serialize + Send + Sync + 'static,
    M: EncodeMetricValue,
    C: MetricConstructor<M> + Clone + Send + Sync + 'static,
{
    #[inline(always)]
    fn with(&self, labels: &L, action: impl FnOnce(&M)) {
        action(&self.get_or_create(labels));
    }
}

impl<L, M, C> Find<L, M> for LowCardinalityFamily<L, M, C>
where
    L: LowCardinalityLabel + Clone + Serialize + Send + Sync + 'static,
    M: EncodeMetricValue,
    C: MetricConstructor<M> + Clone + Send + Sync + 'static,
{
    #[inline(always)]
    fn with(&self, labels: &L, action: impl FnOnce(&M)) {
        action(self.get_or_create(labels));
    }
}

struct Recording<R> {
    metrics: Vec<Box<dyn EncodeMetric>>,
    run: R,
}

/// As its registry does it, without the registry: that one is of the process.
fn encode(metrics: &[Box<dyn EncodeMetric>]) -> String {
    let families: Vec<_> = metrics.iter().flat_map(|metric| metric.encode()).collect();
    encode_to_text(&families)
}

fn named(name: &'static str, metric: impl EncodeMetricValue) -> Box<dyn EncodeMetric> {
    Box::new(NamedMetric::new(name, "Things measured.", metric))
}

impl<R: Fn(usize, usize) + Send + Sync> Target for Recording<R> {
    fn run(&self, from: usize, iterations: usize) {
        (self.run)(from, iterations);
    }

    fn text(&self) -> String {
        encode(&self.metrics)
    }
}

fn counter<C: Count>() -> Option<Box<dyn Target>> {
    let counter = C::default();
    let (metrics, table) = (vec![named("bench_total", counter.clone())], table(|_| ()));
    let run = move |from, iterations| each(&table, from, iterations, |()| counter.one());
    Some(Box::new(Recording { metrics, run }))
}

fn labelled<C: Count>(family: impl Find<Labels, C>) -> Option<Box<dyn Target>> {
    let (metrics, table) = (vec![named("bench_total", family.clone())], table(Labels::from));
    let run = move |from, iterations| {
        each(&table, from, iterations, |labels| family.with(labels, C::one));
    };
    Some(Box::new(Recording { metrics, run }))
}

fn histogram() -> Option<Box<dyn Target>> {
    let histogram = TimeHistogram::new(BUCKETS);
    let metrics = vec![named("bench_seconds", histogram.clone())];
    let table = table(|sample| sample.nanos);
    let run = move |from, iterations| each(&table, from, iterations, |nanos| histogram.observe(*nanos));
    Some(Box::new(Recording { metrics, run }))
}

fn http<L: From<Sample> + Send + Sync + 'static, C: Count>(
    requests: impl Find<L, C>,
    duration: impl Find<L, TimeHistogram>,
) -> Option<Box<dyn Target>> {
    let in_flight = Gauge::<i64, std::sync::atomic::AtomicI64>::default();
    let metrics = vec![
        named("bench_total", requests.clone()),
        named("bench_seconds", duration.clone()),
        named("bench_in_flight", in_flight.clone()),
    ];
    let table = table(|sample| (L::from(sample), sample.nanos));
    let run = move |from, iterations| {
        each(&table, from, iterations, |(labels, nanos)| {
            in_flight.inc();
            requests.with(labels, C::one);
            duration.with(labels, |duration| duration.observe(*nanos));
            in_flight.dec();
        });
    };
    Some(Box::new(Recording { metrics, run }))
}

fn any<L: Clone + Eq + Hash>() -> Family<L, TimeHistogram, HistogramBuilder> {
    Family::new_with_constructor(SECONDS)
}

fn low<L: LowCardinalityLabel>() -> LowCardinalityFamily<L, TimeHistogram, HistogramBuilder> {
    LowCardinalityFamily::new_with_constructor(SECONDS)
}

fn closed(case: Case) -> Option<Box<dyn Target>> {
    match case {
        Case::Counter => counter::<Counter>(),
        Case::Labelled => labelled::<Counter>(LowCardinalityFamily::default()),
        Case::Histogram => histogram(),
        Case::Http => http::<NamedHttpLabels, Counter>(LowCardinalityFamily::default(), low()),
        Case::HttpText => None,
    }
}

fn family(case: Case) -> Option<Box<dyn Target>> {
    match case {
        Case::Counter | Case::Histogram => None,
        Case::Labelled => labelled::<Counter>(Family::default()),
        Case::Http => http::<NamedHttpLabels, Counter>(Family::default(), any()),
        Case::HttpText => http::<HttpLabels, Counter>(Family::default(), any()),
    }
}

fn thread_local(case: Case) -> Option<Box<dyn Target>> {
    match case {
        Case::Counter => counter::<ThreadLocalCounter>(),
        Case::Labelled => labelled::<ThreadLocalCounter>(LowCardinalityFamily::default()),
        Case::Http => http::<NamedHttpLabels, ThreadLocalCounter>(LowCardinalityFamily::default(), low()),
        Case::Histogram | Case::HttpText => None,
    }
}

struct Large<R> {
    metrics: Vec<Box<dyn EncodeMetric>>,
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
        encode(&self.metrics).len()
    }

    fn text(&self) -> String {
        encode(&self.metrics)
    }
}

fn series(kind: Kind) -> Option<Box<dyn Series>> {
    let items = items();
    Some(match kind {
        Kind::Counters => {
            let family = Family::<ItemLabels, Counter>::default();
            let metrics = vec![named("bench_total", family.clone())];
            let record = move |labels: &ItemLabels| {
                family.get_or_create(labels).inc_by(STEP);
            };
            Box::new(Large { metrics, items, record })
        }
        Kind::Histograms => {
            let family = any::<ItemLabels>();
            let metrics = vec![named("bench_seconds", family.clone())];
            let record = move |labels: &ItemLabels| {
                family.get_or_create(labels).observe(OBSERVED.as_nanos() as u64);
            };
            Box::new(Large { metrics, items, record })
        }
    })
}
