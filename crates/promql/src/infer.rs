//! What is known about each node of an expression.
//!
//! Everything here is a lower bound on knowledge: "unknown" is always a right answer, and every
//! judgement elsewhere must hold for all that a node can still be.

use std::collections::BTreeMap;

use bellwether_catalog::{Catalog, Kind, Label, Part, Unit};
use promql_parser::parser::token::{
    T_ADD, T_AVG, T_BOTTOMK, T_COUNT, T_COUNT_VALUES, T_DIV, T_EQLC, T_GROUP, T_GTE, T_GTR, T_LAND, T_LOR,
    T_LSS, T_LTE, T_LUNLESS, T_MAX, T_MIN, T_MUL, T_NEQ, T_QUANTILE, T_STDDEV, T_STDVAR, T_SUB, T_SUM,
    T_TOPK, TokenId,
};
use promql_parser::parser::value::ValueType;
use promql_parser::parser::{
    AggregateExpr, BinaryExpr, Call, Expr, LabelModifier, VectorMatchCardinality, VectorSelector,
};

use crate::expression::Expression;
use crate::rewrite::selector_name;

/// The form of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One number.
    Scalar,
    /// A vector of series at an instant.
    Instant,
    /// A vector of ranges.
    Range,
    /// A text.
    Text,
}

/// What the numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Nothing is known.
    Unknown,
    /// A constant.
    Constant,
    /// A counter's own total.
    Counter,
    /// The own totals of a histogram's buckets.
    Buckets,
    /// A change per second.
    Rate,
    /// The same of buckets: what `histogram_quantile` wants.
    BucketRate,
    /// A value that goes up and down.
    Gauge,
    /// A quantile.
    Quantile,
    /// A number of series.
    Number,
    /// 0 or 1.
    Boolean,
}

/// The dimension of a value as powers of the base units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dimension {
    /// Power of seconds.
    pub seconds: i8,
    /// Power of bytes.
    pub bytes: i8,
    /// Whether it is a point in time rather than a length.
    pub timestamp: bool,
    /// Whether it is a fraction of two like things.
    pub ratio: bool,
}

impl Dimension {
    /// A bare number.
    pub const ONE: Self = Self { seconds: 0, bytes: 0, timestamp: false, ratio: false };

    fn of(unit: Unit) -> Self {
        match unit {
            Unit::None => Self::ONE,
            Unit::Seconds => Self { seconds: 1, ..Self::ONE },
            Unit::Bytes => Self { bytes: 1, ..Self::ONE },
            Unit::Ratio => Self { ratio: true, ..Self::ONE },
            Unit::Timestamp => Self { seconds: 1, timestamp: true, ..Self::ONE },
        }
    }

    fn times(self, other: Self, sign: i8) -> Self {
        Self {
            seconds: self.seconds.saturating_add(sign.saturating_mul(other.seconds)),
            bytes: self.bytes.saturating_add(sign.saturating_mul(other.bytes)),
            timestamp: false,
            ratio: self.ratio && other == Self::ONE,
        }
    }

    fn per_second(self) -> Self {
        self.times(Self { seconds: 1, ..Self::ONE }, -1)
    }
}

/// The labels of a vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// Labels that are known to be possible.
    pub known: BTreeMap<String, Option<Label>>,
    /// Whether there can be others.
    pub open: bool,
}

impl Labels {
    fn unknown() -> Self {
        Self { known: BTreeMap::new(), open: true }
    }

    fn none() -> Self {
        Self { known: BTreeMap::new(), open: false }
    }

    /// Whether no series of the vector can have the label.
    #[must_use]
    pub fn lacks(&self, name: &str) -> bool {
        !self.open && !self.known.contains_key(name)
    }
}

/// What is known about a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Type {
    /// Scalar, instant or range vector.
    pub shape: Shape,
    /// What the numbers are.
    pub quantity: Quantity,
    /// Their dimension, where it is known.
    pub dimension: Option<Dimension>,
    /// The labels besides those of the target (`job`, `instance`, …), which are always possible
    /// until an aggregation removes them.
    pub labels: Labels,
}

impl Type {
    fn unknown(shape: Shape) -> Self {
        Self { shape, quantity: Quantity::Unknown, dimension: None, labels: Labels::unknown() }
    }

    fn scalar(quantity: Quantity, dimension: Option<Dimension>) -> Self {
        Self { shape: Shape::Scalar, quantity, dimension, labels: Labels::none() }
    }
}

/// Infers the type of a whole expression.
///
/// `target` are the labels that a scrape adds to every series.
#[must_use]
pub fn infer(expression: &Expression, catalog: &Catalog, target: &[&str]) -> Type {
    Inference { catalog, target }.of(expression.tree())
}

pub(crate) struct Inference<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) target: &'a [&'a str],
}

impl Inference<'_> {
    pub(crate) fn of(&self, tree: &Expr) -> Type {
        match tree {
            Expr::NumberLiteral(_) => Type::scalar(Quantity::Constant, Some(Dimension::ONE)),
            Expr::StringLiteral(_) => Type { shape: Shape::Text, ..Type::unknown(Shape::Text) },
            Expr::Paren(paren) => self.of(&paren.expr),
            Expr::Unary(unary) => self.of(&unary.expr),
            Expr::VectorSelector(selector) => self.selector(selector, Shape::Instant),
            Expr::MatrixSelector(selector) => self.selector(&selector.vs, Shape::Range),
            Expr::Subquery(subquery) => Type { shape: Shape::Range, ..self.of(&subquery.expr) },
            Expr::Aggregate(aggregate) => self.aggregate(aggregate),
            Expr::Binary(binary) => self.binary(binary),
            Expr::Call(call) => self.call(call),
            Expr::Extension(_) => Type::unknown(Shape::Instant),
        }
    }

    fn selector(&self, selector: &VectorSelector, shape: Shape) -> Type {
        let Some((metric, part)) = selector_name(selector).and_then(|name| self.catalog.resolve(name)) else {
            return Type::unknown(shape);
        };
        let (quantity, dimension) = match (metric.kind, part) {
            (Kind::Gauge, _) => (Quantity::Gauge, Dimension::of(metric.unit)),
            (Kind::Counter, _) | (_, Part::Sum) => (Quantity::Counter, Dimension::of(metric.unit)),
            (_, Part::Count) => (Quantity::Counter, Dimension::ONE),
            (_, Part::Bucket) => (Quantity::Buckets, Dimension::of(metric.unit)),
            (_, Part::Value | Part::Base) => (Quantity::Unknown, Dimension::ONE),
        };
        let mut known: BTreeMap<String, Option<Label>> =
            metric.labels.iter().map(|label| (label.name.clone(), Some(label.clone()))).collect();
        known.extend(self.target.iter().map(|name| ((*name).to_owned(), None)));
        if part == Part::Bucket {
            known.insert("le".to_owned(), None);
        }
        Type { shape, quantity, dimension: Some(dimension), labels: Labels { known, open: false } }
    }

    fn aggregate(&self, aggregate: &AggregateExpr) -> Type {
        let inner = self.of(&aggregate.expr);
        let op = aggregate.op.id();
        let mut labels = match &aggregate.modifier {
            None if matches!(op, T_TOPK | T_BOTTOMK) => inner.labels.clone(),
            None => Labels::none(),
            Some(LabelModifier::Include(names)) if !matches!(op, T_TOPK | T_BOTTOMK) => Labels {
                known: names
                    .labels
                    .iter()
                    .filter(|name| !inner.labels.lacks(name))
                    .map(|name| (name.clone(), inner.labels.known.get(name).cloned().flatten()))
                    .collect(),
                open: false,
            },
            Some(LabelModifier::Include(_)) => inner.labels.clone(),
            Some(LabelModifier::Exclude(names)) => {
                let mut labels = inner.labels.clone();
                labels.known.retain(|name, _| !names.labels.contains(name));
                labels
            }
        };
        let (quantity, dimension) = match op {
            T_SUM | T_AVG | T_MIN | T_MAX | T_TOPK | T_BOTTOMK => (inner.quantity, inner.dimension),
            T_QUANTILE => (Quantity::Quantile, inner.dimension),
            T_STDDEV => (Quantity::Gauge, inner.dimension),
            T_STDVAR => (Quantity::Gauge, None),
            T_COUNT | T_COUNT_VALUES => (Quantity::Number, Some(Dimension::ONE)),
            T_GROUP => (Quantity::Boolean, Some(Dimension::ONE)),
            _ => (Quantity::Unknown, None),
        };
        if op == T_COUNT_VALUES {
            labels.open = true;
        }
        Type { shape: Shape::Instant, quantity, dimension, labels }
    }

    fn binary(&self, binary: &BinaryExpr) -> Type {
        let (left, right) = (self.of(&binary.lhs), self.of(&binary.rhs));
        let op = binary.op.id();
        let shape = if left.shape == Shape::Scalar && right.shape == Shape::Scalar {
            Shape::Scalar
        } else {
            Shape::Instant
        };
        let labels = self.matched(binary, &left, &right);
        if is_comparison(op) {
            let returns_bool = binary.return_bool() || shape == Shape::Scalar;
            let (quantity, dimension) = if returns_bool {
                (Quantity::Boolean, Some(Dimension::ONE))
            } else if left.shape == Shape::Scalar {
                (right.quantity, right.dimension)
            } else {
                (left.quantity, left.dimension)
            };
            return Type { shape, quantity, dimension, labels };
        }
        let (quantity, dimension) = match op {
            T_LAND | T_LUNLESS => (left.quantity, left.dimension),
            T_LOR => {
                let same = |quantity| quantity == left.quantity;
                let dimension = either_dimension(&left, &right);
                (if same(right.quantity) { left.quantity } else { Quantity::Unknown }, dimension)
            }
            T_ADD | T_SUB => {
                let quantity =
                    if left.quantity == Quantity::Constant { right.quantity } else { left.quantity };
                let points = |side: &Type| side.dimension.is_some_and(|dimension| dimension.timestamp);
                let dimension = match (points(&left), points(&right)) {
                    (true, true) if op == T_SUB => Some(Dimension { seconds: 1, ..Dimension::ONE }),
                    (true, false) => left.dimension,
                    (false, true) => right.dimension,
                    _ => either_dimension(&left, &right),
                };
                (quantity, dimension)
            }
            T_MUL | T_DIV => self.scaled(op, &left, &right),
            _ => (Quantity::Unknown, None),
        };
        Type { shape, quantity, dimension, labels }
    }

    fn scaled(&self, op: TokenId, left: &Type, right: &Type) -> (Quantity, Option<Dimension>) {
        let constant = |side: &Type| side.quantity == Quantity::Constant;
        let quantity = match (constant(left), constant(right)) {
            (_, true) => left.quantity,
            (true, false) if op == T_MUL => right.quantity,
            _ => Quantity::Gauge,
        };
        let sign = if op == T_MUL { 1 } else { -1 };
        let dimension = left.dimension.zip(right.dimension).map(|(left_unit, right_unit)| {
            if constant(right) {
                // `x * 100` is a percentage and `x * 8` bits: no longer what the catalog calls it.
                return Dimension { ratio: false, ..left_unit };
            }
            let mut result = left_unit.times(right_unit, sign);
            if op == T_DIV
                && !constant(left)
                && (left_unit.seconds, left_unit.bytes) == (right_unit.seconds, right_unit.bytes)
            {
                result.ratio = true;
            }
            result
        });
        (quantity, dimension)
    }

    fn matched(&self, binary: &BinaryExpr, left: &Type, right: &Type) -> Labels {
        if left.shape == Shape::Scalar {
            return right.labels.clone();
        }
        if right.shape == Shape::Scalar {
            return left.labels.clone();
        }
        let op = binary.op.id();
        if op == T_LOR {
            let mut labels = left.labels.clone();
            labels.known.extend(right.labels.known.clone());
            labels.open |= right.labels.open;
            return labels;
        }
        if matches!(op, T_LAND | T_LUNLESS) {
            return left.labels.clone();
        }
        let modifier = binary.modifier.as_ref();
        let (many, extra, grouped) = match modifier.map(|modifier| &modifier.card) {
            Some(VectorMatchCardinality::ManyToOne(extra)) => (left, Some((extra, right)), true),
            Some(VectorMatchCardinality::OneToMany(extra)) => (right, Some((extra, left)), true),
            _ => (left, None, false),
        };
        let mut labels = many.labels.clone();
        if let Some((extra, one)) = extra {
            for name in &extra.labels {
                labels.known.insert(name.clone(), one.labels.known.get(name).cloned().flatten());
            }
        }
        if !grouped {
            match modifier.and_then(|modifier| modifier.matching.as_ref()) {
                Some(LabelModifier::Include(on)) => {
                    labels.known.retain(|name, _| on.labels.contains(name));
                    labels.open = false;
                    for name in &on.labels {
                        if many.labels.open {
                            labels.known.entry(name.clone()).or_insert(None);
                        }
                    }
                }
                Some(LabelModifier::Exclude(ignoring)) => {
                    labels.known.retain(|name, _| !ignoring.labels.contains(name))
                }
                None => {}
            }
        }
        labels
    }

    fn call(&self, call: &Call) -> Type {
        let args: Vec<Type> = call.args.args.iter().map(|arg| self.of(arg)).collect();
        let shape = match call.func.return_type {
            ValueType::Scalar => Shape::Scalar,
            ValueType::Matrix => Shape::Range,
            ValueType::String => Shape::Text,
            ValueType::Vector => Shape::Instant,
        };
        let name = call.func.name;
        let vector = args.iter().find(|arg| matches!(arg.shape, Shape::Instant | Shape::Range));
        let Some(vector) = vector else {
            return match name {
                "time" => Type::scalar(Quantity::Gauge, Some(Dimension::of(Unit::Timestamp))),
                "vector" => Type {
                    shape,
                    labels: Labels::none(),
                    ..args.first().cloned().unwrap_or(Type::unknown(shape))
                },
                _ => Type { labels: Labels::none(), ..Type::unknown(shape) },
            };
        };
        let with = |quantity, dimension| Type { shape, quantity, dimension, labels: vector.labels.clone() };
        match name {
            "rate" | "irate" => {
                let buckets = vector.quantity == Quantity::Buckets;
                // A bucket's rate keeps the unit of its bounds: it is what the quantile will have.
                let dimension =
                    if buckets { vector.dimension } else { vector.dimension.map(Dimension::per_second) };
                with(if buckets { Quantity::BucketRate } else { Quantity::Rate }, dimension)
            }
            "increase" => {
                let buckets = vector.quantity == Quantity::Buckets;
                with(if buckets { Quantity::BucketRate } else { Quantity::Gauge }, vector.dimension)
            }
            "histogram_quantile" => {
                let mut result = with(Quantity::Quantile, vector.dimension);
                result.labels.known.remove("le");
                result
            }
            "deriv" => with(Quantity::Gauge, vector.dimension.map(Dimension::per_second)),
            "delta"
            | "idelta"
            | "predict_linear"
            | "avg_over_time"
            | "min_over_time"
            | "max_over_time"
            | "sum_over_time"
            | "last_over_time"
            | "quantile_over_time"
            | "abs"
            | "ceil"
            | "floor"
            | "round"
            | "clamp"
            | "clamp_min"
            | "clamp_max"
            | "sort"
            | "sort_desc"
            | "holt_winters"
            | "double_exponential_smoothing"
            | "stddev_over_time" => with(vector.quantity, vector.dimension),
            "scalar" => Type::scalar(vector.quantity, vector.dimension),
            "timestamp" => with(Quantity::Gauge, Some(Dimension::of(Unit::Timestamp))),
            "count_over_time" | "changes" | "resets" => with(Quantity::Number, Some(Dimension::ONE)),
            "present_over_time" => with(Quantity::Boolean, Some(Dimension::ONE)),
            "absent" | "absent_over_time" => Type {
                shape,
                quantity: Quantity::Boolean,
                dimension: Some(Dimension::ONE),
                labels: Labels::unknown(),
            },
            "label_replace" | "label_join" => {
                let mut result = with(vector.quantity, vector.dimension);
                if let Some(Expr::StringLiteral(target)) = call.args.args.get(1).map(|arg| &**arg) {
                    result.labels.known.insert(target.val.clone(), None);
                } else {
                    result.labels.open = true;
                }
                result
            }
            _ => with(Quantity::Unknown, None),
        }
    }
}

fn either_dimension(left: &Type, right: &Type) -> Option<Dimension> {
    match (left.quantity, right.quantity) {
        (_, Quantity::Constant) => left.dimension,
        (Quantity::Constant, _) => right.dimension,
        _ if left.dimension == right.dimension => left.dimension,
        _ => None,
    }
}

pub(crate) fn is_comparison(op: TokenId) -> bool {
    matches!(op, T_EQLC | T_NEQ | T_GTR | T_LSS | T_GTE | T_LTE)
}
