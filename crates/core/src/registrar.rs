//! Where instruments register: our registry, a foreign recorder, or nowhere.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};

use bellwether_catalog::{Catalog, Metric};
use papaya::HashSet;
use parking_lot::{Mutex, RwLock};

use crate::budget::Budget;
use crate::facade::Foreign;
use crate::family::Family;
use crate::label::LabelSet;

/// The families of one service.
pub(crate) struct Registry {
    prefix: String,
    families: RwLock<BTreeMap<String, Arc<Family>>>,
    /// Every name that a series of ours can have in either format.
    owned: HashSet<String>,
    taken_twice: Mutex<Vec<String>>,
    pub(crate) budget: Arc<Budget>,
}

impl Registry {
    pub(crate) fn new(prefix: &str, series_limit: u64) -> Self {
        Self {
            prefix: prefix.to_owned(),
            families: RwLock::default(),
            owned: HashSet::new(),
            taken_twice: Mutex::default(),
            budget: Arc::new(Budget::new(series_limit)),
        }
    }

    pub(crate) fn add<L: LabelSet>(&self, mut metric: Metric, scale: u64) -> Option<Arc<Family>> {
        if metric.prefixed {
            metric.name.insert_str(0, &self.prefix);
        }
        let mut families = self.families.write();
        let owned = self.owned.pin();
        let names: Vec<String> = names_of(&metric).collect();
        if let Some(taken) = names.iter().find(|name| owned.contains(*name)) {
            self.taken_twice.lock().push(taken.clone());
            return None;
        }
        for name in names {
            owned.insert(name);
        }
        let family = Family::new::<L>(metric, scale, self.budget.clone());
        families.insert(family.metric.name.clone(), family.clone());
        Some(family)
    }

    pub(crate) fn owns(&self, name: &str) -> bool {
        self.owned.pin().contains(name)
    }

    /// The families in the order of their names.
    pub(crate) fn families(&self) -> Vec<Arc<Family>> {
        self.families.read().values().cloned().collect()
    }

    pub(crate) fn taken_twice(&self) -> Option<String> {
        self.taken_twice.lock().first().cloned()
    }
}

/// The names that a metric takes: its own, those of its series, and OpenMetrics' family name.
fn names_of(metric: &Metric) -> impl Iterator<Item = String> {
    let family = metric.name.strip_suffix("_total").map(str::to_owned);
    let series = metric.series_names().map(|(name, _)| name).filter(|name| *name != metric.name);
    // Its own first: that is the one which an error names.
    [metric.name.clone()].into_iter().chain(series).chain(family)
}

#[derive(Clone)]
pub(crate) enum Sink {
    Native(Arc<Registry>),
    Facade(Foreign),
    Off,
}

/// Takes the instruments of a [`MetricSet`]. [`install`](crate::install) makes one for our recorder;
/// [`Registrar::on`] makes one for any other.
#[derive(Clone)]
pub struct Registrar {
    sink: Sink,
    collectors: Arc<CollectorList>,
}

impl Registrar {
    pub(crate) fn native(registry: Arc<Registry>) -> Self {
        Self { sink: Sink::Native(registry), collectors: Arc::default() }
    }

    /// A registrar over a recorder of somebody else: another exporter, or a test's
    /// `DebuggingRecorder`. Instruments keep one facade handle per label combination. Keep the
    /// registrar: [`collect`](Self::collect) reads the gauges that are read at a scrape.
    ///
    /// ```
    /// use bellwether_core::{Counter, MetricSet, Registrar};
    /// use metrics_util::debugging::DebuggingRecorder;
    ///
    /// /// Tea.
    /// #[derive(Clone, MetricSet)]
    /// #[metrics(domain = "tea")]
    /// struct Tea {
    ///     /// Cups poured.
    ///     #[metric("tea_cups_total")]
    ///     cups: Counter,
    /// }
    ///
    /// let recorder = DebuggingRecorder::new();
    /// let snapshotter = recorder.snapshotter();
    /// let registrar = Registrar::on(recorder);
    /// Tea::register(&registrar).cups.inc(());
    /// assert_eq!(snapshotter.snapshot().into_vec().len(), 1);
    /// ```
    pub fn on(recorder: impl metrics::Recorder + Send + Sync + 'static) -> Self {
        Self { sink: Sink::Facade(Arc::new(recorder)), collectors: Arc::default() }
    }

    /// A registrar whose instruments do nothing.
    #[must_use]
    pub fn off() -> Self {
        Self { sink: Sink::Off, collectors: Arc::default() }
    }

    pub(crate) fn sink(&self) -> &Sink {
        &self.sink
    }

    /// The place for functions that run at each scrape.
    #[must_use]
    pub fn collectors(&self) -> Collectors {
        Collectors(Arc::downgrade(&self.collectors))
    }

    /// Runs the collectors. Our scrape does it by itself; on a foreign recorder the application
    /// calls this before its exporter renders, or at an interval.
    pub fn collect(&self) {
        self.collectors.run();
    }
}

impl fmt::Debug for Registrar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sink = match &self.sink {
            Sink::Native(_) => "native",
            Sink::Facade(_) => "facade",
            Sink::Off => "off",
        };
        f.debug_struct("Registrar").field("sink", &sink).finish_non_exhaustive()
    }
}

type Collect = Arc<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct CollectorList {
    functions: Mutex<(u64, BTreeMap<u64, Collect>)>,
}

impl CollectorList {
    fn run(&self) {
        let functions: Vec<Collect> = self.functions.lock().1.values().cloned().collect();
        for function in functions {
            // A collector that panics costs its own values, not the scrape.
            if catch_unwind(AssertUnwindSafe(|| function())).is_err() {
                tracing::error!("a metrics collector panicked; the scrape goes on without it");
            }
        }
    }
}

/// Functions that run at each scrape, to read what is cheap to read: a pool's size, a queue's
/// length in memory. What needs I/O belongs in a task of its own.
///
/// A field of this type in a [`MetricSet`] needs no `#[metric]`: the derive fills it in.
#[derive(Clone, Default)]
pub struct Collectors(Weak<CollectorList>);

impl Collectors {
    /// Runs `collect` at each scrape until the returned guard is dropped.
    pub fn add(&self, collect: impl Fn() + Send + Sync + 'static) -> Collector {
        let Some(list) = self.0.upgrade() else { return Collector { list: Weak::new(), id: 0 } };
        let mut functions = list.functions.lock();
        functions.0 += 1;
        let id = functions.0;
        functions.1.insert(id, Arc::new(collect));
        Collector { list: self.0.clone(), id }
    }
}

impl fmt::Debug for Collectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.upgrade().map(|list| list.functions.lock().1.len());
        f.debug_tuple("Collectors").field(&count).finish()
    }
}

/// A collector at work.
#[must_use = "the collector ends when this is dropped"]
pub struct Collector {
    list: Weak<CollectorList>,
    id: u64,
}

impl Collector {
    /// Lets the collector run as long as the service.
    pub fn forever(mut self) {
        self.list = Weak::new();
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Collector").field(&self.id).finish()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // The function is dropped outside the lock: it may own other collectors.
        let ended = self.list.upgrade().and_then(|list| list.functions.lock().1.remove(&self.id));
        drop(ended);
    }
}

/// A domain's instruments. `#[derive(MetricSet)]` on a struct of instruments writes this.
pub trait MetricSet: Clone + Send + Sync + 'static {
    /// The domain's name.
    const DOMAIN: &'static str;
    /// The most series that the set can have in a scrape.
    const MAX_SERIES: u64;

    /// The metrics as the catalog describes them, without the service's prefix.
    #[must_use]
    fn describe() -> Vec<Metric>;
    /// Registers all instruments.
    #[must_use]
    fn register(registrar: &Registrar) -> Self;
}

/// The domains of a service: a tuple of [`MetricSet`]s.
///
/// ```
/// use bellwether_core::{Counter, Domains, MetricSet};
///
/// /// Tea.
/// #[derive(Clone, MetricSet)]
/// #[metrics(domain = "tea")]
/// struct Tea {
///     /// Cups poured.
///     #[metric("tea_cups_total")]
///     cups: Counter,
/// }
///
/// type Observed = (Tea,);
/// const _: () = assert!(<Observed as Domains>::MAX_SERIES <= 10, "over the series budget");
/// assert_eq!(<Observed as Domains>::catalog().len(), 1);
/// ```
pub trait Domains: Sized {
    /// The most series that the service's own metrics can have in a scrape.
    const MAX_SERIES: u64;

    /// All metrics, without the service's prefix.
    #[must_use]
    fn catalog() -> Catalog;
    /// Registers all sets.
    #[must_use]
    fn register(registrar: &Registrar) -> Self;
}

macro_rules! domains {
    ($($set:ident)*) => {
        impl<$($set: MetricSet),*> Domains for ($($set,)*) {
            const MAX_SERIES: u64 = 0 $(+ $set::MAX_SERIES)*;

            fn catalog() -> Catalog {
                #[allow(unused_mut, reason = "the empty tuple adds nothing")]
                let mut catalog = Catalog::default();
                $(catalog.extend($set::describe());)*
                catalog
            }

            #[allow(unused_variables, clippy::unused_unit, reason = "the empty tuple uses nothing")]
            fn register(registrar: &Registrar) -> Self {
                ($($set::register(registrar),)*)
            }
        }
    };
}

domains!();
domains!(A);
domains!(A B);
domains!(A B C);
domains!(A B C D);
domains!(A B C D E);
domains!(A B C D E F);
domains!(A B C D E F G);
domains!(A B C D E F G H);
domains!(A B C D E F G H I);
domains!(A B C D E F G H I J);
domains!(A B C D E F G H I J K);
domains!(A B C D E F G H I J K M);
