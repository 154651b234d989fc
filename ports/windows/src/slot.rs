//! The open pools of this copy of the library: what a thread's end has to tell whom.
//!
//! | `gate` | the slot |
//! |---|---|
//! | `FREE` | is free |
//! | `BUSY` | is being opened, or closed |
//! | `OPEN` + n × `RUNNING` | is an open pool's; n threads run its hook |
//!
//! - **Gate.** What is in the slot does not change while a thread is between [`begin`](Slot::begin)
//!   and the drop of what that returned: `close` shuts the gate by a compare-exchange that succeeds
//!   only if nobody is in. It waits for nobody.

use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use extram_core::{Hooks, Refused};

/// How many pools can be open at once. A process has about as many indices (1,088).
const POOLS: usize = 1024;

const FREE: usize = 0;
const BUSY: usize = 1;
const OPEN: usize = 2;
/// One thread that runs the hook.
const RUNNING: usize = 4;

pub(crate) struct Slot {
    gate: AtomicUsize,
    /// The index of its thread-local value.
    index: AtomicU32,
    pool: AtomicPtr<()>,
    hooks: AtomicPtr<Hooks>,
}

static SLOTS: [Slot; POOLS] = [const {
    Slot {
        gate: AtomicUsize::new(FREE),
        index: AtomicU32::new(0),
        pool: AtomicPtr::new(core::ptr::null_mut()),
        hooks: AtomicPtr::new(core::ptr::null_mut()),
    }
}; POOLS];

/// One past the highest slot that was ever taken: a thread's end looks no further.
static USED: AtomicUsize = AtomicUsize::new(0);

/// Slots that are, or were, some pool's.
pub(crate) fn used() -> &'static [Slot] {
    // Relaxed: a thread that has a value in a slot was let into its pool, and ordered by that.
    &SLOTS[..USED.load(Ordering::Relaxed)]
}

impl Slot {
    /// A slot for a pool whose values are under that index.
    pub(crate) fn open(index: u32, pool: *mut (), hooks: &'static Hooks) -> Result<&'static Slot, Refused> {
        let free = |slot: &&Slot| {
            // Acquire: partner of the release in `close`; what the last owner did is over.
            slot.gate.compare_exchange(FREE, BUSY, Ordering::Acquire, Ordering::Relaxed).is_ok()
        };
        let at = SLOTS.iter().position(|slot| free(&slot)).ok_or(Refused)?;
        let slot = &SLOTS[at];
        slot.index.store(index, Ordering::Relaxed);
        slot.pool.store(pool, Ordering::Relaxed);
        slot.hooks.store(core::ptr::from_ref(hooks).cast_mut(), Ordering::Relaxed);
        USED.fetch_max(at + 1, Ordering::Relaxed);
        // Release: partner of the acquire in `begin`.
        slot.gate.store(OPEN, Ordering::Release);
        Ok(slot)
    }

    /// Shuts the gate, unless somebody is in. The slot is the caller's until it is [`free`](Slot::free).
    pub(crate) fn shut(&self) -> bool {
        // Acquire: partner of the release of those who were in.
        self.gate.compare_exchange(OPEN, BUSY, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// The slot is nobody's.
    pub(crate) fn free(&self) {
        // Release: partner of the acquire in `open`.
        self.gate.store(FREE, Ordering::Release);
    }

    /// Lets the calling thread in, if the slot is an open pool's.
    pub(crate) fn begin(&'static self) -> Option<Inside> {
        let more = |gate: usize| (gate & OPEN != 0).then_some(gate + RUNNING);
        // Acquire: partner of the release in `open`.
        self.gate.fetch_update(Ordering::Acquire, Ordering::Relaxed, more).ok().map(|_| Inside(self))
    }
}

/// A thread that runs the hook of a slot's pool (Invariant Gate).
pub(crate) struct Inside(&'static Slot);

impl Inside {
    pub(crate) fn index(&self) -> u32 {
        self.0.index.load(Ordering::Relaxed)
    }

    /// # Safety
    ///
    /// The value is what the calling thread has stored for that pool.
    pub(crate) unsafe fn at_exit(&self, value: *mut ()) {
        // SAFETY: what `open` stored, which lives for ever (Gate).
        let hooks = unsafe { &*self.0.hooks.load(Ordering::Relaxed) };
        // SAFETY: by the caller's promise, and the pool is open (Gate).
        unsafe { (hooks.at_exit)(self.0.pool.load(Ordering::Relaxed), value) };
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // Release: partner of the acquire in `shut`.
        self.0.gate.fetch_sub(RUNNING, Ordering::Release);
    }
}
