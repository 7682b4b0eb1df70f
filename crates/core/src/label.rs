//! Labels as small integers.

use bellwether_catalog::Label;

use crate::intern::{Interned, Interner};

/// One label value: a variant of a closed enum, or an interned text.
///
/// `#[derive(LabelValue)]` writes this. On an enum without fields the values are closed; on a
/// tuple struct over [`Interned`] with `#[label(open, limit = N)]` they are open.
#[diagnostic::on_unimplemented(
    note = "derive `LabelValue` on an enum, or on `struct Name(Interned)` with `#[label(open, limit = N)]`"
)]
pub trait LabelValue: Copy + Send + Sync + 'static {
    /// What the values are.
    const VALUES: ValueSpec;
    /// The value's place among all of them, below [`ValueSpec::size`].
    fn index(self) -> u32;
    /// The interned text, of an open label.
    #[inline]
    fn interned(self) -> Option<Interned> {
        None
    }
    /// The value that stands for all others when there are too many; itself where there is none.
    #[inline]
    fn other(self) -> Self {
        self
    }
}

/// What a label type can be.
#[derive(Clone, Copy)]
pub enum ValueSpec {
    /// Fixed texts, in the order of their indices.
    Closed {
        /// The texts.
        texts: &'static [&'static str],
        /// Whether one of them stands for all others.
        has_other: bool,
    },
    /// Texts interned at run time; index 0 is `other`.
    Open {
        /// How many texts are kept beside `other`.
        limit: u32,
        /// Where they are kept.
        interner: fn() -> &'static Interner,
    },
}

impl ValueSpec {
    /// How many indices there are.
    #[must_use]
    pub const fn size(&self) -> usize {
        match self {
            Self::Closed { texts, .. } => texts.len(),
            Self::Open { limit, .. } => *limit as usize + 1,
        }
    }

    const fn has_other(&self) -> bool {
        match self {
            Self::Closed { has_other, .. } => *has_other,
            Self::Open { .. } => true,
        }
    }
}

/// A label's name with its values.
#[derive(Clone, Copy)]
pub struct LabelSpec {
    /// The name in the exposition.
    pub name: &'static str,
    /// What it can be.
    pub values: ValueSpec,
}

impl LabelSpec {
    /// The same for the catalog.
    pub(crate) fn describe(&self) -> Label {
        match self.values {
            ValueSpec::Closed { texts, .. } => Label::closed(self.name, texts.iter().copied()),
            ValueSpec::Open { limit, .. } => Label::open(self.name, limit),
        }
    }
}

/// The labels of a metric. `#[derive(LabelSet)]` on a struct writes this; `()` is no labels.
pub trait LabelSet: Copy + Send + Sync + 'static {
    /// The labels in the order of the fields.
    const LABELS: &'static [LabelSpec];
    /// The most combinations to keep (`#[labels(limit = N)]`); those over it are counted with
    /// every label that has one set to its other value.
    const LIMIT: Option<u64> = None;

    /// The combination's place among all: open labels outermost, closed ones innermost.
    fn index(self) -> usize;
    /// The place of its open part: [`index`](Self::index) divided by the number of closed combinations.
    fn block(self) -> usize;
    /// The sum of the interned values' generations; see [`Interned`].
    fn generation(self) -> u64;
    /// The interned values, with the position of their labels.
    fn each_open(self, visit: &mut dyn FnMut(usize, Interned));
    /// The same labels with the `position`-th interned value replaced by `other`.
    fn without_open(self, position: usize) -> Self;
    /// The combination that takes what is over [`LIMIT`](Self::LIMIT).
    fn other(self) -> Self;
}

impl LabelSet for () {
    const LABELS: &'static [LabelSpec] = &[];
    #[inline]
    fn index(self) -> usize {
        0
    }
    #[inline]
    fn block(self) -> usize {
        0
    }
    #[inline]
    fn generation(self) -> u64 {
        0
    }
    fn each_open(self, _: &mut dyn FnMut(usize, Interned)) {}
    fn without_open(self, _: usize) -> Self {}
    fn other(self) -> Self {}
}

/// How many combinations the closed labels have.
#[must_use]
pub(crate) const fn closed_size(labels: &[LabelSpec]) -> usize {
    product(labels, false)
}

/// How many combinations the open labels have.
#[must_use]
pub(crate) const fn open_size(labels: &[LabelSpec]) -> usize {
    product(labels, true)
}

const fn product(labels: &[LabelSpec], open: bool) -> usize {
    let (mut size, mut at) = (1, 0);
    while at < labels.len() {
        if matches!(labels[at].values, ValueSpec::Open { .. }) == open {
            size *= labels[at].values.size();
        }
        at += 1;
    }
    size
}

/// The most combinations that can exist at a time: the product of the labels, or the limit and
/// beside it the combinations of `other`.
#[must_use]
pub(crate) const fn max_combinations(labels: &[LabelSpec], limit: Option<u64>) -> u64 {
    let all = (closed_size(labels) * open_size(labels)) as u64;
    let Some(limit) = limit else { return all };
    let (mut others, mut at) = (1, 0);
    while at < labels.len() {
        if !labels[at].values.has_other() {
            others *= labels[at].values.size() as u64;
        }
        at += 1;
    }
    if limit + others < all { limit + others } else { all }
}

/// The table of a family is bounded: a set of labels with more combinations does not compile.
pub const MAX_TABLE: usize = 1 << 22;
