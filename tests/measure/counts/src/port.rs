//! The port of this system, with a count of what the core asks of it.

use core::ops::Range;
use core::sync::atomic::Ordering::Relaxed;
use core::time::Duration;
use extram::{Hooks, Native, Port, Refused};
use extram_core::sync::AtomicU32;
use std::sync::atomic::AtomicU64;

/// The system's port. What may become a system call is counted, for the whole program.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counted {}

static WAKES: AtomicU64 = AtomicU64::new(0);
static WAITS: AtomicU64 = AtomicU64::new(0);
static SLEEPS: AtomicU64 = AtomicU64::new(0);
static IDENTITIES: AtomicU64 = AtomicU64::new(0);
static HOOKS: AtomicU64 = AtomicU64::new(0);
static BARRIERS: AtomicU64 = AtomicU64::new(0);
static CLOCKS: AtomicU64 = AtomicU64::new(0);

/// What was asked so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) wakes: u64,
    pub(crate) waits: u64,
    /// Sleeps and yields: what stands for waiting on nobody in particular.
    pub(crate) sleeps: u64,
    /// Looks at the thread's number.
    pub(crate) identities: u64,
    pub(crate) hooks: u64,
    pub(crate) barriers: u64,
    pub(crate) clocks: u64,
}

impl Asked {
    // Relaxed: read when the threads are gone.
    pub(crate) fn now() -> Asked {
        Asked {
            wakes: WAKES.load(Relaxed),
            waits: WAITS.load(Relaxed),
            sleeps: SLEEPS.load(Relaxed),
            identities: IDENTITIES.load(Relaxed),
            hooks: HOOKS.load(Relaxed),
            barriers: BARRIERS.load(Relaxed),
            clocks: CLOCKS.load(Relaxed),
        }
    }

    pub(crate) fn since(before: Asked) -> Asked {
        let now = Asked::now();
        Asked {
            wakes: now.wakes - before.wakes,
            waits: now.waits - before.waits,
            sleeps: now.sleeps - before.sleeps,
            identities: now.identities - before.identities,
            hooks: now.hooks - before.hooks,
            barriers: now.barriers - before.barriers,
            clocks: now.clocks - before.clocks,
        }
    }
}

fn one_more(count: &AtomicU64) {
    count.fetch_add(1, Relaxed);
}

// SAFETY: everything is passed on as it is.
unsafe impl Port for Counted {
    fn usleep(micros: u32) {
        one_more(&SLEEPS);
        Native::usleep(micros);
    }
    fn osyield() {
        one_more(&SLEEPS);
        Native::osyield();
    }
    type Local = <Native as Port>::Local;
    #[allow(clippy::declare_interior_mutable_const)]
    const LOCAL: Self::Local = Native::LOCAL;
    fn tls_open(local: &'static Self::Local, pool: *mut (), hooks: &'static Hooks) -> Result<(), Refused> {
        Native::tls_open(local, pool, hooks)
    }
    fn tls_close(local: &'static Self::Local) -> bool {
        Native::tls_close(local)
    }
    fn tls_get(local: &'static Self::Local) -> *mut () {
        Native::tls_get(local)
    }
    fn tls_look(local: &'static Self::Local) -> (*mut (), bool) {
        Native::tls_look(local)
    }
    fn tls_set(local: &'static Self::Local, value: *mut ()) -> Result<(), Refused> {
        Native::tls_set(local, value)
    }
    const HAS_EXIT_HOOK: bool = Native::HAS_EXIT_HOOK;
    fn exit_hook(local: &'static Self::Local) -> bool {
        one_more(&HOOKS);
        Native::exit_hook(local)
    }
    fn thread_token() -> usize {
        Native::thread_token()
    }
    fn thread_id() -> u64 {
        one_more(&IDENTITIES);
        Native::thread_id()
    }
    type Thread = <Native as Port>::Thread;
    fn newosproc(entry: extern "C" fn(*mut ()), arg: *mut (), stack: usize) -> Result<Self::Thread, Refused> {
        Native::newosproc(entry, arg, stack)
    }
    fn join(thread: Self::Thread) {
        Native::join(thread);
    }
    fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        one_more(&WAITS);
        Native::wait(word, expected, timeout);
    }
    fn wake(word: *const AtomicU32, count: u32) {
        one_more(&WAKES);
        Native::wake(word, count);
    }
    fn stack_bounds(sp: usize) -> Option<Range<usize>> {
        Native::stack_bounds(sp)
    }
    fn stack_bounds_in_signal(sp: usize) -> Option<Range<usize>> {
        Native::stack_bounds_in_signal(sp)
    }
    fn now() -> Option<Duration> {
        one_more(&CLOCKS);
        Native::now()
    }
    const FORKS: bool = Native::FORKS;
    fn forks() -> usize {
        Native::forks()
    }
    const HAS_HEAVY_BARRIER: bool = Native::HAS_HEAVY_BARRIER;
    fn heavy_barrier_init() -> bool {
        Native::heavy_barrier_init()
    }
    fn heavy_barrier() -> bool {
        one_more(&BARRIERS);
        Native::heavy_barrier()
    }
    fn in_handler() -> bool {
        Native::in_handler()
    }
    fn brief<T>(f: impl FnOnce() -> T) -> T {
        Native::brief(f)
    }
}
