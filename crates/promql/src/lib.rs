//! A checker of PromQL against the metrics that a service really exports.
//!
//! An [`Expression`] is parsed, rewritten (prefix and selector go through the tree, never through
//! text replacement) and checked against a [`Catalog`](bellwether_catalog::Catalog). A [`Finding`]
//! says what is wrong, where, why, and what to do. Its first duty is to be right: what the checker
//! does not know it does not judge.
//!
//! ```
//! use bellwether_catalog::{Catalog, Kind, Label, Metric, Unit};
//! use bellwether_promql::{Code, Expression, check};
//!
//! let catalog = Catalog::from_iter([Metric::new("http_requests_total", Kind::Counter, Unit::None)
//!     .labels([Label::closed("status", ["200", "500"])])]);
//!
//! let typo = Expression::parse(r#"rate(http_requests_total{status="50"}[5m])"#)?;
//! let findings = check(&typo, &catalog, &[]);
//! assert_eq!(findings[0].code, Code::UnknownValue);
//! assert_eq!(findings[0].fix, "did you mean \"500\"?");
//! # Ok::<(), bellwether_promql::ParseError>(())
//! ```

mod check;
mod example;
mod expression;
mod finding;
mod infer;
mod position;
mod rewrite;

pub use check::check;
pub use example::example_series;
pub use expression::{Expression, ParseError};
pub use finding::{Code, Finding, Severity};
pub use infer::{Dimension, Labels, Quantity, Shape, Type, infer};
pub use rewrite::{Rewrite, metric_names};
