//! The recorder in place, and what answers a scrape.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
#[cfg(feature = "listener")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use bellwether_catalog::Catalog;
use governor::DefaultDirectRateLimiter;
use governor::Quota;

use crate::config::{Config, ConfigError};
use crate::intern::OpenLabel;
#[cfg(feature = "listener")]
use crate::listener::Listener;
use crate::registrar::{Domains, MetricSet, Registrar, Registry};
use crate::render::{self, Format};
use crate::self_metrics::{LabelName, MetricName, OverflowLabels, SelfMetrics};
use crate::uncatalogued::Uncatalogued;

/// A service's metrics: renders them, and answers scrapes. Clones are handles to the same.
#[derive(Clone)]
pub struct Telemetry {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) config: Config,
    registrar: Registrar,
    registry: Arc<Registry>,
    uncatalogued: Arc<Uncatalogued>,
    pub(crate) own: SelfMetrics,
    global: String,
    size: AtomicUsize,
    pub(crate) limiter: Option<DefaultDirectRateLimiter>,
    #[cfg(feature = "listener")]
    listener: OnceLock<Listener>,
}

/// Puts our recorder in place as the global recorder of the `metrics` facade and registers the
/// domains `D` on it.
///
/// With `ENABLED=false` nothing is put in place: the instruments do nothing and a scrape is a 404.
/// With `LISTEN` an own listener answers scrapes from a thread of its own, as long as a clone of
/// the [`Telemetry`] lives.
///
/// ```
/// use bellwether_core::{Config, Counter, MetricSet};
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
/// let (telemetry, (tea,)) = bellwether_core::install::<(Tea,)>(Config::from_env("TEAPOT")?)?;
/// tea.cups.inc(());
/// assert!(telemetry.render().contains("\ntea_cups_total 1\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// See [`InstallError`]; the service can go on without metrics if it wants to.
pub fn install<D: Domains>(config: Config) -> Result<(Telemetry, D), InstallError> {
    let (telemetry, domains) = build(config)?;
    if telemetry.inner.config.enabled {
        metrics::set_global_recorder(telemetry.inner.uncatalogued.clone())
            .map_err(|_| InstallError::RecorderInPlace)?;
    }
    Ok((telemetry, domains))
}

fn build<D: Domains>(config: Config) -> Result<(Telemetry, D), InstallError> {
    let registry = Arc::new(Registry::new(&config.prefix, config.series_limit));
    let registrar = if config.enabled { Registrar::native(registry.clone()) } else { Registrar::off() };
    let domains = D::register(&registrar);
    let own = SelfMetrics::register(&registrar);
    if let Some(name) = registry.taken_twice() {
        return Err(InstallError::NameTaken { name });
    }
    for family in registry.families() {
        let clash = family
            .metric
            .labels
            .iter()
            .find(|label| config.global_labels.iter().any(|(name, _)| *name == label.name));
        if let Some(label) = clash {
            return Err(InstallError::GlobalLabel {
                label: label.name.clone(),
                metric: family.metric.name.clone(),
            });
        }
        if family.overflow().next().is_some() {
            for (label, _) in family.overflow() {
                own.overflow.preregister(overflow_labels(&family.metric.name, label));
            }
        }
    }
    own.series_limit.set((), config.series_limit);
    let limiter = config.rate_limit.map(|(per_second, burst)| {
        DefaultDirectRateLimiter::direct(Quota::per_second(per_second).allow_burst(burst))
    });
    let uncatalogued = Arc::new(Uncatalogued::new(registry.clone(), &config.global_labels));
    let inner = Arc::new(Inner {
        global: render::global_labels(&config.global_labels),
        config,
        registrar,
        registry,
        uncatalogued,
        own,
        size: AtomicUsize::new(4096),
        limiter,
        #[cfg(feature = "listener")]
        listener: OnceLock::new(),
    });
    #[cfg(feature = "listener")]
    listen(&inner)?;
    Ok((Telemetry { inner }, domains))
}

#[cfg(feature = "listener")]
fn listen(inner: &Arc<Inner>) -> Result<(), InstallError> {
    let Some(address) = inner.config.listen else { return Ok(()) };
    let listener = Listener::serve(address, Arc::downgrade(inner))
        .map_err(|source| InstallError::Listen { address, source })?;
    // Just made: nothing is in it.
    let _ = inner.listener.set(listener);
    Ok(())
}

fn overflow_labels(metric: &str, label: &str) -> OverflowLabels {
    OverflowLabels { metric: MetricName::new(metric), label: LabelName::new(label) }
}

impl Telemetry {
    /// The same as [`install`] without touching the global recorder: for tests, and for a second
    /// set of metrics in one process.
    ///
    /// # Errors
    /// As [`install`].
    pub fn isolated<D: Domains>(config: Config) -> Result<(Self, D), InstallError> {
        build(config)
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// The registrar, for sets that are registered later than the service's domains.
    #[must_use]
    pub fn registrar(&self) -> &Registrar {
        &self.inner.registrar
    }

    /// A recorder for what goes through the facade's macros: with [`isolated`](Self::isolated), give
    /// it to `metrics::with_local_recorder`.
    #[must_use]
    pub fn recorder(&self) -> impl metrics::Recorder + Send + Sync + 'static {
        self.inner.uncatalogued.clone()
    }

    /// Everything that is declared, as it is exposed: with the prefix.
    #[must_use]
    pub fn catalog(&self) -> Catalog {
        self.inner.registry.families().iter().map(|family| family.metric.clone()).collect()
    }

    /// The scrape in Prometheus' text format.
    #[must_use]
    pub fn render(&self) -> String {
        let bytes = self.render_as(Format::Text);
        String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    /// The scrape in one of the formats: collectors run, then every declared metric in the order of
    /// the names, then what else came through the facade.
    ///
    /// Cost: that of [`render_into`](Self::render_into), and the system's for fresh memory, which
    /// for a large scrape is as much again.
    #[must_use]
    pub fn render_as(&self, format: Format) -> Vec<u8> {
        // An eighth more than last time: one reservation, hardly ever a second.
        let last = self.inner.size.load(Ordering::Relaxed);
        let mut out = Vec::with_capacity(last + last / 8);
        self.render_into(format, &mut out);
        out
    }

    /// The same at the end of a buffer, which can be used again for the next scrape.
    ///
    /// Cost: 10 to 20 ns a series; `docs/performance.md` has the figures. Recordings and new series
    /// go on meanwhile.
    pub fn render_into(&self, format: Format, out: &mut Vec<u8>) {
        let inner = &*self.inner;
        if !inner.config.enabled {
            return;
        }
        let before = out.len();
        let start = std::time::Instant::now();
        inner.registrar.collect();
        let families = inner.registry.families();
        for family in &families {
            for (label, count) in family.overflow() {
                inner.own.overflow.raise_to(overflow_labels(&family.metric.name, label), count);
            }
        }
        inner.own.conflicts.raise_to((), inner.uncatalogued.conflicts());
        inner.own.series.set((), inner.registry.budget.used());
        for family in &families {
            render::family(out, family, &inner.global, format);
        }
        inner.uncatalogued.render(out, format);
        if format == Format::OpenMetrics {
            out.extend_from_slice(b"# EOF\n");
        }
        let size = out.len() - before;
        inner.size.store(size, Ordering::Relaxed);
        inner.own.size.set((), size as u64);
        inner.own.duration.observe((), start.elapsed());
    }

    /// Where the own listener listens, if there is one.
    #[must_use]
    #[cfg(feature = "listener")]
    pub fn listening_on(&self) -> Option<SocketAddr> {
        self.inner.listener.get().map(Listener::address)
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

/// Why metrics could not be put in place.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// A setting cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Two metrics want the same series.
    #[error("two metrics have series called {name}: rename one of them")]
    NameTaken {
        /// The name that both have.
        name: String,
    },
    /// A global label is also a metric's own.
    #[error("GLOBAL_LABELS has {label}, which is a label of {metric} itself: name it differently")]
    GlobalLabel {
        /// The label.
        label: String,
        /// A metric that has it.
        metric: String,
    },
    /// The process has a recorder of the `metrics` facade already.
    #[error("a recorder of the metrics facade is in place already: install once, at the start of main")]
    RecorderInPlace,
    /// The address of `LISTEN` cannot be had.
    #[error("LISTEN = {address} cannot be listened on: {source}; choose a free address and port")]
    Listen {
        /// The address as set.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

impl fmt::Debug for InstallError {
    /// As [`Display`](fmt::Display): it is what `main` prints of an error that it returns.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
