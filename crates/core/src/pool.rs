//! The pool: its configuration, and its life from `start` to `close`.

#[cfg(not(loom))]
use crate::Slots;
use crate::enter::at_exit;
use crate::hold::{self, PLAIN, REVOKED, WANTED};
use crate::list::{List, Taken};
use crate::m::{BARE, LAST};
use crate::port::Port;
use crate::sync::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
#[cfg(not(loom))]
use crate::table::FixedSlots;
use crate::table::Table;
use crate::{Busy, M, Runtime, StartError};

/// How long an M stays with a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Binding {
    /// Until the thread exits, or `unbind`s: every call after the first is one thread-local read.
    /// Where the port has no exit hook it is as `Call`.
    #[default]
    Thread,
    /// Until the end of the call.
    Call,
}

/// Spare Ms for threads that the runtime did not create.
///
/// A pool lives in a `static` (or is leaked), because threads that it knows nothing of refer to it:
///
/// ```ignore
/// static POOL: Pool<MyRuntime> = Pool::new(MyRuntime);
///
/// POOL.start()?;
/// // on any thread, created by whomever:
/// let sum = POOL.callback(|m| m.context().add(1, 2))?;
/// ```
///
/// Unless its documentation says otherwise, a function may be called by any thread, in
/// thread-local destructors and before `main` too, but not in signal or interrupt handlers: those
/// have [`enter_from_signal`](Pool::enter_from_signal), [`ms`](Pool::ms) and
/// [`stats`](Pool::stats).
pub struct Pool<R: Runtime, P: Port> {
    pub(crate) list: List,
    pub(crate) table: Table<R, P>,
    pub(crate) local: P::Local,
    pub(crate) runtime: R,
    pub(crate) limit: u32,
    binding: Binding,
    /// How threads are bound, settled by `start`: the flags below.
    mode: AtomicU32,
    /// One of the states below.
    phase: AtomicU32,
    /// The token of the thread that is in `start` or `close`; 0 = none.
    switching: AtomicUsize,
    pub(crate) failures: AtomicU32,
    /// In a forked child: whoever would make the next M has vanished (see `adopt`).
    orphaned: AtomicBool,
}

// SAFETY: the runtime is `Sync`; contexts, which are `Send`, are reached by one holder at a time
// (Invariant Hold); everything else is atomic.
unsafe impl<R: Runtime, P: Port> Sync for Pool<R, P> {}

// A panic in a callback leaves the pool whole: the guard leaves. What it does to a context is the
// runtime's business.
impl<R: Runtime + core::panic::RefUnwindSafe, P: Port> core::panic::RefUnwindSafe for Pool<R, P> {}

/// Never started.
const FRESH: u32 = 0;
/// Open, or closed but not to the end.
const STARTED: u32 = 1;
/// Closed to the end.
const CLOSED: u32 = 2;

/// In `mode`: an M stays with its thread.
const BINDS: u32 = 1;
/// In `mode`: the plain way (see [`crate::hold`]).
const BINDS_PLAINLY: u32 = 2;
/// In `mode`: an idle bound M can be taken back for a waiter.
const TAKES_BACK: u32 = 4;

/// As many Ms as are needed.
const UNLIMITED: u32 = u32::MAX;

impl<R: Runtime, P: Port> Pool<R, P> {
    const_unless_loom! {
        /// A pool that makes its Ms on the heap, as many as are needed. It has none before
        /// [`start`](Pool::start).
        ///
        /// The memory of its Ms goes with the pool, which nobody drops if it is a static: a shared
        /// library that is unloaded leaves it behind, unless its destructor drops the pool, or the
        /// pool has its memory from [`with_slots`](Pool::with_slots).
        #[cfg(feature = "alloc")]
        pub fn new(runtime: R) -> Self {
            Self::over(runtime, Table::new(None))
        }
    }

    /// A pool that has room for `N` Ms and needs no allocator.
    #[cfg(not(loom))]
    pub const fn with_slots<const N: usize>(runtime: R, slots: &'static Slots<R, N>) -> Self {
        Self::over(runtime, Table::new(Some(slots.borrow())))
    }

    /// The same with memory whose size is known only at run time: room for as many Ms as it has
    /// elements.
    #[cfg(not(loom))]
    pub fn with_memory(runtime: R, memory: &'static mut [core::mem::MaybeUninit<M<R>>]) -> Self {
        Self::over(runtime, Table::new(Some(FixedSlots::fill(memory))))
    }

    const_unless_loom! {
        fn over(runtime: R, table: Table<R, P>) -> Self {
            Pool {
                list: List::new(),
                table,
                local: P::LOCAL,
                runtime,
                limit: UNLIMITED,
                binding: Binding::Thread,
                mode: AtomicU32::new(0),
                phase: AtomicU32::new(FRESH),
                switching: AtomicUsize::new(0),
                failures: AtomicU32::new(0),
                orphaned: AtomicBool::new(false),
            }
        }
    }

    const_unless_loom! {
        /// Never more than `max` Ms at once. A limit of 0 cannot be started.
        pub fn limit(mut self, max: u32) -> Self {
            self.limit = max;
            self
        }
    }

    const_unless_loom! {
        /// How long an M stays with a thread.
        pub fn binding(mut self, binding: Binding) -> Self {
            self.binding = binding;
            self
        }
    }

    /// The runtime that the pool was made with.
    pub fn runtime(&self) -> &R {
        &self.runtime
    }

    /// Makes the first M and lets threads in. A pool that was closed can be started again.
    ///
    /// # Errors
    ///
    /// See [`StartError`]. The pool is as before.
    pub fn start(&'static self) -> Result<(), StartError> {
        let _switching = Switching::begin::<P>(&self.switching).ok_or(StartError::AlreadyStarted)?;
        if self.phase.load(Ordering::Relaxed) == STARTED {
            return Err(StartError::AlreadyStarted);
        }
        if !self.table.claim_slots() {
            return Err(StartError::SlotsInUse);
        }
        self.failures.store(0, Ordering::Relaxed);
        self.orphaned.store(false, Ordering::Relaxed);
        let mode = match (self.binding, self.unlimited()) {
            (Binding::Call, _) => 0,
            (Binding::Thread, true) if P::HAS_HEAVY_BARRIER && P::heavy_barrier_init() => {
                BINDS | BINDS_PLAINLY
            }
            (Binding::Thread, true) => BINDS,
            (Binding::Thread, false) => BINDS | TAKES_BACK,
        };
        // Relaxed: published by `open`, and constant from then on.
        self.mode.store(mode, Ordering::Relaxed);
        let starting = Starting(self);
        let this: *mut () = (&raw const *self).cast_mut().cast();
        // Refused thread-local storage is no error: the port then answers null, and calls are
        // unbound.
        let open = || _ = P::tls_open(&self.local, this, at_exit::<R, P>);
        if P::FORKS {
            // Before the first M is made, which may take its time while other threads fork.
            open();
            P::fork_hook(&self.local, in_forked_child::<R, P>, this);
        }
        self.make_first()?;
        if !P::FORKS {
            // After it: a start that fails has nothing to close.
            open();
        }
        core::mem::forget(starting);
        // Relaxed: read by those who were turned away, to tell why; `open` is what lets them in.
        self.phase.store(STARTED, Ordering::Relaxed);
        self.list.open();
        Ok(())
    }

    /// Turns newcomers away with [`EnterError::Closed`](crate::EnterError) and wakes waiters with
    /// it. Once no M is in use, drops every context, and from then on nothing of the pool is
    /// touched by the threads that used it, not even when they exit: its memory, and the code of
    /// `Runtime`, may go.
    ///
    /// Closing a pool that was never started, or is closed, does nothing.
    ///
    /// # Errors
    ///
    /// [`Busy`] while an M is in use or being made, or somebody else is starting or closing the
    /// pool. Call again when those threads have left; `close` does not wait for them.
    pub fn close(&'static self) -> Result<(), Busy> {
        let _switching = Switching::begin::<P>(&self.switching).ok_or(Busy)?;
        if self.phase.load(Ordering::Relaxed) != STARTED {
            return Ok(());
        }
        self.list.close::<P>();
        self.revoke_bound();
        if !self.list.quiet() {
            return Err(Busy);
        }
        if !self.drop_contexts() {
            return Err(Busy);
        }
        P::tls_close(&self.local);
        self.table.return_slots();
        self.phase.store(CLOSED, Ordering::Relaxed);
        Ok(())
    }

    /// Takes every idle bound M away from its thread.
    fn revoke_bound(&'static self) {
        for m in self.table.iter() {
            // What is bound the shared way and inside may not go idle any more: its thread could come
            // in again for as long as it likes.
            let taken = if self.binds_plainly() { self.take_back(m) } else { self.take_back_or_mark(m) };
            if !taken {
                // Relaxed: the barrier below orders it. An exchange, because the thread may be
                // unbinding the M for good; then it is not ours.
                let hold = m.hold.load(Ordering::Relaxed);
                if hold & (PLAIN | REVOKED) == PLAIN {
                    let revoked = hold | REVOKED;
                    let _ = m.hold.compare_exchange(hold, revoked, Ordering::Relaxed, Ordering::Relaxed);
                }
            } else {
                self.list.give::<P, _>(&self.table, m, m.id());
            }
        }
        if !self.binds_plainly() {
            return;
        }
        P::heavy_barrier();
        for m in self.table.iter() {
            let hold = m.hold.load(Ordering::Relaxed);
            // Acquire: synchronises with the release in `leave` by which the thread wrote 0. A
            // thread that enters from now on sees REVOKED: it writes `depth` before it looks, and
            // the barrier lies between our mark and this look (see `hold`).
            if hold & REVOKED != 0 && hold::token(hold) != 0 && m.depth.load(Ordering::Acquire) == 0 {
                // Nobody's for ever: the slot is not used again.
                m.hold.store(hold::RETIRED, Ordering::Relaxed);
                // SAFETY: revoked while the thread was outside, so it is ours (Invariant Hold).
                unsafe { m.drop_context() };
                self.table.retire(m.id());
            }
        }
    }

    /// Takes an idle M, bound the shared way, back from its thread; `false` if it is not idle.
    pub(crate) fn take_back(&'static self, m: &M<R>) -> bool {
        // Relaxed: a hint for the exchange.
        let mut now = m.hold.load(Ordering::Relaxed);
        while hold::idle(now) {
            // Acquire: synchronises with the release by which the thread went idle.
            match m.hold.compare_exchange_weak(now, WANTED, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) => now = other,
            }
        }
        false
    }

    /// Takes an idle M, bound the shared way, back from its thread. Any other one gets the mark,
    /// which makes its holder look at the word before it goes idle (Invariant Mark).
    pub(crate) fn take_back_or_mark(&'static self, m: &M<R>) -> bool {
        if self.take_back(m) {
            return true;
        }
        // Release: partner of the acquire in `go_idle`; the holder that clears the mark sees that
        // this thread is counted, or that the pool is closed.
        let was = m.hold.fetch_or(WANTED, Ordering::Release);
        // It may have gone idle between the two, and may stay so.
        hold::idle(was) && self.take_back(m)
    }

    /// In a closed pool: drops all contexts if every M that exists is on the list.
    fn drop_contexts(&'static self) -> bool {
        // A chain of our own, linked as the list is.
        let (mut first, mut count) = (0, 0);
        while let Some(id) = self.list.drain(&self.table) {
            self.table.get(id).schedlink.store(first, Ordering::Relaxed);
            first = id;
            count += 1;
        }
        let complete = count == self.table.live();
        while first != 0 {
            let id = first;
            first = self.table.get(id).schedlink.load(Ordering::Relaxed);
            if complete {
                // SAFETY: taken off the list, so it is ours alone (One place).
                unsafe { self.table.get(id).drop_context() };
                self.table.release(id);
            } else {
                self.list.give::<P, _>(&self.table, self.table.get(id), id);
            }
        }
        complete
    }

    /// Drops the contexts of spare Ms until `keep` are spare (one always is: the list must not run
    /// dry without anybody noticing). Returns how many it dropped. Stops early when a thread waits.
    pub fn trim(&'static self, keep: u32) -> u32 {
        let Taken::M { m: anchor, .. } = self.list.take(&self.table) else {
            return 0;
        };
        // The M at hand makes sure that slots which come back are noticed: a thread that found the
        // limit reached has dropped its duty, and this M takes it on (see `refill`).
        let mut dropped = 0;
        while self.table.spare() > keep.max(1) && self.list.glance().waiting() == 0 {
            let Taken::M { m, .. } = self.list.take(&self.table) else {
                break;
            };
            // SAFETY: taken off the list, so it is ours alone (One place).
            unsafe { m.drop_context() };
            self.table.release(m.id());
            dropped += 1;
        }
        anchor.needextram.store(LAST, Ordering::Relaxed);
        self.list.give::<P, _>(&self.table, anchor, anchor.id());
        dropped
    }

    /// Whether an M stays with its thread.
    #[inline]
    pub(crate) fn binds(&self) -> bool {
        self.mode.load(Ordering::Relaxed) & BINDS != 0
    }

    /// Whether a bound M is bound the plain way.
    #[inline]
    pub(crate) fn binds_plainly(&self) -> bool {
        P::HAS_HEAVY_BARRIER && self.mode.load(Ordering::Relaxed) & BINDS_PLAINLY != 0
    }

    /// Whether a bound but idle M can be taken back for a waiter.
    #[inline]
    pub(crate) fn takes_back(&self) -> bool {
        self.mode.load(Ordering::Relaxed) & TAKES_BACK != 0
    }

    fn unlimited(&self) -> bool {
        self.limit == UNLIMITED && !self.table.is_fixed()
    }

    /// The limit, or the number of slots, is reached.
    pub(crate) fn limit_reached(&'static self) -> bool {
        self.table.full(self.limit)
    }

    /// Takes on the duty of those who vanished in a fork, for a newcomer that found no M: makes one
    /// if nobody does. `Ok(false)` where there is nothing to take on, or the limit is reached.
    ///
    /// Invariant Duty holds in the child from the moment of this: a newcomer waits only after it
    /// has found `orphaned` lowered, and it is lowered by a thread that goes on to the claim.
    #[cold]
    pub(crate) fn adopt(&'static self) -> Result<bool, crate::EnterError> {
        // Relaxed: the claim is what is judged by the word; this only picks who makes it.
        if !P::FORKS
            || !self.orphaned.load(Ordering::Relaxed)
            || !self.orphaned.swap(false, Ordering::Relaxed)
        {
            return Ok(false);
        }
        let made = self.make_for_orphans();
        // Nobody's duty any more: the next newcomer's.
        self.orphaned.store(made.is_err(), Ordering::Relaxed);
        made
    }

    /// Whether the pool was started at some time.
    pub(crate) fn was_started(&self) -> bool {
        self.phase.load(Ordering::Relaxed) != FRESH
    }
}

/// In a forked child: the threads that did not come along are forgotten, the Ms they had are
/// written off (their contexts are neither used again nor dropped: somebody was in the middle of
/// something), and the pool works again.
///
/// # Safety
///
/// For `Port::fork_hook`: `pool` is a started `Pool<R, P>`, and the calling thread is the only one
/// in the process.
unsafe extern "C" fn in_forked_child<R: Runtime, P: Port>(pool: *mut ()) {
    // SAFETY: by the contract above.
    let pool = unsafe { &*pool.cast::<Pool<R, P>>() };
    let token = P::thread_token();
    let started = pool.phase.load(Ordering::Relaxed) == STARTED;
    let switcher = pool.switching.load(Ordering::Relaxed);
    // A start by somebody who vanished comes to nothing, and nobody has seen its M. A close is left
    // where it was; to be called again.
    let starting = (!started && switcher != token).then(|| Starting(pool));
    if starting.is_some() {
        while pool.list.drain(&pool.table).is_some() {}
    }
    let mine = |m: &M<R>| hold::token(m.hold.load(Ordering::Relaxed)) == token;
    // A slot of mine without a context is one that I was filling when I forked.
    let making = |m: &M<R>| mine(m) && m.stage.load(Ordering::Relaxed) == BARE;
    // Those are claims on the list, but for the first M, which `start` makes.
    let creating = if started { pool.table.iter().filter(|m| making(m)).count() as u32 } else { 0 };
    pool.list.reset_after_fork(&pool.table, creating);
    pool.table.reset_after_fork(|m| mine(m) || pool.list.numbers(&pool.table).any(|id| id == m.id()));
    for m in pool.table.iter().filter(|m| mine(m) && !making(m)) {
        m.set_thread_id(P::thread_id());
    }
    // Relaxed: one thread. An M that is spare owes a refill to whoever takes it, if it is the last.
    pool.orphaned.store(started && pool.list.numbers(&pool.table).next().is_none(), Ordering::Relaxed);
    drop(starting);
    // Unless a context forked while it was made or dropped, and this thread goes on with that.
    if switcher != token {
        pool.switching.store(0, Ordering::Relaxed);
    }
}

/// A start that comes to nothing: the pool is as before.
struct Starting<R: Runtime, P: Port>(&'static Pool<R, P>);

impl<R: Runtime, P: Port> Drop for Starting<R, P> {
    fn drop(&mut self) {
        if P::FORKS {
            P::tls_close(&self.0.local);
        }
        self.0.table.return_slots();
    }
}

/// One thread at a time starts or closes a pool; a second one is told so and does not wait.
struct Switching<'a>(&'a AtomicUsize);

impl<'a> Switching<'a> {
    fn begin<P: Port>(switching: &'a AtomicUsize) -> Option<Self> {
        // Acquire and the release below: what the last one did comes before.
        let begun = switching.compare_exchange(0, P::thread_token(), Ordering::Acquire, Ordering::Relaxed);
        begun.is_ok().then_some(Switching(switching))
    }
}

impl Drop for Switching<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Release);
    }
}
