//! The pool: its configuration, and its start.
//!
//! - **Lasting.** A pool that was ever started was started by a reference that lives for ever, or it
//!   belongs to an [`Owned`](crate::Owned), which frees it only after it has been closed to the end, and
//!   then no call is inside and no thread has anything of it. In a pool that was never started every
//!   function finds that out and keeps nothing.

#[cfg(not(loom))]
use crate::M;
use crate::discard::{GiveWithin, Parting};
use crate::exit::{at_exit, no_exit};
use crate::fork::{in_child, no_child};
use crate::life::Life;
use crate::list::List;
use crate::mode::{Mode, Settled};
use crate::numbers::Numbers;
use crate::port::{Hooks, Port};
#[cfg(not(loom))]
use crate::slots::FixedSlots;
use crate::slots::Slots;
use crate::sync::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use crate::table::Table;
use crate::{Runtime, StartError};

/// How long an M stays with a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Binding {
    /// Until the thread exits, or `unbind`s. What a call after the first costs depends on the pool:
    ///
    /// - with as many Ms as are needed (no [`limit`](Pool::limit), no [`Slots`]) and a port that has a heavy
    ///   [barrier](Port::heavy_barrier): a read of the thread-local value, and reads and writes of the M's own
    ///   words. No atomic exchange, and nothing that other threads write to;
    /// - under a limit, in slots, and with a port that has no such barrier: besides, one compare-exchange on the
    ///   thread's own M to enter and one to leave. Under a limit or in slots the idle M may have been taken back
    ///   for a thread that waited; then the call is as a first one, and may wait.
    ///
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
/// // An excerpt; the README has a whole program.
/// static POOL: Pool<MyRuntime> = Pool::new(MyRuntime);
///
/// POOL.start()?;
/// // on any thread, whoever created it:
/// let sum = POOL.callback(|m| m.context().add(1, 2))?;
/// ```
///
/// The guide in the documentation of the crate `extram` has an example of each function.
///
/// Unless its documentation says otherwise, a function may be called by any thread, in
/// thread-local destructors and before `main` too, but not in signal or interrupt handlers: those
/// have [`enter_from_signal`](Pool::enter_from_signal), [`ms`](Pool::ms) and
/// [`stats`](Pool::stats).
pub struct Pool<R: Runtime, P: Port> {
    pub(crate) list: List,
    pub(crate) table: Table<R>,
    /// Ms bound the shared way, by `idlelink`; see [`crate::hold`].
    pub(crate) idle: Numbers,
    pub(crate) local: P::Local,
    pub(crate) runtime: R,
    pub(crate) limit: u32,
    /// How many Ms may stay spare, and who sees to it: a program that never says so has no code for it.
    pub(crate) spare_max: u32,
    pub(crate) give_within: Option<GiveWithin<R, P>>,
    /// What discarding takes, once somebody has; null before.
    pub(crate) parting: AtomicPtr<Parting<R, P>>,
    binding: Binding,
    pub(crate) mode: Settled,
    pub(crate) life: Life,
    pub(crate) failures: AtomicU32,
    /// Whoever would make the next M has vanished (see `adopt`).
    pub(crate) orphaned: AtomicUsize,
}

// SAFETY: the runtime is `Sync`; contexts, which are `Send`, are reached by one holder at a time
// (Invariant Hold); everything else is atomic.
unsafe impl<R: Runtime, P: Port> Sync for Pool<R, P> {}

// A panic in a callback leaves the pool whole: the guard leaves. What it does to a context is the
// runtime's business.
impl<R: Runtime + core::panic::RefUnwindSafe, P: Port> core::panic::RefUnwindSafe for Pool<R, P> {}

/// As many Ms as are needed.
const UNLIMITED: u32 = u32::MAX;

impl<R: Runtime, P: Port> Pool<R, P> {
    /// A pool that makes its Ms on the heap, as many as are needed. It has none before
    /// [`start`](Pool::start).
    ///
    /// The memory of its Ms goes with the pool, which nobody drops if it is a static: a shared
    /// library that is unloaded leaves it behind, unless its destructor drops the pool, or the
    /// pool has its memory from [`with_slots`](Pool::with_slots).
    #[cfg(all(feature = "alloc", not(loom)))]
    pub const fn new(runtime: R) -> Self {
        Self::over(runtime, Table::on_heap())
    }

    /// As it is without loom, whose atomics cannot be made in a constant.
    #[cfg(all(feature = "alloc", loom))]
    pub fn new(runtime: R) -> Self {
        Self::over(runtime, Table::on_heap())
    }

    /// A pool that has room for `N` Ms and needs no allocator.
    #[cfg(not(loom))]
    pub const fn with_slots<const N: usize>(runtime: R, slots: &'static Slots<R, N>) -> Self {
        Self::over(runtime, Table::in_slots(slots.borrow()))
    }

    /// As it is without loom.
    #[cfg(loom)]
    pub fn with_slots<const N: usize>(runtime: R, slots: &'static Slots<R, N>) -> Self {
        Self::over(runtime, Table::in_slots(slots.borrow()))
    }

    /// The same with memory whose size is known only at run time: room for as many Ms as it has
    /// elements.
    #[cfg(not(loom))]
    pub fn with_memory(runtime: R, memory: &'static mut [core::mem::MaybeUninit<M<R>>]) -> Self {
        Self::over(runtime, Table::in_slots(FixedSlots::fill(memory)))
    }

    const_unless_loom! {
        fn over(runtime: R, table: Table<R>) -> Self {
            Pool {
                list: List::new(),
                table,
                idle: Numbers::new(),
                local: P::LOCAL,
                runtime,
                limit: UNLIMITED,
                spare_max: u32::MAX,
                give_within: None,
                parting: AtomicPtr::new(core::ptr::null_mut()),
                binding: Binding::Thread,
                mode: Settled::per_call(),
                life: Life::new(),
                failures: AtomicU32::new(0),
                orphaned: AtomicUsize::new(0),
            }
        }
    }

    /// Never more than `max` Ms at once; without this, as many as are needed or there are slots for. 0 is a
    /// limit, too: such a pool does not start ([`StartError::Exhausted`]). (In the C face, `max_ms = 0` means
    /// that there is no limit.) A context that [`trim`](Pool::trim),
    /// [`trim_unused`](Pool::trim_unused) or [`discard`](crate::Entered::discard) drops does not count: another
    /// may be made before its drop is done.
    pub const fn limit(mut self, max: u32) -> Self {
        self.limit = max;
        self
    }

    /// At most `max` Ms stay spare, but one always may, so 0 is as 1: whoever gives an M back drops the
    /// contexts of those above that. Without this, or with `u32::MAX`, all are kept. (In the C face,
    /// `spare_max = 0` means that all are kept.) Ms that are bound to a thread are not spare, and a handler drops
    /// none. What [`prewarm`](Pool::prewarm) makes beyond that goes when it is done.
    ///
    /// As long as a thread is inside, another M is kept ready. So with less than 2 each M that is given back
    /// costs a context made and one dropped, and a number below the height of a wave of calls costs that with
    /// every wave. On processors of 32 bits whoever gives an M back looks at so many. See also
    /// [`trim`](Pool::trim) and [`trim_unused`](Pool::trim_unused).
    pub const fn spare_max(mut self, max: u32) -> Self {
        self.spare_max = max;
        // Without a bound nothing is to be done on the way home, which is shorter then.
        self.give_within = if max == u32::MAX { None } else { Some(Self::give_within) };
        self.table.notes_heights = max != u32::MAX;
        self
    }

    /// How long an M stays with a thread; [`Binding::Thread`] unless this says otherwise.
    pub const fn binding(mut self, binding: Binding) -> Self {
        self.binding = binding;
        self
    }

    /// The runtime that the pool was made with. From any context, and whether the pool is open or not.
    pub const fn runtime(&self) -> &R {
        &self.runtime
    }

    /// What the port is to tell this pool of.
    const HOOKS: &'static Hooks = &Hooks {
        // What is not called takes no room.
        at_exit: if P::HAS_EXIT_HOOK { at_exit::<R, P> } else { no_exit },
        in_child: if P::FORKS { in_child::<R, P> } else { no_child },
    };

    /// Makes the first M and lets threads in. A pool that was closed can be started again. Not for
    /// handlers.
    ///
    /// # Errors
    ///
    /// [`AlreadyStarted`](StartError::AlreadyStarted) if it is open or half closed (see
    /// [`reopen`](Pool::reopen)), or somebody else is starting or closing it;
    /// [`CreationFailed`](StartError::CreationFailed), [`NoMemory`](StartError::NoMemory),
    /// [`Exhausted`](StartError::Exhausted) if the limit or the number of slots is 0,
    /// [`SlotsInUse`](StartError::SlotsInUse) and [`NoThreadLocal`](StartError::NoThreadLocal). The pool
    /// is as before.
    pub fn start(&'static self) -> Result<(), StartError> {
        self.settle();
        let switch = self.life.begin_start(self.switcher())?;
        if !self.table.claim_slots() {
            return Err(StartError::SlotsInUse);
        }
        let starting = Starting(self);
        let this: *mut () = (&raw const *self).cast_mut().cast();
        // Before anything that takes time: from now on the pool is repaired in a forked child.
        P::tls_open(&self.local, this, Self::HOOKS).map_err(|_| StartError::NoThreadLocal)?;
        self.failures.store(0, Ordering::Relaxed);
        self.orphaned.store(0, Ordering::Relaxed);
        self.mode.set(Mode::settle::<P>(self.binding, self.unlimited()));
        if P::HAS_HEAVY_BARRIER {
            self.table.set_shelves::<P>(self.mode.is_unshared::<P>());
        }
        self.make_first()?;
        core::mem::forget(starting);
        // Before the switch ends: else a close might come in between.
        self.list.open();
        switch.open();
        Ok(())
    }

    /// The pool, for functions that refer to it for longer than they run.
    #[inline(always)]
    pub(crate) fn lasting(&self) -> &'static Self {
        // SAFETY: Invariant Lasting.
        unsafe { &*core::ptr::from_ref(self) }
    }

    /// What is left of a pool that nobody uses any more.
    #[cfg(feature = "alloc")]
    pub(crate) fn into_runtime(self) -> R {
        self.runtime
    }

    /// How many Ms there may be.
    pub(crate) fn most(&self) -> u32 {
        self.table.most(self.limit)
    }

    /// Whether the bounds of stacks are asked for.
    #[inline(always)]
    pub(crate) fn asks_stacks(&self) -> bool {
        R::STACKS && self.runtime.wants_stacks()
    }

    pub(crate) fn unlimited(&self) -> bool {
        self.limit == UNLIMITED && !self.table.is_fixed()
    }

    /// The limit, or the number of slots, is reached.
    pub(crate) fn limit_reached(&'static self) -> bool {
        self.table.full(self.limit)
    }
}

/// [`Pool::new`] with the runtime's default: not started.
#[cfg(feature = "alloc")]
impl<R: Runtime + Default, P: Port> Default for Pool<R, P> {
    fn default() -> Self {
        Self::new(R::default())
    }
}

impl<R: Runtime, P: Port> core::fmt::Debug for Pool<R, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Pool").field("binding", &self.binding).finish_non_exhaustive()
    }
}

/// A start that comes to nothing: the pool is as before.
struct Starting<R: Runtime, P: Port>(&'static Pool<R, P>);

impl<R: Runtime, P: Port> Drop for Starting<R, P> {
    fn drop(&mut self) {
        // Nobody has entered, so nobody is in a hook.
        let _ = P::tls_close(&self.0.local);
        self.0.table.return_slots();
    }
}
