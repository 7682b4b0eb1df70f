//! Counter, gauge and histogram: what a domain records with.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwether_catalog::{Kind, Metric, Unit};

use crate::facade::{FacadeFamily, Handle, Native, raise};
use crate::family::Family;
use crate::label::{LabelSet, LabelSpec, max_combinations};
use crate::measure::{Count, Measure, Seconds};
use crate::registrar::{Registrar, Sink};

/// What the three instruments have in common. `#[derive(MetricSet)]` builds on it.
pub trait Instrument: Clone {
    /// Counter, gauge or histogram.
    const KIND: Kind;
    /// The unit of the values.
    const UNIT: Unit;
    /// The labels.
    const LABELS: &'static [LabelSpec];
    /// The most label combinations.
    const MAX_COMBINATIONS: u64;

    /// The catalog's description of the instrument under a name.
    #[must_use]
    fn describe(name: &str) -> Metric;
    /// Registers the instrument under its description.
    #[must_use]
    fn register(registrar: &Registrar, metric: Metric) -> Self;
}

enum Backend {
    Native(Arc<Family>),
    Facade(Arc<FacadeFamily>),
    Off,
}

impl Backend {
    fn new<L: LabelSet, U: Measure>(registrar: &Registrar, metric: Metric) -> Self {
        match registrar.sink() {
            Sink::Native(registry) => registry.add::<L>(metric, U::SCALE).map_or(Self::Off, Self::Native),
            Sink::Facade(recorder) => Self::Facade(FacadeFamily::new(recorder.clone(), metric, U::SCALE)),
            Sink::Off => Self::Off,
        }
    }
}

// On a foreign recorder, or off. Out of line: a look-up of handles in the middle of an application's
// function would cost the native path its registers.
impl Backend {
    #[inline(never)]
    fn add<L: LabelSet>(&self, labels: L, raw: u64) {
        if let Self::Facade(family) = self {
            family.add(labels, raw);
        }
    }

    #[inline(never)]
    fn observe<L: LabelSet>(&self, labels: L, raw: u64) {
        if let Self::Facade(family) = self {
            family.observe(labels, raw);
        }
    }
}

impl Clone for Backend {
    fn clone(&self) -> Self {
        match self {
            Self::Native(family) => Self::Native(family.clone()),
            Self::Facade(family) => Self::Facade(family.clone()),
            Self::Off => Self::Off,
        }
    }
}

macro_rules! instrument {
    ($(#[$doc:meta])* $name:ident, $kind:expr, $($default:tt)*) => {
        $(#[$doc])*
        pub struct $name<L: LabelSet $($default)*> {
            backend: Backend,
            _types: PhantomData<fn(L, U)>,
        }

        impl<L: LabelSet, U: Measure> Clone for $name<L, U> {
            fn clone(&self) -> Self {
                Self { backend: self.backend.clone(), _types: PhantomData }
            }
        }

        impl<L: LabelSet, U: Measure> fmt::Debug for $name<L, U> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let name = match &self.backend {
                    Backend::Native(family) => &family.metric.name,
                    Backend::Facade(family) => family.name(),
                    Backend::Off => "off",
                };
                f.debug_tuple(stringify!($name)).field(&name).finish()
            }
        }

        impl<L: LabelSet, U: Measure> Instrument for $name<L, U> {
            const KIND: Kind = $kind;
            const UNIT: Unit = U::UNIT;
            const LABELS: &'static [LabelSpec] = L::LABELS;
            const MAX_COMBINATIONS: u64 = max_combinations(L::LABELS, L::LIMIT);

            fn describe(name: &str) -> Metric {
                Metric::new(name, $kind, U::UNIT)
                    .labels(L::LABELS.iter().map(LabelSpec::describe))
                    .limit(L::LIMIT.map(|_| Self::MAX_COMBINATIONS))
            }

            fn register(registrar: &Registrar, metric: Metric) -> Self {
                Self { backend: Backend::new::<L, U>(registrar, metric), _types: PhantomData }
            }
        }

        impl<L: LabelSet, U: Measure> $name<L, U> {
            /// Shows the series of these labels from now on, before their first recording: at 0.
            /// Series of closed labels are shown from the start without it.
            pub fn preregister(&self, labels: L) {
                match &self.backend {
                    Backend::Native(family) => drop(family.first(labels)),
                    Backend::Facade(family) => drop(family.handle(labels)),
                    Backend::Off => {}
                }
            }
        }
    };
}

instrument! {
    /// A total that only grows.
    ///
    /// Cost of an addition with closed or kept labels: a table look-up and one atomic addition.
    Counter, Kind::Counter, = (), U: Measure = Count
}

instrument! {
    /// A value that goes up and down.
    ///
    /// Cost: a table look-up and one atomic operation.
    Gauge, Kind::Gauge, = (), U: Measure = Count
}

instrument! {
    /// Observations in buckets.
    ///
    /// Cost: a table look-up, a linear search over the bounds and two atomic additions.
    Histogram, Kind::Histogram, , U: Measure
}

impl<L: LabelSet> Counter<L, Count> {
    /// Counts one.
    #[inline]
    pub fn inc(&self, labels: L) {
        self.add(labels, 1);
    }
}

impl<L: LabelSet, U: Measure> Counter<L, U> {
    /// Adds to the total.
    #[inline]
    pub fn add(&self, labels: L, value: U::Value) {
        match &self.backend {
            Backend::Native(family) => family.add(labels, U::raw(value)),
            elsewhere => elsewhere.add(labels, U::raw(value)),
        }
    }

    /// Takes over a total that somebody else counts (the CPU time of the process, a server's own
    /// counter). A total below the present one changes nothing: a counter never falls.
    pub fn raise_to(&self, labels: L, total: U::Value) {
        match &self.backend {
            Backend::Native(family) => raise(family, labels, U::raw(total)),
            Backend::Facade(family) => family.set(labels, U::signed(total)),
            Backend::Off => {}
        }
    }

    /// The same series as a handle of the `metrics` facade, which counts in whole exported units.
    pub fn handle(&self, labels: L) -> metrics::Counter {
        match &self.backend {
            Backend::Native(family) => {
                metrics::Counter::from_arc(Arc::new(Native { family: family.clone(), labels }))
            }
            Backend::Facade(family) => match &*family.handle(labels) {
                Handle::Counter(counter, _) => counter.clone(),
                Handle::Gauge(_) | Handle::Histogram(_) => metrics::Counter::noop(),
            },
            Backend::Off => metrics::Counter::noop(),
        }
    }
}

impl<L: LabelSet> Gauge<L, Count> {
    /// Adds one.
    #[inline]
    pub fn inc(&self, labels: L) {
        self.shift(labels, 1);
    }

    /// Takes one away.
    #[inline]
    pub fn dec(&self, labels: L) {
        self.shift(labels, -1);
    }

    /// Adds a number, which may be negative.
    #[inline]
    pub fn shift(&self, labels: L, by: i64) {
        match &self.backend {
            Backend::Native(family) => family.shift(labels, by),
            elsewhere => elsewhere.add(labels, by.cast_unsigned()),
        }
    }

    /// Adds one until the guard is dropped, however that comes about: return, panic, cancellation.
    pub fn track(&self, labels: L) -> InFlight<L> {
        self.inc(labels);
        InFlight { gauge: self.clone(), labels }
    }
}

impl<L: LabelSet, U: Measure> Gauge<L, U> {
    /// Sets the value.
    #[inline]
    pub fn set(&self, labels: L, value: U::Value) {
        match &self.backend {
            Backend::Native(family) => {
                family.set(labels, U::signed(value));
            }
            Backend::Facade(family) => family.set(labels, U::signed(value)),
            Backend::Off => {}
        }
    }

    /// The same series as a handle of the `metrics` facade.
    pub fn handle(&self, labels: L) -> metrics::Gauge {
        match &self.backend {
            Backend::Native(family) => {
                metrics::Gauge::from_arc(Arc::new(Native { family: family.clone(), labels }))
            }
            Backend::Facade(family) => match &*family.handle(labels) {
                Handle::Gauge(gauge) => gauge.clone(),
                Handle::Counter(..) | Handle::Histogram(_) => metrics::Gauge::noop(),
            },
            Backend::Off => metrics::Gauge::noop(),
        }
    }
}

impl<L: LabelSet, U: Measure> Histogram<L, U> {
    /// Adds an observation.
    #[inline]
    pub fn observe(&self, labels: L, value: U::Value) {
        match &self.backend {
            Backend::Native(family) => family.observe(labels, U::raw(value)),
            elsewhere => elsewhere.observe(labels, U::raw(value)),
        }
    }

    /// The same series as a handle of the `metrics` facade, which takes floats in the exported unit.
    pub fn handle(&self, labels: L) -> metrics::Histogram {
        match &self.backend {
            Backend::Native(family) => {
                metrics::Histogram::from_arc(Arc::new(Native { family: family.clone(), labels }))
            }
            Backend::Facade(family) => match &*family.handle(labels) {
                Handle::Histogram(histogram) => histogram.clone(),
                Handle::Counter(..) | Handle::Gauge(_) => metrics::Histogram::noop(),
            },
            Backend::Off => metrics::Histogram::noop(),
        }
    }
}

impl<L: LabelSet> Histogram<L, Seconds> {
    /// Starts a timer that observes when it is dropped, however that comes about; the labels can be
    /// changed until then.
    pub fn start(&self, labels: L) -> Timer<L> {
        Timer { histogram: self.clone(), labels, since: Instant::now(), armed: true }
    }
}

/// One more in a gauge while it lives.
#[must_use = "the gauge falls again when this is dropped"]
#[derive(Debug)]
pub struct InFlight<L: LabelSet = ()> {
    gauge: Gauge<L>,
    labels: L,
}

impl<L: LabelSet> Drop for InFlight<L> {
    fn drop(&mut self) {
        self.gauge.dec(self.labels);
    }
}

/// A running measurement of time.
#[must_use = "the time is observed when this is dropped"]
#[derive(Debug)]
pub struct Timer<L: LabelSet = ()> {
    histogram: Histogram<L, Seconds>,
    labels: L,
    since: Instant,
    armed: bool,
}

impl<L: LabelSet> Timer<L> {
    /// What the measurement will be observed under: set it when the outcome is known, and let the
    /// labels at the start stand for "cancelled".
    pub fn relabel(&mut self, labels: L) {
        self.labels = labels;
    }

    /// Observes now, under these labels, and tells the time.
    pub fn stop(mut self, labels: L) -> Duration {
        self.labels = labels;
        let elapsed = self.since.elapsed();
        self.histogram.observe(labels, elapsed);
        self.armed = false;
        elapsed
    }

    /// Ends without an observation.
    pub fn discard(mut self) {
        self.armed = false;
    }
}

impl<L: LabelSet> Drop for Timer<L> {
    fn drop(&mut self) {
        if self.armed {
            self.histogram.observe(self.labels, self.since.elapsed());
        }
    }
}
