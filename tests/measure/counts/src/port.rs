//! The port of this system, with a count of what the core asks of it.

use core::sync::atomic::Ordering::Relaxed;
use core::time::Duration;
use extram::{Native, Port as _};
use extram_conformance::wrap::{Local, Wrap, Wrapped};
use extram_core::sync::AtomicU32;
use std::sync::atomic::AtomicU64;

/// The system's port. What may become a system call is counted, for the whole program.
pub(crate) type Counted = Wrapped<Counting>;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Counting {}

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
    /// Yields: what stands for waiting on nobody in particular.
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
unsafe impl Wrap for Counting {
    type Inner = Native;

    fn osyield() {
        one_more(&SLEEPS);
        Native::osyield();
    }
    fn exit_hook(local: &'static Local<Self>) -> bool {
        one_more(&HOOKS);
        Native::exit_hook(local)
    }
    fn thread_id() -> u64 {
        one_more(&IDENTITIES);
        Native::thread_id()
    }
    fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        one_more(&WAITS);
        Native::wait(word, expected, timeout);
    }
    fn wake(word: *const AtomicU32, count: u32) {
        one_more(&WAKES);
        Native::wake(word, count);
    }
    fn now() -> Option<Duration> {
        one_more(&CLOCKS);
        Native::now()
    }
    fn heavy_barrier() -> bool {
        one_more(&BARRIERS);
        Native::heavy_barrier()
    }
}
