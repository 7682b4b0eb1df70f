//! The native storage of one metric: a table of integer cells, indexed by the labels' integers.
//!
//! What the layout is for:
//! - Recording is a table look-up and one addition per cell: no lock, no hash, no allocation.
//! - Every thread adds into one of a few *stripes* (see [`stripe`]), so that threads rarely meet on a
//!   cache line; the scrape adds the stripes up. A stripe's memory exists once a thread has used it.
//! - With open labels the table is paged. A page's first line holds a mask of the series in use:
//!   only those are exported, and a series' first use is what counts against the limits.
//! - Each open block carries the generation of its label values. One comparison on the recording
//!   path catches everything unusual (first use, overflow, an ended value) and leaves for `cold`.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};
use std::sync::{Arc, OnceLock, Weak};

use bellwether_catalog::{Kind, Metric};
use parking_lot::Mutex;

use crate::budget::Budget;
use crate::intern::{Evict, Interner};
use crate::label::{LabelSet, LabelSpec, ValueSpec, closed_size, open_size};
use crate::stripe::{self, STRIPES};

/// Whether one of the labels is open.
const fn is_open(labels: &[LabelSpec]) -> bool {
    let mut at = 0;
    while at < labels.len() {
        if matches!(labels[at].values, ValueSpec::Open { .. }) {
            return true;
        }
        at += 1;
    }
    false
}

/// Where a series' cells are in the pages: known when it is compiled, but for a histogram's buckets.
#[derive(Clone, Copy)]
struct Layout {
    /// Words per series: 1, or the buckets, `+Inf` and the sum.
    stride: usize,
    page_bits: u32,
}

/// The layout of counters and gauges.
const SINGLE: Layout = Layout { stride: 1, page_bits: 6 };
/// A histogram has fewer series on a page, for their size.
const HISTOGRAM_PAGE_BITS: u32 = 4;

/// A generation that no combination of live values has.
const UNSET: u64 = u64::MAX;

/// A cache line of cells.
#[repr(align(64))]
#[derive(Default)]
struct Line([AtomicU64; 8]);

fn lines(words: usize) -> Box<[Line]> {
    (0..words.div_ceil(8)).map(|_| Line::default()).collect()
}

#[inline]
fn word(lines: &[Line], at: usize) -> Option<&AtomicU64> {
    lines.get(at / 8).map(|line| &line.0[at % 8])
}

/// One stripe: pages on demand.
type Page = OnceLock<Box<[Line]>>;
type Stripe = OnceLock<Box<[Page]>>;

/// Words before the cells of an open page: the mask, on a line of its own.
const HEADER: usize = 8;

pub(crate) struct Family {
    /// As declared, with the service's prefix in its name.
    pub(crate) metric: Metric,
    pub(crate) scale: u64,
    pub(crate) labels: &'static [LabelSpec],
    /// Bucket bounds in kept units.
    bounds: Box<[u64]>,
    stride: usize,
    closed: usize,
    open: bool,
    page_bits: u32,
    pages: usize,
    stripes: [Stripe; STRIPES],
    /// The same for closed labels, whose stripes are one page each.
    flat: [Page; STRIPES],
    generations: Box<[AtomicU64]>,
    limit: u64,
    /// Combinations in use. Held while a series begins or ends, never by a scrape or a recording.
    combinations: Mutex<u64>,
    /// Overflow by open label, and last that of the limits on combinations.
    overflow: Box<[AtomicU64]>,
    budget: Arc<Budget>,
}

/// One label's digit in a series' index.
#[derive(Clone, Copy)]
pub(crate) struct Radix {
    pub(crate) step: usize,
    size: usize,
}

impl Radix {
    pub(crate) fn digit(self, index: usize) -> usize {
        index / self.step % self.size
    }
}

/// Where a recording goes.
pub(crate) struct Cells<'a> {
    stripe: usize,
    page: &'a [Line],
    at: usize,
}

impl<'a> Cells<'a> {
    #[inline(always)]
    pub(crate) fn add(&self, offset: usize, n: u64) {
        if let Some(cell) = word(self.page, self.at + offset) {
            stripe::add(self.stripe, cell, n);
        }
    }

    #[inline]
    pub(crate) fn cell(&self) -> Option<&'a AtomicU64> {
        word(self.page, self.at)
    }
}

/// A series while it is being read.
///
/// Its place can change hands meanwhile. Read the texts of its labels first and then the sums: if
/// there are sums, the texts and they have the same owner.
pub(crate) struct Reading<'a> {
    pages: &'a [&'a [Line]],
    cells: usize,
    /// Where the generation of its open labels is kept, and what it was before the texts were read.
    owner: Option<(&'a AtomicU64, u64)>,
    sums: &'a mut [u64],
}

impl Reading<'_> {
    /// The generation of its open labels, 0 without any: texts read under it belong to the sums.
    pub(crate) fn generation(&self) -> u64 {
        self.owner.map_or(0, |(_, generation)| generation)
    }

    /// The sums of its cells over the stripes; none if the series has ended.
    pub(crate) fn sums(&mut self) -> Option<&[u64]> {
        for (offset, sum) in self.sums.iter_mut().enumerate() {
            let cells = self.pages.iter().filter_map(|page| word(page, self.cells + offset));
            *sum = cells.fold(0_u64, |sum, cell| sum.wrapping_add(cell.load(Relaxed)));
        }
        self.same_owner().then_some(&*self.sums)
    }

    /// The value of a gauge. A guard can begin in one stripe and end in another: the stripes are read
    /// until they were the same twice, so that no end is seen without its beginning.
    pub(crate) fn level(&self) -> Option<u64> {
        const ATTEMPTS: usize = 1_000;
        let read = || {
            let mut cells = [0_u64; STRIPES];
            for (cell, page) in cells.iter_mut().zip(self.pages) {
                *cell = word(page, self.cells).map_or(0, |word| word.load(Acquire));
            }
            cells
        };
        let mut before = read();
        for _ in 0..ATTEMPTS {
            let now = read();
            if now == before {
                break;
            }
            before = now;
        }
        self.same_owner().then(|| before.iter().fold(0_u64, |sum, cell| sum.wrapping_add(*cell)))
    }

    /// The sum of a counter's cells over the stripes; none if the series has ended.
    #[inline]
    pub(crate) fn sum(&self) -> Option<u64> {
        let cells = self.pages.iter().filter_map(|page| word(page, self.cells));
        let sum = cells.fold(0_u64, |sum, cell| sum.wrapping_add(cell.load(Relaxed)));
        self.same_owner().then_some(sum)
    }

    #[inline]
    fn same_owner(&self) -> bool {
        // Pairs with the fence in `clear`: who has read a cleared cell finds another generation.
        fence(Acquire);
        self.owner.is_none_or(|(generation, before)| before != UNSET && generation.load(Relaxed) == before)
    }
}

impl Family {
    pub(crate) fn new<L: LabelSet>(metric: Metric, scale: u64, budget: Arc<Budget>) -> Arc<Self> {
        let bounds: Box<[u64]> =
            metric.buckets.iter().map(|bound| (bound * scale as f64).round() as u64).collect();
        let Layout { stride, page_bits } = if metric.kind == Kind::Histogram {
            Layout { stride: bounds.len() + 2, page_bits: HISTOGRAM_PAGE_BITS }
        } else {
            SINGLE
        };
        let (closed, blocks) = (closed_size(L::LABELS), open_size(L::LABELS));
        let open = is_open(L::LABELS);
        let pages = if open { (closed * blocks).div_ceil(1 << page_bits) } else { 1 };
        let family = Arc::new(Self {
            scale,
            labels: L::LABELS,
            bounds,
            stride,
            closed,
            open,
            page_bits,
            pages,
            stripes: Default::default(),
            flat: Default::default(),
            generations: (0..if open { blocks } else { 0 }).map(|_| AtomicU64::new(UNSET)).collect(),
            limit: L::LIMIT.unwrap_or(u64::MAX),
            combinations: Mutex::new(0),
            overflow: (0..L::LABELS.len() + 1).map(|_| AtomicU64::new(0)).collect(),
            budget,
            metric,
        });
        if open {
            for label in L::LABELS {
                if let ValueSpec::Open { interner, .. } = label.values {
                    let family: Weak<Self> = Arc::downgrade(&family);
                    interner().notify(family);
                }
            }
        } else {
            family.budget.take(closed as u64 * family.series_each(), false);
        }
        family
    }

    fn series_each(&self) -> u64 {
        if self.metric.kind == Kind::Histogram { self.bounds.len() as u64 + 3 } else { 1 }
    }

    fn stripe(&self, at: usize) -> &[Page] {
        self.stripes[at].get_or_init(|| (0..self.pages).map(|_| Page::new()).collect())
    }

    fn page<'a>(&self, stripe: &'a [Page], at: usize) -> Option<&'a [Line]> {
        let words = HEADER + (self.stride << self.page_bits);
        stripe.get(at).map(|page| &**page.get_or_init(|| lines(words)))
    }

    /// The cell of these labels, of a counter, in the calling thread's stripe.
    #[inline]
    pub(crate) fn cells<L: LabelSet>(&self, labels: L) -> Option<Cells<'_>> {
        self.cells_in(labels, stripe::mine())
    }

    /// The cell of these labels in the first stripe, the one that is set.
    #[inline]
    pub(crate) fn first<L: LabelSet>(&self, labels: L) -> Option<&AtomicU64> {
        self.cells_in(labels, 0)?.cell()
    }

    /// What the other stripes hold of a series.
    pub(crate) fn elsewhere<L: LabelSet>(&self, labels: L) -> u64 {
        let layout = Layout { stride: self.stride, page_bits: self.page_bits };
        (1..STRIPES)
            .filter_map(|stripe| self.known(labels, stripe, layout)?.cell())
            .fold(0, |sum, cell| sum.wrapping_add(cell.load(Relaxed)))
    }

    /// Sets a gauge: the first stripe makes up for what the others hold.
    #[inline]
    pub(crate) fn set<L: LabelSet>(&self, labels: L, value: i64) {
        if let Some(cell) = self.first(labels) {
            cell.store(value.cast_unsigned().wrapping_sub(self.elsewhere(labels)), Relaxed);
        }
    }

    fn cells_in<L: LabelSet>(&self, labels: L, stripe: usize) -> Option<Cells<'_>> {
        let layout = Layout { stride: self.stride, page_bits: self.page_bits };
        self.known(labels, stripe, layout).or_else(|| self.cold(labels, stripe))
    }

    /// Adds to a counter.
    #[inline]
    pub(crate) fn add<L: LabelSet>(&self, labels: L, n: u64) {
        self.add_in(labels, stripe::mine(), n);
    }

    /// Adds to a gauge: a stripe can be negative when another makes up for it.
    #[inline]
    pub(crate) fn shift<L: LabelSet>(&self, labels: L, n: i64) {
        self.add_in(labels, stripe::mine(), n.cast_unsigned());
    }

    #[inline(always)]
    fn add_in<L: LabelSet>(&self, labels: L, stripe: usize, n: u64) {
        match self.known(labels, stripe, SINGLE) {
            Some(cells) => cells.add(0, n),
            None => self.add_cold(labels, stripe, n),
        }
    }

    #[cold]
    #[inline(never)]
    fn add_cold<L: LabelSet>(&self, labels: L, stripe: usize, n: u64) {
        if let Some(cells) = self.cold(labels, stripe) {
            cells.add(0, n);
        }
    }

    /// The cells of a series that is in use in this stripe: all that a recording usually takes.
    // Always inlined, and apart from `cold`: what follows from the labels' types and the layout is
    // then decided when it is compiled, which halves the instructions.
    #[inline(always)]
    fn known<L: LabelSet>(&self, labels: L, stripe: usize, layout: Layout) -> Option<Cells<'_>> {
        let Layout { stride, page_bits } = layout;
        let index = labels.index();
        if !const { is_open(L::LABELS) } {
            let page = self.flat.get(stripe)?.get()?;
            return Some(Cells { stripe, page, at: index * stride });
        }
        let pages = self.stripes.get(stripe)?.get()?;
        if self.generations.get(labels.block())?.load(Acquire) != labels.generation() {
            return None;
        }
        let slot = index & ((1 << page_bits) - 1);
        let page = pages.get(index >> page_bits)?.get()?;
        (page.first()?.0[0].load(Relaxed) >> slot & 1 == 1).then_some(Cells {
            stripe,
            page,
            at: HEADER + slot * stride,
        })
    }

    /// First use of a series in this stripe, a value that has ended, or one over a limit.
    #[cold]
    #[inline(never)]
    fn cold<L: LabelSet>(&self, labels: L, stripe: usize) -> Option<Cells<'_>> {
        let stripe = if stripe < STRIPES { stripe } else { stripe::choose() };
        if !self.open {
            let page = self.flat[stripe].get_or_init(|| lines(self.stride * self.closed));
            return Some(Cells { stripe, page, at: labels.index() * self.stride });
        }
        let mut labels = labels;
        let mut ended = false;
        labels.each_open(&mut |position, value| {
            let ValueSpec::Open { interner, .. } = self.labels[position].values else { return };
            if value.is_overflow() || !interner().is_current(value) {
                self.overflow[position].fetch_add(1, Relaxed);
                labels = labels.without_open(position);
                ended |= !value.is_overflow();
            }
        });
        // Events that come late still happened; a gauge of an object that is gone has no value, and
        // a guard that outlives it must not take from `other` what it never gave.
        if ended && self.metric.kind == Kind::Gauge {
            return None;
        }
        if let Some(cells) = self.activate(labels, stripe, true) {
            return Some(cells);
        }
        self.overflow[self.labels.len()].fetch_add(1, Relaxed);
        self.activate(labels.other(), stripe, false)
    }

    fn activate<L: LabelSet>(&self, labels: L, stripe: usize, within_limit: bool) -> Option<Cells<'_>> {
        let (index, block) = (labels.index(), labels.block());
        let (at, slot) = (index >> self.page_bits, index & ((1 << self.page_bits) - 1));
        let page = self.page(self.stripe(stripe), at)?;
        let mask = &page.first()?.0[0];
        let generation = self.generations.get(block)?;
        let cells = Cells { stripe, page, at: HEADER + slot * self.stride };
        // `other` comes here at every overflow: known already, it needs no lock.
        if generation.load(Acquire) == labels.generation() && mask.load(Relaxed) >> slot & 1 == 1 {
            return Some(cells);
        }
        let mut combinations = self.combinations.lock();
        let mut current = true;
        labels.each_open(&mut |position, value| {
            if let ValueSpec::Open { interner, .. } = self.labels[position].values {
                current &= interner().is_current(value);
            }
        });
        if !current {
            return None;
        }
        if !self.in_use(at, slot) {
            if within_limit && *combinations >= self.limit
                || !self.budget.take(self.series_each(), within_limit)
            {
                return None;
            }
            *combinations += 1;
            // What came late for an earlier owner of the place.
            self.wipe(at, slot);
        }
        generation.store(labels.generation(), Release);
        mask.fetch_or(1 << slot, Release);
        Some(cells)
    }

    fn in_use(&self, page: usize, slot: usize) -> bool {
        self.open_pages(page).any(|page| page[0].0[0].load(Acquire) >> slot & 1 == 1)
    }

    /// The page at `at` in every stripe that has it.
    fn open_pages(&self, at: usize) -> impl Iterator<Item = &[Line]> {
        let pages = self.stripes.iter().filter_map(move |stripe| stripe.get()?.get(at)?.get());
        pages.chain(self.flat.iter().filter_map(Page::get)).map(|page| &**page)
    }

    /// Adds one observation to a histogram.
    #[inline]
    pub(crate) fn observe<L: LabelSet>(&self, labels: L, raw: u64) {
        let stripe = stripe::mine();
        let layout = Layout { stride: self.bounds.len() + 2, page_bits: HISTOGRAM_PAGE_BITS };
        match self.known(labels, stripe, layout) {
            Some(cells) => self.observe_in(&cells, raw),
            None => self.observe_cold(labels, stripe, raw),
        }
    }

    #[cold]
    #[inline(never)]
    fn observe_cold<L: LabelSet>(&self, labels: L, stripe: usize, raw: u64) {
        if let Some(cells) = self.cold(labels, stripe) {
            self.observe_in(&cells, raw);
        }
    }

    #[inline(always)]
    fn observe_in(&self, cells: &Cells<'_>, raw: u64) {
        // A linear search over a dozen bounds beats every cleverer one.
        let bucket = self.bounds.iter().take_while(|bound| raw > **bound).count();
        cells.add(bucket, 1);
        cells.add(self.bounds.len() + 1, raw);
    }

    /// Visits the series in use, in the order of their indices. Takes no lock: recordings go on
    /// meanwhile.
    pub(crate) fn visit(&self, mut series: impl FnMut(usize, &mut Reading<'_>)) {
        let mut sums = vec![0_u64; self.stride];
        // The generation of a block, and the first series after it: a division a block, not a series.
        let (mut block, mut end) = (None, 0);
        for at in 0..self.pages {
            let mut pages: [&[Line]; STRIPES] = [&[]; STRIPES];
            let mut used = 0;
            for page in self.open_pages(at) {
                pages[used] = page;
                used += 1;
            }
            let pages = &pages[..used];
            let first = at << self.page_bits;
            let mut visit = |slot: usize, header: usize| {
                let index = first + slot;
                if index >= end {
                    block = self.generations.get(index / self.closed);
                    end = (index / self.closed + 1) * self.closed;
                }
                let owner = block.map(|generation: &AtomicU64| (generation, generation.load(Acquire)));
                let cells = header + slot * self.stride;
                series(index, &mut Reading { pages, cells, owner, sums: &mut sums });
            };
            if self.open {
                let mut mask = pages.iter().fold(0, |mask, page| mask | page[0].0[0].load(Acquire));
                while mask != 0 {
                    visit(mask.trailing_zeros() as usize, HEADER);
                    mask &= mask - 1;
                }
            } else {
                (0..self.closed).for_each(|slot| visit(slot, 0));
            }
        }
    }

    /// The places of the labels' values in a series' index, in the order of the labels.
    pub(crate) fn radices(&self) -> Vec<Radix> {
        let mut radices = vec![Radix { step: 1, size: 1 }; self.labels.len()];
        let mut step = 1;
        for open in [false, true] {
            for (label, radix) in self.labels.iter().zip(&mut radices).rev() {
                if matches!(label.values, ValueSpec::Open { .. }) == open {
                    *radix = Radix { step, size: label.values.size() };
                    step *= radix.size;
                }
            }
        }
        radices
    }

    /// Overflow so far, by label; the last is that of the limits on combinations.
    pub(crate) fn overflow(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let names =
            self.labels.iter().map(|label| (label.name, matches!(label.values, ValueSpec::Open { .. })));
        let names = names.chain([("combination", self.open)]);
        names
            .zip(&self.overflow)
            .filter(|((_, open), _)| *open)
            .map(|((name, _), count)| (name, count.load(Relaxed)))
    }
}

impl Evict for Family {
    /// Ends every series whose label value `index` of `interner` has ended. The pages stay for the
    /// next owner of the place. A recording that passed the generation check just before can still
    /// land in its cell: it is wiped off before the next owner's first, and the interner lets a
    /// place rest before it has another owner.
    fn evict(&self, interner: &Interner, index: u32) {
        let mut combinations = self.combinations.lock();
        let mut step = open_size(self.labels);
        for label in self.labels {
            let ValueSpec::Open { interner: of_label, .. } = label.values else { continue };
            let size = label.values.size();
            step /= size;
            if !std::ptr::eq(of_label(), interner) {
                continue;
            }
            for block in 0..self.generations.len() {
                if block / step % size == index as usize && self.generations[block].load(Relaxed) != UNSET {
                    *combinations -= self.clear(block).min(*combinations);
                }
            }
        }
    }
}

impl Family {
    /// Ends the series of one block; how many they were.
    fn clear(&self, block: usize) -> u64 {
        self.generations[block].store(UNSET, Relaxed);
        // Pairs with the fence in `Reading::sums`.
        fence(Release);
        let mut ended = 0;
        for index in block * self.closed..(block + 1) * self.closed {
            let (at, slot) = (index >> self.page_bits, index & ((1 << self.page_bits) - 1));
            ended += u64::from(self.in_use(at, slot));
            for page in self.open_pages(at) {
                page[0].0[0].fetch_and(!(1 << slot), Release);
            }
            self.wipe(at, slot);
        }
        self.budget.give(ended * self.series_each());
        ended
    }

    /// Sets the cells of an open series that is not in use to 0.
    fn wipe(&self, at: usize, slot: usize) {
        for page in self.open_pages(at) {
            for offset in 0..self.stride {
                if let Some(cell) = word(page, HEADER + slot * self.stride + offset) {
                    cell.store(0, Relaxed);
                }
            }
        }
    }
}
