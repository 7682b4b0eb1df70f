//! Both directions of the `metrics` facade: our instruments on a foreign recorder, and facade
//! handles over our cells.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bellwether_catalog::{Kind, Metric, Unit};
use metrics::{CounterFn, GaugeFn, HistogramFn, Key, Label, Level, Metadata, Recorder};
use papaya::{Compute, HashMap, Operation};

use crate::family::Family;
use crate::intern::unescape;
use crate::label::{LabelSet, ValueSpec};

/// A recorder of somebody else.
pub(crate) type Foreign = Arc<dyn Recorder + Send + Sync>;

static METADATA: Metadata<'static> = Metadata::new("bellwether", Level::INFO, Some("bellwether"));

/// One metric on a foreign recorder: a facade handle per label combination, made at its first use.
pub(crate) struct FacadeFamily {
    recorder: Foreign,
    metric: Metric,
    scale: u64,
    /// By the place of the labels; a place whose value has ended gets a new handle with the next.
    handles: HashMap<usize, (u64, Arc<Handle>)>,
}

pub(crate) enum Handle {
    /// The total beside it is for units that the facade's whole-number counters cannot hold.
    Counter(metrics::Counter, AtomicU64),
    Gauge(metrics::Gauge),
    Histogram(metrics::Histogram),
}

impl FacadeFamily {
    pub(crate) fn new(recorder: Foreign, metric: Metric, scale: u64) -> Arc<Self> {
        let (name, help) = (metric.name.clone().into(), metric.help.clone().into());
        let unit = match metric.unit {
            Unit::Seconds | Unit::Timestamp => Some(metrics::Unit::Seconds),
            Unit::Bytes => Some(metrics::Unit::Bytes),
            Unit::None | Unit::Ratio => None,
        };
        match metric.kind {
            Kind::Counter => recorder.describe_counter(name, unit, help),
            Kind::Gauge => recorder.describe_gauge(name, unit, help),
            Kind::Histogram => recorder.describe_histogram(name, unit, help),
        }
        Arc::new(Self { recorder, metric, scale, handles: HashMap::new() })
    }

    pub(crate) fn name(&self) -> &String {
        &self.metric.name
    }

    pub(crate) fn handle<L: LabelSet>(&self, labels: L) -> Arc<Handle> {
        let (place, generation) = (labels.index(), labels.generation());
        let handles = self.handles.pin();
        if let Some((_, handle)) = handles.get(&place).filter(|(of, _)| *of == generation) {
            return handle.clone();
        }
        let fresh = (generation, Arc::new(self.make(labels)));
        // Another thread may have made the same meanwhile: the first one stays.
        let kept = handles.compute(place, |present| match present {
            Some((_, (of, handle))) if *of == generation => Operation::Abort(handle.clone()),
            _ => Operation::Insert(fresh.clone()),
        });
        match kept {
            Compute::Aborted(handle) => handle,
            _ => fresh.1,
        }
    }

    fn make<L: LabelSet>(&self, labels: L) -> Handle {
        let mut open = vec![None; L::LABELS.len()];
        labels.each_open(&mut |position, value| open[position] = Some(value));
        let mut slot = labels.index();
        let mut pairs: Vec<Label> = Vec::new();
        for (label, open) in L::LABELS.iter().zip(open).rev() {
            let text = match (label.values, open) {
                (ValueSpec::Open { interner, .. }, Some(value)) => {
                    let text =
                        interner().is_current(value).then(|| interner().escaped(value.index())).flatten();
                    unescape(text.as_deref().unwrap_or(crate::intern::OTHER))
                }
                (ValueSpec::Closed { texts, .. }, _) => {
                    let text = texts[slot % texts.len()];
                    slot /= texts.len();
                    text.to_owned()
                }
                (ValueSpec::Open { .. }, None) => crate::intern::OTHER.to_owned(),
            };
            pairs.push(Label::new(label.name, text));
        }
        pairs.reverse();
        let key = Key::from_parts(self.metric.name.clone(), pairs);
        match self.metric.kind {
            Kind::Counter => {
                Handle::Counter(self.recorder.register_counter(&key, &METADATA), AtomicU64::new(0))
            }
            Kind::Gauge => Handle::Gauge(self.recorder.register_gauge(&key, &METADATA)),
            Kind::Histogram => Handle::Histogram(self.recorder.register_histogram(&key, &METADATA)),
        }
    }

    /// Adds to a counter, or adds the signed number to a gauge.
    pub(crate) fn add<L: LabelSet>(&self, labels: L, raw: u64) {
        match &*self.handle(labels) {
            Handle::Counter(counter, _) if self.scale == 1 => counter.increment(raw),
            Handle::Counter(counter, total) => {
                counter.absolute((total.fetch_add(raw, Ordering::Relaxed) + raw) / self.scale);
            }
            Handle::Gauge(gauge) => gauge.increment(self.float(raw.cast_signed())),
            Handle::Histogram(_) => {}
        }
    }

    pub(crate) fn set<L: LabelSet>(&self, labels: L, raw: i64) {
        match &*self.handle(labels) {
            Handle::Counter(counter, total) => {
                let raw = raw.max(0).cast_unsigned();
                // Additions go on from here.
                counter.absolute(total.fetch_max(raw, Ordering::Relaxed).max(raw) / self.scale);
            }
            Handle::Gauge(gauge) => gauge.set(self.float(raw)),
            Handle::Histogram(_) => {}
        }
    }

    pub(crate) fn observe<L: LabelSet>(&self, labels: L, raw: u64) {
        if let Handle::Histogram(histogram) = &*self.handle(labels) {
            histogram.record(raw as f64 / self.scale as f64);
        }
    }

    fn float(&self, raw: i64) -> f64 {
        raw as f64 / self.scale as f64
    }
}

/// A series of a native family as a facade handle.
pub(crate) struct Native<L> {
    pub(crate) family: Arc<Family>,
    pub(crate) labels: L,
}

impl<L: LabelSet> Native<L> {
    fn raw(&self, value: f64) -> i64 {
        (value * self.family.scale as f64) as i64
    }
}

impl<L: LabelSet> CounterFn for Native<L> {
    fn increment(&self, value: u64) {
        if let Some(cells) = self.family.cells(self.labels) {
            cells.add(0, value.saturating_mul(self.family.scale));
        }
    }

    fn absolute(&self, value: u64) {
        raise(&self.family, self.labels, value.saturating_mul(self.family.scale));
    }
}

/// Raises a counter to a total that somebody else counts; a lower one changes nothing.
pub(crate) fn raise<L: LabelSet>(family: &Family, labels: L, total: u64) {
    // What the other stripes hold stays: only the difference goes on top.
    if let Some(cell) = family.first(labels) {
        cell.fetch_max(total.saturating_sub(family.elsewhere(labels)), Ordering::Relaxed);
    }
}

impl<L: LabelSet> GaugeFn for Native<L> {
    fn increment(&self, value: f64) {
        self.family.shift(self.labels, self.raw(value));
    }

    fn decrement(&self, value: f64) {
        GaugeFn::increment(self, -value);
    }

    fn set(&self, value: f64) {
        self.family.set(self.labels, self.raw(value));
    }
}

impl<L: LabelSet> HistogramFn for Native<L> {
    fn record(&self, value: f64) {
        self.family.observe(self.labels, (value * self.family.scale as f64) as u64);
    }
}
