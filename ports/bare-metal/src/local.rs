//! One thread-local word per pool, with a hook that runs when a thread ends.
//!
//! Each thread has [`LOCALS`](crate::LOCALS) pairs of words in its block, and an open pool owns one
//! of the pairs on every thread. The first word of a pair says which *incarnation* of a pool wrote
//! the second; a value that an earlier pool left behind does not match and counts as null. So
//! opening a pool needs no walk over all threads.
//!
//! # Invariants
//!
//! - **Pair.** While a slot is used, its incarnation is that of one open `Local`, and no number is
//!   given out twice (it would take 2^32 openings).
//! - **Gate.** The hook of a slot runs between a successful [`Slot::begin`] and [`Slot::end`]. `close`
//!   shuts the gate and waits until nobody is in: both are read-modify-writes on one word, so one of
//!   the two sees the other.

use crate::{Block, LOCALS};
use extram_core::sync::{AtomicPtr, AtomicU32, Ordering, compiler_fence};
use extram_core::{AtExit, Refused};

/// A thread's two words for one pool.
#[derive(Debug)]
pub(crate) struct Pair {
    incarnation: AtomicU32,
    value: AtomicPtr<()>,
}

impl Pair {
    pub(crate) const fn new() -> Self {
        Pair { incarnation: AtomicU32::new(0), value: AtomicPtr::new(core::ptr::null_mut()) }
    }

    pub(crate) fn clear(&self) {
        self.value.store(core::ptr::null_mut(), Ordering::Relaxed);
        self.incarnation.store(0, Ordering::Relaxed);
    }

    fn get(&self, incarnation: u32) -> *mut () {
        if self.incarnation.load(Ordering::Relaxed) == incarnation {
            self.value.load(Ordering::Relaxed)
        } else {
            core::ptr::null_mut()
        }
    }

    fn set(&self, incarnation: u32, value: *mut ()) {
        if self.incarnation.load(Ordering::Relaxed) != incarnation {
            self.value.store(core::ptr::null_mut(), Ordering::Relaxed);
            // A handler that comes here must not find the new incarnation with the old value.
            compiler_fence(Ordering::Release);
            self.incarnation.store(incarnation, Ordering::Relaxed);
            compiler_fence(Ordering::Release);
        }
        self.value.store(value, Ordering::Relaxed);
    }
}

/// What all threads' pairs of the same index have in common.
struct Slot {
    /// [`USED`] and [`OPEN`], and how many threads run the hook.
    gate: AtomicU32,
    incarnation: AtomicU32,
    at_exit: AtomicPtr<()>,
    pool: AtomicPtr<()>,
}

/// In `gate`: belongs to a `Local`.
const USED: u32 = 1 << 31;
/// In `gate`: hooks may run.
const OPEN: u32 = 1 << 30;

static SLOTS: [Slot; LOCALS] = [const {
    Slot {
        gate: AtomicU32::new(0),
        incarnation: AtomicU32::new(0),
        at_exit: AtomicPtr::new(core::ptr::null_mut()),
        pool: AtomicPtr::new(core::ptr::null_mut()),
    }
}; LOCALS];

static LAST_INCARNATION: AtomicU32 = AtomicU32::new(0);

impl Slot {
    /// Goes in at the gate, if it is open.
    fn begin(&self) -> bool {
        let mut gate = self.gate.load(Ordering::Relaxed);
        while gate & OPEN != 0 {
            // Acquire: partner of the release in `open`; the hook and the incarnation are there.
            match self.gate.compare_exchange_weak(gate, gate + 1, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => gate = now,
            }
        }
        false
    }

    fn end(&self) {
        // Release: partner of the acquire in `close`; all that the hook did comes before.
        self.gate.fetch_sub(1, Ordering::Release);
    }
}

/// Runs the hooks of all open pools for which this thread has a value.
pub(crate) fn run_hooks(block: &Block) {
    for (slot, pair) in SLOTS.iter().zip(&block.pairs) {
        if !slot.begin() {
            continue;
        }
        let value = pair.get(slot.incarnation.load(Ordering::Relaxed));
        if !value.is_null() {
            let hook = slot.at_exit.load(Ordering::Relaxed);
            // SAFETY: stored by `open`, before the gate was opened (Gate).
            let hook = unsafe { core::mem::transmute::<*mut (), AtExit>(hook) };
            // SAFETY: the thread's own value of that pool (Pair), which is not closed (Gate).
            unsafe { hook(slot.pool.load(Ordering::Relaxed), value) };
        }
        slot.end();
    }
}

/// A pool's thread-local word: which pair it has.
#[derive(Debug)]
pub struct Local {
    slot: AtomicU32,
    /// 0 = not open.
    incarnation: AtomicU32,
}

impl Local {
    pub(crate) const fn new() -> Self {
        Local { slot: AtomicU32::new(0), incarnation: AtomicU32::new(0) }
    }

    pub(crate) fn open(&self, pool: *mut (), at_exit: AtExit) -> Result<(), Refused> {
        // Acquire: partner of the release at the end of `close`.
        let free =
            |slot: &Slot| slot.gate.compare_exchange(0, USED, Ordering::Acquire, Ordering::Relaxed).is_ok();
        let index = SLOTS.iter().position(free).ok_or(Refused)?;
        // Relaxed: any number that nobody else has will do.
        let incarnation = LAST_INCARNATION.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let slot = &SLOTS[index];
        slot.pool.store(pool, Ordering::Relaxed);
        slot.at_exit.store(at_exit as *mut (), Ordering::Relaxed);
        slot.incarnation.store(incarnation, Ordering::Relaxed);
        // Release: partner of the acquire in `begin`.
        slot.gate.fetch_or(OPEN, Ordering::Release);
        self.slot.store(index as u32, Ordering::Relaxed);
        // Relaxed: threads learn of an open pool through the pool's own word.
        self.incarnation.store(incarnation, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn close(&self, relax: fn()) {
        if self.incarnation.swap(0, Ordering::Relaxed) == 0 {
            return;
        }
        let slot = &SLOTS[self.slot.load(Ordering::Relaxed) as usize];
        slot.gate.fetch_and(!OPEN, Ordering::Relaxed);
        // Acquire: partner of the release in `end`.
        while slot.gate.load(Ordering::Acquire) != USED {
            relax();
        }
        // Release: partner of the acquire in `open`.
        slot.gate.store(0, Ordering::Release);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.incarnation.load(Ordering::Relaxed) != 0
    }

    #[inline]
    pub(crate) fn get(&self, block: &Block) -> *mut () {
        // A pool that is not open has incarnation 0, and no pair has a value with that.
        block.pairs[self.index()].get(self.incarnation.load(Ordering::Relaxed))
    }

    #[inline]
    pub(crate) fn set(&self, block: &Block, value: *mut ()) -> Result<(), Refused> {
        match self.incarnation.load(Ordering::Relaxed) {
            0 => Err(Refused),
            incarnation => {
                block.pairs[self.index()].set(incarnation, value);
                Ok(())
            }
        }
    }

    /// Masked, so that no bounds check (and no panic) is left in the code.
    #[inline]
    fn index(&self) -> usize {
        const { assert!(LOCALS.is_power_of_two()) };
        self.slot.load(Ordering::Relaxed) as usize % LOCALS
    }
}
