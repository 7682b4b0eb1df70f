//! What a dashboard shows, before anything of Grafana.

use bellwether_catalog::{Kind as MetricKind, Metric};

/// How a panel draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One number.
    Stat,
    /// Lines over time.
    Timeseries,
    /// A histogram's buckets over time.
    Heatmap,
    /// A number between two ends.
    Gauge,
    /// A table of the present values.
    Table,
    /// Bars of states over time.
    StateTimeline,
}

/// A query of a panel.
#[derive(Clone, Debug)]
pub struct Query {
    pub(crate) expr: String,
    pub(crate) legend: String,
}

/// A panel: a title, a sentence on what to look for, and queries.
///
/// The expressions are plain PromQL over the names as declared. The writer adds the service's prefix
/// and the selector, and takes the unit from what the checker infers.
#[derive(Clone, Debug)]
pub struct Panel {
    pub(crate) kind: Kind,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) queries: Vec<Query>,
    pub(crate) unit: Option<&'static str>,
    pub(crate) thresholds: Vec<(f64, &'static str)>,
    pub(crate) alert: Option<(String, String)>,
    pub(crate) range: (Option<f64>, Option<f64>),
    pub(crate) overview: bool,
    pub(crate) stacked: bool,
}

impl Panel {
    fn new(kind: Kind, title: &str, description: &str) -> Self {
        Self {
            kind,
            title: title.to_owned(),
            description: description.to_owned(),
            queries: Vec::new(),
            unit: None,
            thresholds: Vec::new(),
            alert: None,
            range: (None, None),
            overview: false,
            stacked: false,
        }
    }

    /// Lines over time.
    #[must_use]
    pub fn timeseries(title: &str, description: &str) -> Self {
        Self::new(Kind::Timeseries, title, description)
    }

    /// One number, the latest.
    #[must_use]
    pub fn stat(title: &str, description: &str) -> Self {
        Self::new(Kind::Stat, title, description)
    }

    /// A number between a minimum and a maximum.
    #[must_use]
    pub fn gauge(title: &str, description: &str, min: f64, max: f64) -> Self {
        Self { range: (Some(min), Some(max)), ..Self::new(Kind::Gauge, title, description) }
    }

    /// Buckets over time: the query is `sum by (le) (increase(…_bucket[$__rate_interval]))`.
    #[must_use]
    pub fn heatmap(title: &str, description: &str) -> Self {
        Self::new(Kind::Heatmap, title, description)
    }

    /// The present values, a row a series.
    #[must_use]
    pub fn table(title: &str, description: &str) -> Self {
        Self::new(Kind::Table, title, description)
    }

    /// Which of several states held when.
    #[must_use]
    pub fn state_timeline(title: &str, description: &str) -> Self {
        Self::new(Kind::StateTimeline, title, description)
    }

    /// Adds a query with its legend, such as `{{route}}`.
    #[must_use]
    pub fn query(mut self, expr: &str, legend: &str) -> Self {
        self.queries.push(Query { expr: expr.to_owned(), legend: legend.to_owned() });
        self
    }

    /// Adds the share of bad events among all, by these labels; 0 where nothing bad has happened yet,
    /// because events that never happened have no series. Both are selectors of counters.
    #[must_use]
    pub fn share(self, bad: &str, total: &str, by: &str, legend: &str) -> Self {
        let by = if by.is_empty() { String::new() } else { format!(" by ({by}) ") };
        let rate = |of: &str| format!("sum{by}(rate({of}[$__rate_interval]))");
        self.query(&format!("({} or 0 * {}) / {}", rate(bad), rate(total), rate(total)), legend)
    }

    /// Adds quantiles of a histogram's series with these matchers (`{pool="main"}`, or nothing), with
    /// the legends `p50`, `p95`, …
    #[must_use]
    pub fn quantiles(self, histogram: &str, matchers: &str, quantiles: &[f64]) -> Self {
        quantiles.iter().fold(self, |panel, quantile| {
            let rate = format!("rate({histogram}_bucket{matchers}[$__rate_interval])");
            let legend = format!("p{}", (quantile * 100.0).round());
            panel.query(&format!("histogram_quantile({quantile}, sum by (le) ({rate}))"), &legend)
        })
    }

    /// A Grafana unit in place of the inferred one, where a more telling one exists (`reqps`).
    #[must_use]
    pub fn unit(mut self, unit: &'static str) -> Self {
        self.unit = Some(unit);
        self
    }

    /// From this value on the panel has this colour.
    #[must_use]
    pub fn threshold(mut self, value: f64, color: &'static str) -> Self {
        self.thresholds.push((value, color));
        self
    }

    /// Red from the threshold `name` of an alert on, whatever a user has set it to.
    #[must_use]
    pub fn alert(mut self, alert: &str, name: &str) -> Self {
        self.alert = Some((alert.to_owned(), name.to_owned()));
        self
    }

    /// The least value of the axis.
    #[must_use]
    pub fn min(mut self, min: f64) -> Self {
        self.range.0 = Some(min);
        self
    }

    /// The greatest value of the axis.
    #[must_use]
    pub fn max(mut self, max: f64) -> Self {
        self.range.1 = Some(max);
        self
    }

    /// Stacks the lines, so that their sum can be read.
    #[must_use]
    pub fn stacked(mut self) -> Self {
        self.stacked = true;
        self
    }

    /// Shows the panel in the overview of all domains too.
    #[must_use]
    pub fn overview(mut self) -> Self {
        self.overview = true;
        self
    }
}

/// A row of panels under a heading.
#[derive(Clone, Debug)]
pub struct Row {
    pub(crate) title: String,
    pub(crate) panels: Vec<Panel>,
}

/// A variable beside job and instance: the values of a label.
#[derive(Clone, Debug)]
pub struct Variable {
    pub(crate) name: String,
    pub(crate) metric: String,
    pub(crate) label: String,
}

/// A domain's dashboard.
#[derive(Clone, Debug)]
pub struct Dashboard {
    pub(crate) slug: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) rows: Vec<Row>,
    pub(crate) variables: Vec<Variable>,
}

impl Dashboard {
    /// An empty dashboard; `slug` is its file name and part of its uid.
    #[must_use]
    pub fn new(slug: &str, title: &str, description: &str) -> Self {
        Self {
            slug: slug.to_owned(),
            title: title.to_owned(),
            description: description.to_owned(),
            rows: Vec::new(),
            variables: Vec::new(),
        }
    }

    /// Adds a row.
    #[must_use]
    pub fn row(mut self, title: &str, panels: impl IntoIterator<Item = Panel>) -> Self {
        self.rows.push(Row { title: title.to_owned(), panels: panels.into_iter().collect() });
        self
    }

    /// Adds a variable `$name` over the values of a metric's label; use it in matchers.
    #[must_use]
    pub fn variable(mut self, name: &str, metric: &str, label: &str) -> Self {
        self.variables.push(Variable {
            name: name.to_owned(),
            metric: metric.to_owned(),
            label: label.to_owned(),
        });
        self
    }

    /// A dashboard made from the declarations alone: for each counter its rate, for each gauge its
    /// value, for each histogram its quantiles, by the closed labels.
    #[must_use]
    pub fn of_metrics(domain: &str, metrics: &[Metric]) -> Self {
        let panels = metrics.iter().map(panel_of);
        let title = domain.to_owned();
        Self::new(domain, &title, &format!("Everything that the domain {domain} measures."))
            .row("Metrics", panels)
    }
}

fn panel_of(metric: &Metric) -> Panel {
    let name = &metric.name;
    let labels: Vec<&str> = metric.labels.iter().map(|label| label.name.as_str()).collect();
    let by = if labels.is_empty() { String::new() } else { format!(" by ({})", labels.join(", ")) };
    let legend = if labels.is_empty() {
        name.clone()
    } else {
        labels.iter().map(|label| format!("{{{{{label}}}}}")).collect::<Vec<_>>().join(" ")
    };
    let panel = Panel::timeseries(name, &metric.help);
    match metric.kind {
        MetricKind::Counter => {
            panel.query(&format!("sum{by} (rate({name}[$__rate_interval]))"), &legend).min(0.0)
        }
        MetricKind::Gauge => panel.query(&format!("sum{by} ({name})"), &legend),
        MetricKind::Histogram => panel.quantiles(name, "", &[0.5, 0.95, 0.99]),
    }
}
