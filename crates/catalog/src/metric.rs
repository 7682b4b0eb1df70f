use std::collections::BTreeMap;

/// The kind of a metric, as Prometheus' `# TYPE` line names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Kind {
    /// A total that only grows: ask for its `rate()` or `increase()`.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// Observations counted in buckets, with their sum.
    Histogram,
}

impl Kind {
    /// The word of the `# TYPE` line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The unit of a metric's values. Prometheus' practice is base units: seconds, bytes, ratios.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Unit {
    /// A number of things; no suffix.
    #[default]
    None,
    /// Seconds; suffix `_seconds`.
    Seconds,
    /// Bytes; suffix `_bytes`.
    Bytes,
    /// A fraction of 1; suffix `_ratio`.
    Ratio,
    /// Seconds since 1970; suffix `_timestamp_seconds` or `_time_seconds`.
    Timestamp,
}

impl Unit {
    /// The suffix that a metric name of this unit ends in (before `_total`).
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Seconds => "_seconds",
            Self::Bytes => "_bytes",
            Self::Ratio => "_ratio",
            Self::Timestamp => "_time_seconds",
        }
    }

    /// The word of OpenMetrics' `# UNIT` line, empty where there is none.
    #[must_use]
    pub const fn openmetrics(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Seconds | Self::Timestamp => "seconds",
            Self::Bytes => "bytes",
            Self::Ratio => "ratio",
        }
    }
}

/// The values that a label can take.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Values {
    /// These and no others.
    Closed(Vec<String>),
    /// Any text, at most `limit` different ones at a time; what is over the limit is `other`.
    Open {
        /// How many different values are kept.
        limit: u32,
    },
}

/// One label of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Label {
    /// The label's name.
    pub name: String,
    /// What it can be.
    pub values: Values,
}

impl Label {
    /// A label with a fixed set of values.
    #[must_use]
    pub fn closed<'a>(name: &str, values: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            name: name.to_owned(),
            values: Values::Closed(values.into_iter().map(str::to_owned).collect()),
        }
    }

    /// A label with at most `limit` different values, and `other` beside them.
    #[must_use]
    pub fn open(name: &str, limit: u32) -> Self {
        Self { name: name.to_owned(), values: Values::Open { limit } }
    }

    /// The most values that the label can have at a time, `other` included.
    #[must_use]
    pub fn max_values(&self) -> u64 {
        match &self.values {
            Values::Closed(texts) => texts.len() as u64,
            Values::Open { limit } => u64::from(*limit) + 1,
        }
    }
}

/// One declared metric.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Metric {
    /// The full name, without the service's prefix.
    pub name: String,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// The unit of its values.
    #[cfg_attr(feature = "serde", serde(default))]
    pub unit: Unit,
    /// One sentence on what it counts: the text of `# HELP`.
    #[cfg_attr(feature = "serde", serde(default))]
    pub help: String,
    /// Its labels, in the order of the exposition.
    #[cfg_attr(feature = "serde", serde(default))]
    pub labels: Vec<Label>,
    /// Upper bounds of a histogram's buckets in the metric's unit, without `+Inf`.
    #[cfg_attr(feature = "serde", serde(default))]
    pub buckets: Vec<f64>,
    /// The most combinations of label values that are kept, where that is fewer than the product
    /// of the labels' values.
    #[cfg_attr(feature = "serde", serde(default))]
    pub limit: Option<u64>,
    /// The domain that declares it, such as `http`.
    #[cfg_attr(feature = "serde", serde(default))]
    pub domain: String,
    /// Whether the service's prefix is put before the name (`process_*` keep their standard names).
    #[cfg_attr(feature = "serde", serde(default = "yes"))]
    pub prefixed: bool,
}

#[cfg(feature = "serde")]
fn yes() -> bool {
    true
}

impl Metric {
    /// A metric without labels, help and buckets; the other methods add them.
    #[must_use]
    pub fn new(name: &str, kind: Kind, unit: Unit) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            unit,
            help: String::new(),
            labels: Vec::new(),
            buckets: Vec::new(),
            limit: None,
            domain: String::new(),
            prefixed: true,
        }
    }

    /// Sets the help text.
    #[must_use]
    pub fn help(mut self, help: &str) -> Self {
        self.help = help.to_owned();
        self
    }

    /// Sets the labels.
    #[must_use]
    pub fn labels(mut self, labels: impl IntoIterator<Item = Label>) -> Self {
        self.labels = labels.into_iter().collect();
        self
    }

    /// Sets a histogram's bucket bounds.
    #[must_use]
    pub fn buckets(mut self, buckets: &[f64]) -> Self {
        self.buckets = buckets.to_vec();
        self
    }

    /// Bounds the combinations of label values.
    #[must_use]
    pub fn limit(mut self, limit: Option<u64>) -> Self {
        self.limit = limit;
        self
    }

    /// Sets the domain.
    #[must_use]
    pub fn domain(mut self, domain: &str) -> Self {
        self.domain = domain.to_owned();
        self
    }

    /// Keeps the service's prefix away from the name.
    #[must_use]
    pub fn unprefixed(mut self) -> Self {
        self.prefixed = false;
        self
    }

    /// The label called `name`.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&Label> {
        self.labels.iter().find(|l| l.name == name)
    }

    /// The most label combinations that can exist at a time.
    #[must_use]
    pub fn max_combinations(&self) -> u64 {
        let product = self.labels.iter().map(Label::max_values).fold(1, u64::saturating_mul);
        self.limit.map_or(product, |limit| limit.min(product))
    }

    /// The most series that a scrape can hold of this metric: a histogram has one for each bucket,
    /// for `+Inf`, for the sum and for the count.
    #[must_use]
    pub fn max_series(&self) -> u64 {
        let each = match self.kind {
            Kind::Counter | Kind::Gauge => 1,
            Kind::Histogram => self.buckets.len() as u64 + 3,
        };
        self.max_combinations().saturating_mul(each)
    }

    /// The names of its series in a scrape.
    pub fn series_names(&self) -> impl Iterator<Item = (String, Part)> {
        let parts: &[(&str, Part)] = match self.kind {
            Kind::Counter | Kind::Gauge => &[("", Part::Value)],
            Kind::Histogram => &[("_bucket", Part::Bucket), ("_sum", Part::Sum), ("_count", Part::Count)],
        };
        parts.iter().map(|(suffix, part)| (format!("{}{suffix}", self.name), *part))
    }
}

/// Which of a metric's series a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A counter's or gauge's only one.
    Value,
    /// `_bucket`, with the label `le`.
    Bucket,
    /// `_sum`.
    Sum,
    /// `_count`.
    Count,
    /// The base name of a histogram: no series has it.
    Base,
}

/// All metrics of a service, by name.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(from = "Vec<Metric>", into = "Vec<Metric>"))]
pub struct Catalog {
    metrics: BTreeMap<String, Metric>,
}

impl Catalog {
    /// Adds a metric; gives back the one that had its name.
    pub fn insert(&mut self, metric: Metric) -> Option<Metric> {
        self.metrics.insert(metric.name.clone(), metric)
    }

    /// The metric declared as `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Metric> {
        self.metrics.get(name)
    }

    /// The metric that a series name belongs to: `x_bucket` to the histogram `x`.
    #[must_use]
    pub fn resolve(&self, series: &str) -> Option<(&Metric, Part)> {
        if let Some(metric) = self.metrics.get(series) {
            let part = if metric.kind == Kind::Histogram { Part::Base } else { Part::Value };
            return Some((metric, part));
        }
        [("_bucket", Part::Bucket), ("_sum", Part::Sum), ("_count", Part::Count)].into_iter().find_map(
            |(suffix, part)| {
                let metric = self.metrics.get(series.strip_suffix(suffix)?)?;
                (metric.kind == Kind::Histogram).then_some((metric, part))
            },
        )
    }

    /// The metrics in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Metric> {
        self.metrics.values()
    }

    /// How many metrics there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.metrics.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.metrics.is_empty()
    }

    /// The same metrics with `prefix` before the names that take one.
    #[must_use]
    pub fn with_prefix(&self, prefix: &str) -> Self {
        self.iter()
            .map(|metric| {
                let mut metric = metric.clone();
                if metric.prefixed {
                    metric.name.insert_str(0, prefix);
                }
                metric
            })
            .collect()
    }

    /// The most series that one scrape of the service can hold.
    #[must_use]
    pub fn max_series(&self) -> u64 {
        self.iter().map(Metric::max_series).fold(0, u64::saturating_add)
    }
}

impl FromIterator<Metric> for Catalog {
    fn from_iter<I: IntoIterator<Item = Metric>>(metrics: I) -> Self {
        let mut catalog = Self::default();
        for metric in metrics {
            catalog.insert(metric);
        }
        catalog
    }
}

impl Extend<Metric> for Catalog {
    fn extend<I: IntoIterator<Item = Metric>>(&mut self, metrics: I) {
        for metric in metrics {
            self.insert(metric);
        }
    }
}

impl From<Vec<Metric>> for Catalog {
    fn from(metrics: Vec<Metric>) -> Self {
        metrics.into_iter().collect()
    }
}

impl From<Catalog> for Vec<Metric> {
    fn from(catalog: Catalog) -> Self {
        catalog.metrics.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds() -> Metric {
        Metric::new("x_seconds", Kind::Histogram, Unit::Seconds)
            .labels([Label::closed("a", ["1", "2"]), Label::open("b", 9)])
            .buckets(&[0.1, 1.0])
    }

    #[test]
    fn series_are_counted_with_buckets_and_the_other_value() {
        assert_eq!(seconds().max_combinations(), 20);
        assert_eq!(seconds().max_series(), 100);
        assert_eq!(seconds().limit(Some(5)).max_series(), 25);
    }

    #[test]
    fn series_names_resolve_to_their_histogram_only() {
        let catalog = Catalog::from_iter([seconds(), Metric::new("check_sum", Kind::Gauge, Unit::None)]);
        assert_eq!(catalog.resolve("x_seconds_bucket").unwrap().1, Part::Bucket);
        assert_eq!(catalog.resolve("x_seconds").unwrap().1, Part::Base);
        assert_eq!(catalog.resolve("check_sum").unwrap().1, Part::Value);
        assert!(catalog.resolve("check_sum_count").is_none());
    }

    #[test]
    fn the_prefix_leaves_standard_names_alone() {
        let catalog = Catalog::from_iter([
            seconds(),
            Metric::new("process_threads", Kind::Gauge, Unit::None).unprefixed(),
        ]);
        let names: Vec<_> = catalog.with_prefix("app_").iter().map(|m| m.name.clone()).collect();
        assert_eq!(names, ["app_x_seconds", "process_threads"]);
    }
}
