//! Interned label values: text in, a small integer out; bounded, and freed with their owner.

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use papaya::HashMap;
use parking_lot::{Mutex, RwLock};

use crate::label::LabelValue;

/// The text of every value that found no place.
pub const OTHER: &str = "other";

/// Longer texts are not kept: they become `other`, so that a flood of long values is as bounded as
/// a flood of many.
pub const MAX_TEXT: usize = 16 * 1024;

/// A text of an open label as an integer.
///
/// The generation tells two texts apart that had the same index one after the other: a value kept
/// past the end of its [`Registration`] is counted as `other`, never under its successor's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interned {
    index: u32,
    generation: u32,
}

impl Interned {
    /// The value `other`.
    pub const OTHER: Self = Self { index: 0, generation: 0 };
    /// `other` for want of a place: counted as overflow when it is recorded.
    pub(crate) const OVERFLOW: Self = Self { index: 0, generation: u32::MAX };

    /// The place in its interner.
    #[inline]
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// How many texts had this place before, or `u32::MAX` for [overflow](Self::is_overflow).
    #[inline]
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.generation
    }

    /// Whether the text found no place.
    #[inline]
    #[must_use]
    pub const fn is_overflow(self) -> bool {
        self.generation == u32::MAX
    }
}

/// What wants to know when a value ends: the families that have series of it.
pub(crate) trait Evict: Send + Sync {
    fn evict(&self, interner: &Interner, index: u32);
}

struct Slot {
    /// The text, escaped for the exposition, while it is in use.
    escaped: Option<Arc<str>>,
    generation: u32,
    registrations: u32,
}

struct Entry {
    value: Interned,
    /// Interned for the life of the process; otherwise it ends with its last registration.
    permanent: AtomicBool,
}

/// The texts of one open label.
///
/// Looking up a known text takes no lock; a new text takes one. At the limit an unknown text takes
/// none, so that a flood costs no more than lookups.
pub struct Interner {
    limit: u32,
    entries: HashMap<Box<str>, Entry>,
    slots: RwLock<Slots>,
    full: AtomicBool,
    dependents: Mutex<Vec<Weak<dyn Evict>>>,
}

/// So many places rest before one of them is used again, as long as there are unused ones: a
/// recording that is late by a thread's time slice then finds its place without a new owner.
const RESTING: usize = 16;

#[derive(Default)]
struct Slots {
    all: Vec<Slot>,
    /// The one that has rested longest is first.
    free: VecDeque<u32>,
}

impl Interner {
    /// An interner that keeps at most `limit` texts beside `other`.
    #[must_use]
    pub fn new(limit: u32) -> Self {
        let other = Slot { escaped: Some(OTHER.into()), generation: 0, registrations: 0 };
        Self {
            limit,
            entries: HashMap::new(),
            slots: RwLock::new(Slots { all: vec![other], free: VecDeque::new() }),
            full: AtomicBool::new(limit == 0),
            dependents: Mutex::default(),
        }
    }

    /// The value of `text`, kept for the life of the process.
    ///
    /// Cost: one lock-free lookup for a known text; the first time, a lock and an allocation.
    #[must_use]
    pub fn intern(&self, text: &str) -> Interned {
        if let Some(entry) = self.entries.pin().get(text) {
            if !entry.permanent.load(Ordering::Relaxed) {
                return self.place(text, false);
            }
            return entry.value;
        }
        self.place(text, false)
    }

    /// The value of `text`, kept until [`release`](Self::release) was called as often as this.
    fn register(&self, text: &str) -> Interned {
        self.place(text, true)
    }

    fn place(&self, text: &str, registered: bool) -> Interned {
        if text == OTHER {
            return Interned::OTHER;
        }
        if text.len() > MAX_TEXT
            || (self.full.load(Ordering::Acquire) && !self.entries.pin().contains_key(text))
        {
            return Interned::OVERFLOW;
        }
        let mut slots = self.slots.write();
        let entries = self.entries.pin();
        if let Some(entry) = entries.get(text) {
            if registered {
                slots.all[entry.value.index as usize].registrations += 1;
            } else {
                entry.permanent.store(true, Ordering::Relaxed);
            }
            return entry.value;
        }
        let unused = slots.all.len() <= self.limit as usize;
        let rested = if unused && slots.free.len() < RESTING { None } else { slots.free.pop_front() };
        let index = match rested {
            Some(index) => index,
            None if unused => {
                slots.all.push(Slot { escaped: None, generation: 0, registrations: 0 });
                slots.all.len() as u32 - 1
            }
            None => return Interned::OVERFLOW,
        };
        let slot = &mut slots.all[index as usize];
        slot.escaped = Some(escape(text).into());
        slot.registrations = u32::from(registered);
        let value = Interned { index, generation: slot.generation };
        entries.insert(text.into(), Entry { value, permanent: AtomicBool::new(!registered) });
        self.full.store(slots.free.is_empty() && slots.all.len() > self.limit as usize, Ordering::Release);
        value
    }

    /// Ends one registration; with the last, the value and every series of it.
    fn release(&self, text: &str, value: Interned) {
        if value.index == 0 {
            return;
        }
        let mut slots = self.slots.write();
        let entries = self.entries.pin();
        let slot = &mut slots.all[value.index as usize];
        if slot.generation != value.generation {
            return;
        }
        slot.registrations = slot.registrations.saturating_sub(1);
        let permanent = entries.get(text).is_none_or(|entry| entry.permanent.load(Ordering::Relaxed));
        if slot.registrations > 0 || permanent {
            return;
        }
        entries.remove(text);
        slot.escaped = None;
        // After 2^32 - 2 owners a place is retired rather than used under an ambiguous generation.
        let reusable = slot.generation < u32::MAX - 1;
        slot.generation = slot.generation.saturating_add(1).min(u32::MAX - 1);
        drop(slots);
        for family in self.dependents.lock().iter().filter_map(Weak::upgrade) {
            family.evict(self, value.index);
        }
        if reusable {
            self.slots.write().free.push_back(value.index);
            self.full.store(false, Ordering::Release);
        }
    }

    /// Whether `value` still stands for the text that it was interned for.
    pub(crate) fn is_current(&self, value: Interned) -> bool {
        value.index == 0
            || self
                .slots
                .read()
                .all
                .get(value.index as usize)
                .is_some_and(|slot| slot.escaped.is_some() && slot.generation == value.generation)
    }

    /// The escaped text at `index`, none once it has ended.
    pub(crate) fn escaped(&self, index: u32) -> Option<Arc<str>> {
        self.slots.read().all.get(index as usize)?.escaped.clone()
    }

    pub(crate) fn notify(&self, family: Weak<dyn Evict>) {
        let mut dependents = self.dependents.lock();
        dependents.retain(|dependent| dependent.strong_count() > 0);
        dependents.push(family);
    }
}

impl fmt::Debug for Interner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interner").field("limit", &self.limit).field("texts", &self.entries.len()).finish()
    }
}

/// `text` as it stands between the quotes of a label value.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// An escaped text as it was.
pub(crate) fn unescape(escaped: &str) -> String {
    let mut text = String::with_capacity(escaped.len());
    let mut chars = escaped.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => text.push('\n'),
                Some(c) => text.push(c),
                None => text.push('\\'),
            },
            c => text.push(c),
        }
    }
    text
}

/// An open label type: a text struct over [`Interned`]. Written by `#[derive(LabelValue)]`.
pub trait OpenLabel: LabelValue {
    /// Where its texts are kept.
    fn interner() -> &'static Interner;
    /// Wraps an interned text.
    fn from_interned(value: Interned) -> Self;

    /// The value of `text` for the life of the process; `other` once the limit is reached.
    ///
    /// Cost: one lock-free lookup for a known text. Keep the result where you can: recording with
    /// a kept value does no lookup at all.
    #[must_use]
    fn new(text: &str) -> Self {
        Self::from_interned(Self::interner().intern(text))
    }

    /// The value of `text` for the life of the object that it names (a pool, a workload). When the
    /// last registration of the text is dropped, every series with it leaves the exposition and
    /// its place is free for another text.
    fn register(text: &str) -> Registration<Self> {
        Registration {
            value: Self::from_interned(Self::interner().register(text)),
            text: text.into(),
            _v: PhantomData,
        }
    }
}

/// Keeps an open label value alive; see [`OpenLabel::register`].
#[must_use = "the series end when this is dropped"]
pub struct Registration<V: OpenLabel> {
    value: V,
    text: Box<str>,
    _v: PhantomData<V>,
}

impl<V: OpenLabel> Registration<V> {
    /// The value, to record with.
    #[inline]
    #[must_use]
    pub fn value(&self) -> V {
        self.value
    }
}

impl<V: OpenLabel> Deref for Registration<V> {
    type Target = V;
    fn deref(&self) -> &V {
        &self.value
    }
}

impl<V: OpenLabel> fmt::Debug for Registration<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registration").field(&self.text).finish()
    }
}

impl<V: OpenLabel> Drop for Registration<V> {
    fn drop(&mut self) {
        if let Some(value) = self.value.interned() {
            V::interner().release(&self.text, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_holds_and_known_texts_stay() {
        let interner = Interner::new(2);
        let a = interner.intern("a");
        assert_eq!((a.index(), interner.intern("b").index()), (1, 2));
        assert!(interner.intern("c").is_overflow());
        assert_eq!(interner.intern("a"), a);
        assert_eq!(interner.intern("other"), Interned::OTHER);
        assert!(!interner.intern("other").is_overflow());
    }

    #[test]
    fn a_released_place_is_used_again_under_another_generation() {
        let interner = Interner::new(1);
        let a = interner.register("a");
        assert_eq!(interner.register("a"), a);
        assert!(interner.register("b").is_overflow());
        interner.release("a", a);
        assert!(interner.is_current(a), "one registration is left");
        interner.release("a", a);
        assert!(!interner.is_current(a));
        let b = interner.register("b");
        assert_eq!((b.index(), b.generation()), (a.index(), a.generation() + 1));
        interner.release("a", a);
        assert!(interner.is_current(b), "a second release of an ended value touches nobody");
    }

    #[test]
    fn interning_for_good_outlives_the_registrations() {
        let interner = Interner::new(1);
        let a = interner.register("a");
        assert_eq!(interner.intern("a"), a);
        interner.release("a", a);
        assert!(interner.is_current(a));
    }

    #[test]
    fn long_texts_are_other() {
        let interner = Interner::new(9);
        assert!(interner.intern(&"x".repeat(MAX_TEXT + 1)).is_overflow());
        assert_eq!(interner.intern(&"x".repeat(MAX_TEXT)).index(), 1);
    }

    #[test]
    fn escaping_reverts() {
        let text = "a\"b\\c\nd\\n\u{1f980}";
        assert_eq!(escape(text), "a\\\"b\\\\c\\nd\\\\n\u{1f980}");
        assert_eq!(unescape(&escape(text)), text);
    }
}
