//! Metrics that nobody declared, recorded by some library through the facade's macros.
//!
//! They go to `metrics-exporter-prometheus`, which keeps any name and any label. What it gets wrong
//! is mended here, on the way in (conflicting names, backslashes in label values) and on the way
//! out (order, broken histogram names, OpenMetrics).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bellwether_catalog::Kind;
use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Label, Metadata, Recorder, SharedString, Unit,
};
use metrics_exporter_prometheus::formatting::sanitize_metric_name;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use papaya::HashMap;
use parking_lot::RwLock;

use crate::registrar::Registry;
use crate::render::Format;

/// Buckets of histograms that nobody declared, most of them in seconds.
const BUCKETS: [f64; 12] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The exporter keeps each histogram sample until it is drained; so many are kept at most.
const DRAIN_EVERY: usize = 1 << 15;

pub(crate) struct Uncatalogued {
    registry: Arc<Registry>,
    exporter: PrometheusRecorder,
    samples: Arc<Samples>,
    /// The kind and the original name behind each exposed name: the first one keeps it.
    names: HashMap<String, (Kind, Box<str>)>,
    conflicts: AtomicU64,
}

/// The drain of the exporter's histogram samples. It loses samples that are recorded while it runs,
/// so records share a lock that the drain takes alone.
struct Samples {
    handle: PrometheusHandle,
    draining: RwLock<()>,
    pending: AtomicUsize,
}

impl Samples {
    fn drain(&self) {
        let _alone = self.draining.write();
        self.pending.store(0, Ordering::Relaxed);
        self.handle.run_upkeep();
    }
}

struct Drained {
    histogram: Histogram,
    samples: Arc<Samples>,
}

impl HistogramFn for Drained {
    fn record(&self, value: f64) {
        {
            let _shared = self.samples.draining.read();
            self.histogram.record(value);
        }
        if self.samples.pending.fetch_add(1, Ordering::Relaxed) == DRAIN_EVERY {
            self.samples.drain();
        }
    }
}

impl Uncatalogued {
    pub(crate) fn new(registry: Arc<Registry>, global_labels: &[(String, String)]) -> Self {
        let mut builder = PrometheusBuilder::new();
        for (name, value) in global_labels {
            builder = builder.add_global_label(name, value.replace('\\', "\\\\"));
        }
        // An empty list is refused, and only that; without buckets the exporter writes summaries.
        let builder = builder.set_buckets(&BUCKETS).unwrap_or_else(|_| PrometheusBuilder::new());
        let exporter = builder.build_recorder();
        let samples = Arc::new(Samples {
            handle: exporter.handle(),
            draining: RwLock::default(),
            pending: AtomicUsize::new(0),
        });
        Self { registry, exporter, samples, names: HashMap::new(), conflicts: AtomicU64::new(0) }
    }

    pub(crate) fn conflicts(&self) -> u64 {
        self.conflicts.load(Ordering::Relaxed)
    }

    /// The key to record under; none if its name belongs to another metric.
    fn admit(&self, key: &Key, kind: Kind) -> Option<Key> {
        let name = sanitize_metric_name(key.name());
        let admitted = !self.registry.owns(&name) && {
            let names = self.names.pin();
            let (owner_kind, owner) = names.get_or_insert_with(name, || (kind, key.name().into()));
            *owner_kind == kind && **owner == *key.name()
        };
        if !admitted {
            self.conflicts.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        if key.labels().all(|label| !label.value().contains('\\')) {
            return Some(key.clone());
        }
        // The exporter halves runs of backslashes.
        let double = |label: &Label| Label::new(label.key().to_owned(), label.value().replace('\\', "\\\\"));
        Some(Key::from_parts(key.name().to_owned(), key.labels().map(double).collect::<Vec<_>>()))
    }

    /// Appends what was recorded, in the order of names.
    pub(crate) fn render(&self, out: &mut Vec<u8>, format: Format) {
        let text = {
            let _alone = self.samples.draining.write();
            self.samples.pending.store(0, Ordering::Relaxed);
            self.samples.handle.render()
        };
        for (name, family) in families(&text) {
            family.write(out, name, format);
        }
    }
}

impl Recorder for Uncatalogued {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.exporter.describe_counter(key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.exporter.describe_gauge(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.exporter.describe_histogram(key, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        let key = self.admit(key, Kind::Counter);
        key.map_or_else(Counter::noop, |key| self.exporter.register_counter(&key, metadata))
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        let key = self.admit(key, Kind::Gauge);
        key.map_or_else(Gauge::noop, |key| self.exporter.register_gauge(&key, metadata))
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        let Some(key) = self.admit(key, Kind::Histogram) else { return Histogram::noop() };
        let histogram = self.exporter.register_histogram(&key, metadata);
        Histogram::from_arc(Arc::new(Drained { histogram, samples: self.samples.clone() }))
    }
}

/// One metric in the exporter's text.
#[derive(Default)]
struct TextFamily<'a> {
    help: Option<&'a str>,
    kind: &'a str,
    /// Samples as (name, labels, value), series by series.
    samples: Vec<(&'a str, &'a str, &'a str)>,
}

fn families(text: &str) -> BTreeMap<&str, TextFamily<'_>> {
    let mut families: BTreeMap<&str, TextFamily<'_>> = BTreeMap::new();
    let mut current = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap_or((rest, ""));
            families.entry(name).or_default().help = Some(help);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            current = name;
            families.entry(name).or_default().kind = kind;
        } else if let Some(((name, labels), value)) =
            line.rsplit_once(' ').map(|(id, v)| (split_labels(id), v))
        {
            families.entry(current).or_default().samples.push((name, labels, value));
        }
    }
    families
}

/// `name{labels}` in its two parts.
fn split_labels(id: &str) -> (&str, &str) {
    match id.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').unwrap_or(labels)),
        None => (id, ""),
    }
}

impl TextFamily<'_> {
    fn write(&self, out: &mut Vec<u8>, name: &str, format: Format) {
        let open = format == Format::OpenMetrics;
        let mut line = |parts: &[&str]| parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
        // A counter without `_total` is no counter to OpenMetrics, nor is a summary's quantile one
        // of a histogram; what it cannot express it calls unknown.
        let (family, kind) = match (open, self.kind, name.strip_suffix("_total")) {
            (true, "counter", Some(stem)) => (stem, self.kind),
            (true, "counter", None) => (name, "unknown"),
            _ => (name, self.kind),
        };
        if let Some(help) = self.help {
            let help = if open { help.replace('"', "\\\"") } else { help.to_owned() };
            line(&["# HELP ", family, " ", &help, "\n"]);
        }
        line(&["# TYPE ", family, " ", kind, "\n"]);
        // The samples of one histogram series are neighbours and stay in their order.
        let mut series: BTreeMap<String, Vec<&(&str, &str, &str)>> = BTreeMap::new();
        for sample in &self.samples {
            series.entry(without_le(sample.1)).or_default().push(sample);
        }
        for (sample, labels, value) in series.into_values().flatten() {
            let suffix = if self.kind == "histogram" { missing_suffix(name, sample, labels) } else { "" };
            let (open_brace, close_brace) = if labels.is_empty() { ("", "") } else { ("{", "}") };
            line(&[sample, suffix, open_brace, &float_le(labels), close_brace, " ", value, "\n"]);
        }
    }
}

/// The exporter leaves a suffix out when the name happens to end in its letters (`check_sum`).
fn missing_suffix(family: &str, sample: &str, labels: &str) -> &'static str {
    if sample != family {
        ""
    } else if last_le(labels).is_some() {
        "_bucket"
    } else if family.ends_with("sum") {
        "_sum"
    } else {
        "_count"
    }
}

/// Where the label `le` begins; the exporter writes it last. Another label's value can end in
/// `,le=`, but a number in quotes never follows that.
fn last_le(labels: &str) -> Option<usize> {
    let at = labels.rfind("le=\"")?;
    let bound = labels[at + 4..].strip_suffix('"')?;
    ((at == 0 || labels.as_bytes()[at - 1] == b',') && bound.parse::<f64>().is_ok()).then_some(at)
}

fn without_le(labels: &str) -> String {
    last_le(labels).map_or(labels, |at| labels[..at].trim_end_matches(',')).to_owned()
}

/// Bucket bounds as floats, as in our own histograms.
fn float_le(labels: &str) -> String {
    let Some(at) = last_le(labels) else { return labels.to_owned() };
    let bound = labels[at + 4..].trim_end_matches('"');
    match bound.parse::<f64>() {
        Ok(value) if value.is_finite() => format!("{}le=\"{value:?}\"", &labels[..at]),
        _ => labels.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorder() -> Uncatalogued {
        Uncatalogued::new(Arc::new(Registry::new("", 100)), &[])
    }

    fn text(recorder: &Uncatalogued, format: Format) -> String {
        let mut out = Vec::new();
        recorder.render(&mut out, format);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_first_owner_keeps_a_name() {
        let recorder = recorder();
        metrics::with_local_recorder(&recorder, || {
            metrics::counter!("a.b").increment(1);
            metrics::counter!("a_b").increment(1);
            metrics::gauge!("a.b").set(7.0);
        });
        assert_eq!(recorder.conflicts(), 2);
        assert_eq!(text(&recorder, Format::Text), "# TYPE a_b counter\na_b 1\n");
        assert_eq!(text(&recorder, Format::OpenMetrics), "# TYPE a_b unknown\na_b 1\n");
    }

    #[test]
    fn histograms_keep_their_names_and_order() {
        for name in ["check_sum", "twitch_account", "batch_bucket", "plain"] {
            let recorder = recorder();
            metrics::with_local_recorder(&recorder, || metrics::histogram!(name, "z" => "1").record(0.5));
            let text = text(&recorder, Format::Text);
            assert!(text.contains(&format!("\n{name}_bucket{{z=\"1\",le=\"1.0\"}} 1\n")), "{text}");
            assert!(text.contains(&format!("\n{name}_bucket{{z=\"1\",le=\"+Inf\"}} 1\n")), "{text}");
            assert!(
                text.ends_with(&format!("\n{name}_sum{{z=\"1\"}} 0.5\n{name}_count{{z=\"1\"}} 1\n")),
                "{text}"
            );
        }
    }

    #[test]
    fn backslashes_survive() {
        let recorder = recorder();
        metrics::with_local_recorder(&recorder, || {
            metrics::counter!("x_total", "v" => "a\\\"b\\\\c\\nd\ne").increment(1);
        });
        let expected = format!("x_total{{v=\"{}\"}} 1\n", crate::intern::escape("a\\\"b\\\\c\\nd\ne"));
        assert!(text(&recorder, Format::Text).ends_with(&expected), "{}", text(&recorder, Format::Text));
    }
}
