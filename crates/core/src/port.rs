//! The seam below: what an operating system, or the lack of one, has to offer.

use crate::sync::AtomicU32;
use core::ops::Range;
use core::time::Duration;

/// What a pool wants to be told by its port ([`Port::tls_open`]). Both get the pool's address.
#[derive(Debug)]
pub struct Hooks {
    /// The calling thread ends, and `value` is what it stored for this pool.
    pub at_exit: unsafe extern "C" fn(pool: *mut (), value: *mut ()),
    /// The process is a forked child, and the calling thread is its only one.
    pub in_child: unsafe extern "C" fn(pool: *mut ()),
}

/// What a pool needs of the system that it runs on: a thread-local value, a name for each thread, waiting, a
/// clock, the bounds of a stack; and, where there are such things, an exit hook, a heavy barrier, forks.
///
/// A port crate implements it for a type without values; the core calls it through the type alone, so a
/// pool stores no port. A port never touches the list of spare Ms and knows nothing of Ms: a
/// thread-local value is a pointer that it stores and hands back. Only [`wait_again`](Port::wait_again) and
/// [`wake_in_turn`](Port::wake_in_turn) have a default, by which no more than an order is lost, so that a port which
/// passes calls on to another one cannot lose any.
///
/// # Where and how each function may be called
///
/// *Handler*: from a signal or interrupt handler, too, which has interrupted any function of the port or
/// of the system; then it neither blocks nor allocates, the first time included. *Blocks*: it may wait for
/// others. *Allocates*: it may ask for memory.
///
/// | function | handler | blocks | allocates |
/// |---|---|---|---|
/// | `thread_token`, `thread_id`, `tls_get`, `tls_look`, `forks`, `in_handler`, `brief` | yes | no | no |
/// | `wake`, `wake_in_turn`, `stack_bounds_in_signal`, `now` | yes | no | no |
/// | `tls_set`, `exit_hook` | no | no | yes; `tls_set` of null does not |
/// | `stack_bounds` | no | shortly | yes |
/// | `tls_open`, `tls_close` | no | no; `close` never waits for a hook | `open` |
/// | `heavy_barrier_init`, `heavy_barrier` | no | as long as the system takes | no |
/// | `wait`, `wait_again` | no | yes | no |
/// | `osyield` | no | no | no |
///
/// A function leaves alone what the system keeps for its caller: `errno`, `GetLastError`, the signal
/// mask, whether the thread may be cancelled. None is a point at which a thread is cancelled, and none
/// unwinds.
///
/// **Fibres.** A *thread* is what the scheduler of the system knows. Coroutines and fibres that move from
/// thread to thread are none: the value belongs to the thread that runs them at that moment, and is not to
/// move along (on Windows: thread-local, not fibre-local storage). The core asks for
/// [`stack_bounds`](Port::stack_bounds) anew when a thread comes in on another stack.
///
/// # Two ways to pass the time
///
/// [`osyield`](Port::osyield) lets others run and comes back by itself. [`wait`](Port::wait) sleeps
/// until it is woken. The core waits for another thread's progress by `wait` alone: where threads
/// have fixed priorities, a loop around `osyield` never lets one of lower priority run.
///
/// # Safety
///
/// The core's memory safety rests on these promises:
///
/// - **Own thread.** [`tls_get`](Port::tls_get) (and [`tls_look`](Port::tls_look)) returns what the calling thread last stored with
///   [`tls_set`](Port::tls_set) for that `Local` since its latest [`tls_open`](Port::tls_open), or
///   null. No thread ever sees what another one stored.
/// - **Token.** [`thread_token`](Port::thread_token) is never zero, its low four bits are zero, it
///   never changes while a thread lives, and no two threads that live at the same time share it.
/// - **Exit hook.** Where [`exit_hook`](Port::exit_hook) returned `true`, [`Hooks::at_exit`] runs on
///   that very thread, with the pool and the value that the thread stored for it, before the thread's
///   identity can be reused, if the value is not null then. It runs for no `Local` that is closed.
/// - **Barrier.** If [`heavy_barrier_init`](Port::heavy_barrier_init) returned `true`, a
///   [`heavy_barrier`](Port::heavy_barrier) that returns `true` acts as if every other thread
///   executed a sequentially consistent fence at some moment during the call.
/// - **Wake.** [`wake`](Port::wake) and [`wake_in_turn`](Port::wake_in_turn) do not access the memory behind their
///   pointer.
/// - **Fork.** In a forked child, [`forks`](Port::forks) differs from what it was in the parent, and
///   [`Hooks::in_child`] has run for every `Local` that was open, on the thread that forked, before
///   `fork` returned there. Where [`FORKS`](Port::FORKS) is `false` there is no such child.
/// - **Handler.** The functions for which the table says so may be called from a handler.
///   [`in_handler`](Port::in_handler) is `true` in every handler in which a program without `unsafe`
///   can call.
/// - **Brief.** [`brief`](Port::brief), where the word of a pool has 32 bits: see there.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a port of extram's",
    label = "not a port",
    note = "where extram has no port to the target (`ThisTargetHasNoPort`), name one: `Pool<MyRuntime, MyPort>`, \
            with `extram-port-bare-metal` for a machine without an operating system; how to write one is in \
            ports/README.md"
)]
pub unsafe trait Port: Sized + Send + Sync + 'static {
    /// Lets another thread of the same priority run, if one can, and comes back by itself, whether or
    /// not one did. Never waits until a thread of lower priority has run.
    #[doc(alias = "sched_yield")]
    fn osyield();

    /// Where one pool's thread-local value lives: a key, a slot number.
    type Local: Sync + 'static;

    /// A `Local` that is not open yet. A constant is a fresh copy at each use.
    #[allow(clippy::declare_interior_mutable_const)]
    const LOCAL: Self::Local;

    /// Opens the thread-local value of a pool: from now on it is null on every thread, and the
    /// pool's hooks are called. Called by one thread at a time for each `Local`. If it is open
    /// already (its opener has vanished in a fork), it is as if it had been closed before.
    ///
    /// # Errors
    ///
    /// The system has no thread-local storage left. The pool does not start then.
    fn tls_open(local: &'static Self::Local, pool: *mut (), hooks: &'static Hooks) -> Result<(), Refused>;

    /// Closes it, and returns `true`: no hook is running for it, and none ever will. `false` if one is
    /// running right now; then nothing has changed. Never waits. Does nothing if it is not open.
    #[must_use]
    fn tls_close(local: &'static Self::Local) -> bool;

    /// The calling thread's value; null when it has none or `local` is not open.
    fn tls_get(local: &'static Self::Local) -> *mut ();

    /// [`tls_get`](Port::tls_get), and whether it is known that the exit hook will run for the
    /// calling thread: one look for both. `(tls_get(local), false)` is right wherever the port would
    /// have to look elsewhere for the second.
    fn tls_look(local: &'static Self::Local) -> (*mut (), bool);

    /// Stores the calling thread's value.
    ///
    /// # Errors
    ///
    /// Refused where it would need memory that is not there (or `local` is not open). Null is never
    /// refused.
    fn tls_set(local: &'static Self::Local, value: *mut ()) -> Result<(), Refused>;

    /// Whether there can be an exit hook. If not, an M stays with its thread only until the end of a call,
    /// what would keep it longer has no room, and neither `exit_hook` nor [`Hooks::at_exit`] is called.
    const HAS_EXIT_HOOK: bool;

    /// Makes sure that the exit hook runs for the calling thread; `true` if it will. `false` once it
    /// has run for any pool: what the thread enters with from then on goes back at the end of the
    /// call. Called again and again by the same thread, so the second call is to be cheap.
    fn exit_hook(local: &'static Self::Local) -> bool;

    /// A number that tells the calling thread from every other living one, cheaply: an address in
    /// its thread control block, the number of a core plus one, shifted by four.
    fn thread_token() -> usize;

    /// The thread's number as the system's debuggers and tools show it. Asked when an M is bound, and before a
    /// thread sleeps, so a system call is affordable, and one at the first time only is better.
    fn thread_id() -> u64;

    /// Waits until somebody wakes `word`, if it still holds `expected`, for `timeout` at most. Between
    /// the look at the word and the sleep no wake-up is lost. May return early for any reason; a port
    /// that cannot sleep gives the processor away for a moment.
    #[doc(alias = "futexsleep")]
    fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>);

    /// Wakes up to `count` threads that wait on the word at this address, or more: who is woken in vain
    /// waits again. The memory may be gone already (a waiter that was served in the meantime closed and
    /// freed the pool), which is why it is a pointer.
    #[doc(alias = "futexwakeup")]
    fn wake(word: *const AtomicU32, count: u32);

    /// [`wait`](Port::wait), for a thread that has slept in it and found nothing when it was woken. Where the
    /// system can tell the two apart, [`wake_in_turn`](Port::wake_in_turn) wakes these first, so that nobody loses
    /// its turn.
    fn wait_again(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        Self::wait(word, expected, timeout);
    }

    /// [`wake`](Port::wake), but those first that [`wait_again`](Port::wait_again), if the system can tell. It wakes as
    /// many as `wake` would, those that [`wait`](Port::wait) for the first time included.
    fn wake_in_turn(word: *const AtomicU32, count: u32) {
        Self::wake(word, count);
    }

    /// The stack that holds the address `sp`, which lies in the calling thread's current frame:
    /// lowest address and one past the highest, in bytes. Asked once per binding, and again when
    /// the thread comes in on another stack. `None` where the system does not tell.
    fn stack_bounds(sp: usize) -> Option<Range<usize>>;

    /// The same for a signal handler, which may have interrupted the allocator or `stack_bounds`
    /// itself. Asked when it runs on another stack than the one that is known. It may tell less of a
    /// stack than `stack_bounds`, but no more than there is.
    fn stack_bounds_in_signal(sp: usize) -> Option<Range<usize>>;

    /// A clock that never goes back, from any origin. Without one (`None`), a time-out is counted in waits.
    fn now() -> Option<Duration>;

    /// Whether there can be a forked child. If not, what repairs a pool in one takes no room, and
    /// neither `forks` nor [`Hooks::in_child`] is called.
    const FORKS: bool;

    /// How many forks this process is away from the first one. 0 where there is no `fork`.
    fn forks() -> usize;

    /// Whether there can be a heavy barrier. If not, what depends on one takes no room, and
    /// `heavy_barrier_init` is not called.
    const HAS_HEAVY_BARRIER: bool;

    /// Prepares [`heavy_barrier`](Port::heavy_barrier); `false` where there is none. Then a bound
    /// thread pays for a compare-exchange at each entry.
    fn heavy_barrier_init() -> bool;

    /// A full memory barrier on every thread of the process (Linux: `membarrier`). `false` if the
    /// system refuses it now (the program has put itself into a sandbox): a pool with idle bound Ms
    /// cannot be closed then until their threads end.
    #[must_use]
    fn heavy_barrier() -> bool;

    /// Whether the caller runs in an interrupt handler, as far as the port can tell. Every way of
    /// entering is [`enter_from_signal`](crate::Pool::enter_from_signal) there. `false` on systems on
    /// which installing a handler takes `unsafe`.
    fn in_handler() -> bool;

    /// Runs a handful of instructions: a load of a 32-bit word, a load of a link, an exchange of the
    /// word. Used only where no 64-bit word can be exchanged at once; elsewhere it may just run `f`.
    /// There the version in the word has 16 bits, and the exchange is right unless exactly 65,536
    /// changes (or a multiple) are made in between; so the port sees to it that the thread is not
    /// interrupted for that long: it masks interrupts, or locks the scheduler.
    fn brief<T>(f: impl FnOnce() -> T) -> T;
}

/// Threads of a system's own making. No pool needs them; the conformance suite and other programs that run
/// on any port do.
pub trait Threads: Port {
    /// A thread that [`newosproc`](Threads::newosproc) created.
    type Thread;

    /// Creates a thread (on bare metal: starts a core or a context) that runs `entry(arg)`.
    /// `stack` is the least size of its stack in bytes, zero for the system's default.
    ///
    /// # Errors
    ///
    /// The system refuses another thread.
    fn newosproc(entry: extern "C" fn(*mut ()), arg: *mut (), stack: usize) -> Result<Self::Thread, Refused>;

    /// Waits until the thread has ended (its exit hooks included).
    fn join(thread: Self::Thread);

    /// Sleeps for at least `micros` microseconds, and about so long: as much longer as the system's clock
    /// is coarse (a tick of 1 ms or 16 ms will do).
    #[doc(alias = "nanosleep")]
    fn usleep(micros: u32);
}

/// The system refused a resource: a thread, a thread-local key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Refused;

impl core::fmt::Display for Refused {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the system refused a thread or thread-local storage")
    }
}

impl core::error::Error for Refused {}
