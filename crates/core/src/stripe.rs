//! Which cells a thread adds into.
//!
//! The first few threads that record have a stripe of their own: nobody else writes to its cells, so
//! that adding is a load and a store, without the locked instruction that everything else would cost.
//! The others share stripes and add atomically. A thread that ends leaves its stripe, with what is in
//! it, to the next one.

use std::cell::{Cell, OnceCell};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};

/// Stripes that threads share. The first is also the one that is set.
const SHARED: usize = 4;
/// Stripes that belong to one thread at a time.
const OWNED: usize = 4;
/// All of them: what bounds a family's memory.
pub(crate) const STRIPES: usize = SHARED + OWNED;

thread_local! {
    /// The thread's stripe; none that exists until it is chosen.
    static MINE: Cell<usize> = const { Cell::new(STRIPES) };
    static OWNERSHIP: OnceCell<Ownership> = const { OnceCell::new() };
}

static TAKEN: [AtomicBool; OWNED] = [const { AtomicBool::new(false) }; OWNED];

/// Gives the stripe back when the thread ends.
struct Ownership(usize);

impl Drop for Ownership {
    fn drop(&mut self) {
        // What the thread still records while it ends goes to a shared stripe.
        MINE.set(0);
        // Pairs with the acquisition: the next owner sees the last values.
        TAKEN[self.0].store(false, Release);
    }
}

/// The calling thread's stripe, or [`STRIPES`] before [`choose`].
#[inline(always)]
pub(crate) fn mine() -> usize {
    MINE.get()
}

/// Chooses a stripe for the calling thread.
#[cold]
pub(crate) fn choose() -> usize {
    let free = (0..OWNED).find(|at| TAKEN[*at].compare_exchange(false, true, Acquire, Relaxed).is_ok());
    let owned = free.and_then(|at| {
        let ownership = Ownership(at);
        // Refused only while the thread ends; the stripe is then free again.
        OWNERSHIP.try_with(move |own| own.set(ownership).is_ok()).unwrap_or(false).then_some(SHARED + at)
    });
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let stripe = owned.unwrap_or_else(|| NEXT.fetch_add(1, Relaxed) % SHARED);
    MINE.set(stripe);
    stripe
}

/// Adds to a cell of a stripe. Whoever sees the sum has seen what came before it: a gauge is read
/// over several stripes.
#[inline(always)]
pub(crate) fn add(stripe: usize, cell: &AtomicU64, n: u64) {
    if stripe >= SHARED {
        cell.store(cell.load(Relaxed).wrapping_add(n), Release);
    } else {
        cell.fetch_add(n, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_threads_own_a_stripe_and_ended_ones_leave_theirs() {
        for _ in 0..3 {
            let barrier = &std::sync::Barrier::new(8);
            let stripes = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..8)
                    .map(|_| {
                        scope.spawn(move || {
                            let stripe = choose();
                            barrier.wait();
                            stripe
                        })
                    })
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
            });
            for stripe in SHARED..STRIPES {
                assert!(stripes.iter().filter(|own| **own == stripe).count() <= 1, "{stripes:?}");
            }
        }
        // All threads have ended: whoever comes finds a free one, unless another test has it.
        let taken = TAKEN.iter().filter(|taken| taken.load(Acquire)).count();
        assert!(taken < OWNED, "{taken}");
    }
}
