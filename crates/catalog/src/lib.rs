//! What a metric is, as plain data.
//!
//! A [`Metric`] is declared once, by `#[derive(MetricSet)]` on a struct of instruments; a
//! [`Catalog`] is all that a service declares. The exposition, the dashboards, the alert rules, the
//! PromQL checker, the reference pages and the series budget are derived from it.
//!
//! ```
//! use bellwether_catalog::{Catalog, Kind, Label, Metric, Part, Unit, Values};
//!
//! let tasks = Metric::new("queue_tasks_total", Kind::Counter, Unit::None)
//!     .help("Tasks that ended, by how they ended.")
//!     .labels([Label::closed("status", ["success", "failure"])]);
//!
//! let catalog = Catalog::from_iter([tasks]);
//! let (metric, part) = catalog.resolve("queue_tasks_total").unwrap();
//! assert_eq!(metric.max_series(), 2);
//! assert_eq!(part, Part::Value);
//! assert!(matches!(&metric.labels[0].values, Values::Closed(texts) if texts[0] == "success"));
//! ```

mod check;
mod metric;

pub use check::{CONVENTIONAL_SUFFIXES, is_label_name, is_metric_name};
pub use metric::{Catalog, Kind, Label, Metric, Part, Unit, Values};
