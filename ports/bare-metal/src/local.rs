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
//!   given out twice: after 2^32 - 1 openings there is no other.
//! - **Gate.** The hook of a slot runs between a successful [`Slot::begin`] and [`Slot::end`]. `close`
//!   shuts the gate by a compare-exchange that succeeds only if nobody is in. It waits for nobody.

use crate::{Block, LOCALS};
use extram_core::sync::{AtomicPtr, AtomicU32, Ordering, compiler_fence};
use extram_core::{Hooks, Refused};

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
    hooks: AtomicPtr<Hooks>,
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
        hooks: AtomicPtr::new(core::ptr::null_mut()),
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
            // SAFETY: stored by `open`, before the gate was opened (Gate).
            let hooks = unsafe { &*slot.hooks.load(Ordering::Relaxed) };
            // SAFETY: the thread's own value of that pool (Pair), which is not closed (Gate).
            unsafe { (hooks.at_exit)(slot.pool.load(Ordering::Relaxed), value) };
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

    pub(crate) fn open(&self, pool: *mut (), hooks: &'static Hooks) -> Result<(), Refused> {
        // Relaxed: any number that nobody else has will do.
        let last =
            LAST_INCARNATION.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| last.checked_add(1));
        let incarnation = last.map_err(|_| Refused)? + 1;
        // Acquire: partner of the release at the end of `close`.
        let free =
            |slot: &Slot| slot.gate.compare_exchange(0, USED, Ordering::Acquire, Ordering::Relaxed).is_ok();
        let index = SLOTS.iter().position(free).ok_or(Refused)?;
        let slot = &SLOTS[index];
        slot.pool.store(pool, Ordering::Relaxed);
        slot.hooks.store(core::ptr::from_ref(hooks).cast_mut(), Ordering::Relaxed);
        slot.incarnation.store(incarnation, Ordering::Relaxed);
        self.slot.store(index as u32, Ordering::Relaxed);
        // Relaxed: threads learn of an open pool through the pool's own word.
        self.incarnation.store(incarnation, Ordering::Relaxed);
        // Release: partner of the acquire in `begin`. A store: the slot is the opener's own.
        slot.gate.store(USED | OPEN, Ordering::Release);
        Ok(())
    }

    pub(crate) fn close(&self) -> bool {
        if !self.is_open() {
            return true;
        }
        let slot = &SLOTS[self.index()];
        // Acquire: partner of the release in `end`. By Gate.
        if slot.gate.compare_exchange(USED | OPEN, USED, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return false;
        }
        self.incarnation.store(0, Ordering::Relaxed);
        // Release: partner of the acquire in `open`.
        slot.gate.store(0, Ordering::Release);
        true
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
            0 if value.is_null() => Ok(()),
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

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::sync::{Mutex, MutexGuard};
    use std::vec::Vec;

    /// What the hook was told, by pool.
    static TOLD: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

    unsafe extern "C" fn at_exit(pool: *mut (), value: *mut ()) {
        TOLD.lock().unwrap().push((pool.addr(), value.addr()));
    }

    /// Closes its own pool, which is refused.
    unsafe extern "C" fn closing(pool: *mut (), _value: *mut ()) {
        // SAFETY: the address that the test gave.
        let local: &Local = unsafe { &*pool.cast() };
        assert!(!local.close() && !local.close() && local.is_open());
        TOLD.lock().unwrap().push((1, 1));
    }

    unsafe extern "C" fn in_child(_pool: *mut ()) {}

    static HOOKS: Hooks = Hooks { at_exit, in_child };
    static CLOSING: Hooks = Hooks { at_exit: closing, in_child };

    fn pointer(address: usize) -> *mut () {
        core::ptr::without_provenance_mut(address)
    }

    fn alone() -> MutexGuard<'static, ()> {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let alone = ONE_AT_A_TIME.lock().unwrap();
        TOLD.lock().unwrap().clear();
        alone
    }

    fn told() -> Vec<(usize, usize)> {
        TOLD.lock().unwrap().clone()
    }

    #[test]
    fn one_pool_too_many_is_refused() {
        let _alone = alone();
        let locals = [const { Local::new() }; LOCALS + 1];
        let block = Block::new();
        for (at, local) in locals[..LOCALS].iter().enumerate() {
            local.open(pointer(at + 1), &HOOKS).unwrap();
            local.set(&block, pointer(10 * (at + 1))).unwrap();
        }
        let refused = &locals[LOCALS];
        assert_eq!(refused.open(pointer(9), &HOOKS), Err(Refused));
        assert!(refused.get(&block).is_null() && refused.set(&block, pointer(1)).is_err());
        assert!(refused.set(&block, pointer(0)).is_ok() && refused.close());
        block.exit();
        assert_eq!(told(), [(1, 10), (2, 20), (3, 30), (4, 40)]);
        assert!(locals.iter().all(Local::close) && locals.iter().all(|local| !local.is_open()));
    }

    #[test]
    fn close_is_refused_while_a_hook_runs_and_fine_afterwards() {
        let _alone = alone();
        let local = Local::new();
        let block = Block::new();
        local.open(core::ptr::from_ref(&local).cast_mut().cast(), &CLOSING).unwrap();
        local.set(&block, pointer(5)).unwrap();
        block.exit();
        assert_eq!(told(), [(1, 1)]);
        assert!(local.close() && !local.is_open() && local.close());
    }

    #[test]
    fn a_value_of_a_closed_pool_reaches_nobody() {
        let _alone = alone();
        let local = Local::new();
        let block = Block::new();
        local.open(pointer(1), &HOOKS).unwrap();
        local.set(&block, pointer(10)).unwrap();
        assert!(local.close());
        local.open(pointer(1), &HOOKS).unwrap();
        assert!(local.get(&block).is_null());
        block.exit();
        assert_eq!(told(), []);
        assert!(local.close());
    }
}
