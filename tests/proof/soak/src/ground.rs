//! The runtime under the soak's pools.

use extram::{Event, M, Native, Pool, Port, Runtime};
use std::cell::Cell;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize};
use std::time::{Duration, Instant};

/// Counts contexts, and breaks creations.
#[derive(Debug, Default)]
pub struct Ground {
    /// What making a context takes.
    pub cost: Duration,
    /// So many more creations fail.
    pub failing: AtomicU32,
    /// Creations that failed.
    pub failed: AtomicU64,
    /// Contexts made.
    pub made: AtomicU64,
    /// Contexts that exist, and the most of them at once.
    pub alive: AtomicU32,
    /// See `alive`.
    pub most: AtomicU32,
    /// Ms in two hands, or used when they were dropped.
    pub double_issues: AtomicU64,
    /// Entries that the contexts have counted, of those that are gone.
    pub entries: AtomicU64,
    /// The pool, for a runtime that calls in.
    pub pool: AtomicPtr<Pool<Ground>>,
    /// How often a function of it could have called in.
    pub chances: AtomicU64,
    /// Its calls that were outermost, and those that were nested.
    pub own: [AtomicU64; 2],
}

thread_local! {
    /// In a handler, or in a function of the runtime that calls in already.
    static HERE: Cell<bool> = const { Cell::new(false) };
}

/// Runs a handler, in which functions of the runtime do not call in: they would allocate.
pub fn in_handler(f: impl FnOnce()) {
    let before = HERE.replace(true);
    f();
    HERE.set(before);
}

impl Ground {
    /// Calls in, now and then, from the function of the runtime that calls this.
    fn reenter(&self) {
        // SAFETY: null, or the pool whose runtime this is.
        let Some(pool) = (unsafe { self.pool.load(SeqCst).as_ref() }) else { return };
        if HERE.get() || !self.chances.fetch_add(1, SeqCst).is_multiple_of(61) {
            return;
        }
        HERE.set(true);
        if let Ok(m) = pool.try_enter() {
            self.own[alone(self, &m, || ()).0 as usize].fetch_add(1, SeqCst);
        }
        HERE.set(false);
    }
}

const ALIVE: u32 = 0x600d_600d;
const DEAD: u32 = 0xdead_dead;

/// What an M carries.
#[derive(Debug)]
pub struct Ticket {
    /// The token of the thread inside.
    owner: AtomicUsize,
    life: AtomicU32,
    /// Entries with this M. No atomic: a second holder would make the sum wrong.
    entries: Cell<u64>,
    ground: *const Ground,
}

// SAFETY: the ground outlives its pool, which outlives its contexts.
unsafe impl Send for Ticket {}

impl Drop for Ticket {
    fn drop(&mut self) {
        // SAFETY: see above.
        let ground = unsafe { &*self.ground };
        ground.reenter();
        let life = self.life.swap(DEAD, SeqCst);
        if life != ALIVE || self.owner.load(SeqCst) != 0 {
            ground.double_issues.fetch_add(1, SeqCst);
        }
        ground.entries.fetch_add(self.entries.get(), SeqCst);
        ground.alive.fetch_sub(1, SeqCst);
    }
}

impl Runtime for Ground {
    type Context = Ticket;
    type Error = ();

    fn new_context(&self) -> Result<Ticket, ()> {
        self.reenter();
        let end = Instant::now() + self.cost;
        while !self.cost.is_zero() && Instant::now() < end {
            std::hint::spin_loop();
        }
        // Relaxed: a number that tests set.
        if self.failing.fetch_update(Relaxed, Relaxed, |failing| failing.checked_sub(1)).is_ok() {
            self.failed.fetch_add(1, SeqCst);
            return Err(());
        }
        self.made.fetch_add(1, SeqCst);
        let alive = self.alive.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(alive, SeqCst);
        let ground = core::ptr::from_ref(self);
        Ok(Ticket { owner: AtomicUsize::new(0), life: AtomicU32::new(ALIVE), entries: Cell::new(0), ground })
    }

    fn failed(&self, (): ()) {
        self.reenter();
    }

    fn admit(&self, _: &M<Self>) {
        self.reenter();
    }

    fn retire(&self, _: &M<Self>) {
        self.reenter();
    }

    fn observe(&self, _: Event) {
        self.reenter();
    }
}

/// An outermost call or one within it, as the pool has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// The first.
    Outermost,
    /// A further one.
    Nested,
}

/// Runs `f` inside a call and checks that the M is in nobody else's hands. May run in a signal
/// handler.
pub fn alone<T>(ground: &Ground, m: &M<Ground>, f: impl FnOnce() -> T) -> (Call, T) {
    let ticket = m.context();
    let call = if m.depth() == 1 { Call::Outermost } else { Call::Nested };
    let me = Native::thread_token();
    let before = ticket.owner.swap(me, SeqCst);
    let mine = before == 0 || (before == me && call == Call::Nested);
    if !mine || ticket.life.load(SeqCst) != ALIVE {
        ground.double_issues.fetch_add(1, SeqCst);
    }
    if call == Call::Outermost {
        ticket.entries.set(ticket.entries.get() + 1);
    }
    let result = f();
    if ticket.owner.swap(before, SeqCst) != me {
        ground.double_issues.fetch_add(1, SeqCst);
    }
    (call, result)
}
