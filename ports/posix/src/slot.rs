//! The open pools of this copy of the library: what a thread's end and a fork have to tell whom.
//!
//! Each open pool has a slot. Its `gate` is all that decides; the other words are written while the
//! slot is one thread's own, and read by those whom the gate has let in.
//!
//! | `gate` | the slot |
//! |---|---|
//! | 0 | is free |
//! | a thread's token, `OPENING` | that thread is opening a pool |
//! | n, a generation, `OPEN` | is an open pool's; n threads run its hook |
//! | a thread's token, `CLOSING` | that thread is closing the pool |
//!
//! The low four bits of a token are 0, so they can say which line it is.
//!
//! - **Gate.** What is in the slot does not change while a thread is between
//!   [`begin`](Slot::begin) and the drop of what that returned: `close` shuts the gate by a
//!   compare-exchange that succeeds only if nobody is in. It waits for nobody.
//!
//! - **Child.** In a forked child a slot is free, open, or in the hands of the thread that
//!   forked (in a signal handler that interrupted it) once [`settle`](Slot::settle) has been called
//!   for it. A thread that vanished while it opened a pool has not opened it; one that vanished while
//!   it closed a pool has closed it. Threads that vanished in a hook are not counted any more, nor is
//!   the one that forked: the generation, which is the number of forks, tells it that its own count is
//!   gone.

use crate::local::Local;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use extram_core::{Hooks, Refused};

/// How many pools can be open at once. Few in Miri, which looks at all of a static each time that it is used.
pub(crate) const POOLS: usize = if cfg!(miri) { 64 } else { 1024 };

const TAG: usize = 15;
const OPENING: usize = 1;
const OPEN: usize = 2;
const CLOSING: usize = 3;
/// One step of the generation, which has the eight bits above the tag.
const GENERATION: usize = 1 << 4;
const GENERATIONS: usize = 0xff * GENERATION;
/// One thread that runs the hook.
const RUNNING: usize = GENERATION << 8;

fn generation() -> usize {
    crate::fork::forks().wrapping_mul(GENERATION) & GENERATIONS
}

pub(crate) struct Slot {
    gate: AtomicUsize,
    /// Which opening this is; no two have the same.
    incarnation: AtomicUsize,
    local: AtomicPtr<Local>,
    pool: AtomicPtr<()>,
    hooks: AtomicPtr<Hooks>,
}

pub(crate) static SLOTS: [Slot; POOLS] = [const {
    Slot {
        gate: AtomicUsize::new(0),
        incarnation: AtomicUsize::new(0),
        local: AtomicPtr::new(core::ptr::null_mut()),
        pool: AtomicPtr::new(core::ptr::null_mut()),
        hooks: AtomicPtr::new(core::ptr::null_mut()),
    }
}; POOLS];

/// Takes a free slot for the calling thread, the first there is: low numbers keep what a thread
/// stores close together. Its index.
pub(crate) fn claim() -> Result<usize, Refused> {
    let opening = crate::thread::token() | OPENING;
    let free = |slot: &Slot| {
        // Acquire: partner of the release in `free`.
        slot.gate.compare_exchange(0, opening, Ordering::Acquire, Ordering::Relaxed).is_ok()
    };
    SLOTS.iter().position(free).ok_or(Refused)
}

impl Slot {
    /// Writes what is in it. After `claim`, before `open`.
    pub(crate) fn fill(
        &self,
        incarnation: usize,
        local: &'static Local,
        pool: *mut (),
        hooks: &'static Hooks,
    ) {
        // Relaxed: published by `open`, or read in a forked child by its one thread.
        self.local.store(core::ptr::from_ref(local).cast_mut(), Ordering::Relaxed);
        self.pool.store(pool, Ordering::Relaxed);
        self.hooks.store(core::ptr::from_ref(hooks).cast_mut(), Ordering::Relaxed);
        self.incarnation.store(incarnation, Ordering::Relaxed);
    }

    /// From now on the hooks are called.
    pub(crate) fn open(&self) {
        // Release: partner of the acquire in `begin`. A store: it is the opener's own.
        self.gate.store(generation() | OPEN, Ordering::Release);
    }

    /// Gives a slot back that is the calling thread's own, by `claim` or `close`.
    pub(crate) fn free(&self) {
        self.local.store(core::ptr::null_mut(), Ordering::Relaxed);
        // Release: partner of the acquire in `claim`.
        self.gate.store(0, Ordering::Release);
    }

    /// Shuts the gate: from now on the slot is the calling thread's own. `false` if a hook runs;
    /// then nothing has changed.
    pub(crate) fn close(&self) -> bool {
        let closing = crate::thread::token() | CLOSING;
        // Relaxed: if it is wrong, the exchange fails.
        let mut gate = self.gate.load(Ordering::Relaxed);
        while gate & TAG == OPEN && gate < RUNNING {
            // Acquire: partner of the release in `end`; all that hooks did comes before.
            match self.gate.compare_exchange(gate, closing, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                // Somebody went in, or out again.
                Err(now) => gate = now,
            }
        }
        false
    }

    /// Goes in at the gate, if it is open.
    pub(crate) fn begin(&self) -> Option<Inside<'_>> {
        let mut gate = self.gate.load(Ordering::Relaxed);
        while gate & TAG == OPEN {
            // Acquire: partner of the release in `open`.
            match self.gate.compare_exchange_weak(gate, gate + RUNNING, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return Some(Inside { slot: self, generation: gate & GENERATIONS }),
                Err(now) => gate = now,
            }
        }
        None
    }

    /// Whether it is open, and this is the opening.
    pub(crate) fn is(&self, incarnation: usize) -> bool {
        // Relaxed: asked by a thread about its own value. If that pool is being closed, either
        // answer is right.
        self.gate.load(Ordering::Relaxed) & TAG == OPEN
            && self.incarnation.load(Ordering::Relaxed) == incarnation
    }

    /// Whether it is free. For tests.
    #[cfg(test)]
    pub(crate) fn is_free(&self) -> bool {
        self.gate.load(Ordering::Relaxed) == 0
    }

    /// Whether somebody is closing it. For tests.
    #[cfg(all(test, not(miri)))]
    pub(crate) fn is_half_closed(&self) -> bool {
        self.gate.load(Ordering::Relaxed) & TAG == CLOSING
    }

    /// In a forked child, for its one thread: Invariant Child. What to call then, if a pool was open
    /// here, or being closed.
    pub(crate) fn settle(&self) -> Option<(&'static Hooks, *mut ())> {
        // Relaxed, here and below: one thread.
        let gate = self.gate.load(Ordering::Relaxed);
        let mine = gate & !TAG == crate::thread::token();
        // SAFETY: null, or what `fill` stored; its lifetime does not end.
        let hooks = unsafe { self.hooks.load(Ordering::Relaxed).as_ref() };
        let told = hooks.map(|hooks| (hooks, self.pool.load(Ordering::Relaxed)));
        match gate & TAG {
            OPENING if !mine => {
                self.abandon();
                None
            }
            CLOSING if !mine => {
                self.abandon();
                told
            }
            CLOSING => told,
            OPEN => {
                self.gate.store(generation() | OPEN, Ordering::Relaxed);
                told
            }
            _ => None,
        }
    }

    /// Its owner has vanished half way, to or from an open pool: there is none.
    fn abandon(&self) {
        // SAFETY: null, or what `fill` stored: whoever opens or closes a pool has not returned, so the
        // pool's memory is there.
        if let Some(local) = unsafe { self.local.load(Ordering::Relaxed).as_ref() } {
            local.abandon();
        }
        extram_elf_tls::disown(self.incarnation.load(Ordering::Relaxed));
        self.free();
    }
}

/// A thread that has gone in at the gate.
pub(crate) struct Inside<'a> {
    slot: &'a Slot,
    generation: usize,
}

impl Inside<'_> {
    pub(crate) fn is(&self, incarnation: usize) -> bool {
        // Relaxed: Invariant Gate.
        self.slot.incarnation.load(Ordering::Relaxed) == incarnation
    }

    /// Tells the pool that the calling thread ends.
    ///
    /// # Safety
    ///
    /// `value` is what the thread stored for the pool that has the slot now.
    pub(crate) unsafe fn at_exit(&self, value: *mut ()) {
        // Relaxed: Invariant Gate.
        let pool = self.slot.pool.load(Ordering::Relaxed);
        // SAFETY: what `fill` stored before the gate was opened.
        let hooks = unsafe { &*self.slot.hooks.load(Ordering::Relaxed) };
        // SAFETY: the contract of `Hooks`: the pool is not closed (Invariant Gate), and the value is
        // its own by the caller's promise.
        unsafe { (hooks.at_exit)(pool, value) };
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let gate = &self.slot.gate;
        let mut now = gate.load(Ordering::Relaxed);
        // In a child that was forked in the hook, the count is gone (Invariant Child).
        while now & TAG == OPEN && now & GENERATIONS == self.generation {
            // Release: partner of the acquire in `close`.
            match gate.compare_exchange_weak(now, now - RUNNING, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(changed) => now = changed,
            }
        }
    }
}
