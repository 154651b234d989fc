//! extram's port to machines without an operating system: no libc, no allocator, no standard
//! library.
//!
//! A *thread* is whatever can be in the middle of a call while something else runs: a core, or a
//! context (a task with a stack of its own) of a small kernel. An interrupt handler is part of the
//! thread that it interrupted and enters with
//! [`enter_from_signal`](extram_core::Pool::enter_from_signal), as a signal handler does elsewhere.
//!
//! A board or a kernel implements [`System`], four short functions and what its machine asks for, and
//! has a port: [`BareMetal<TheSystem>`](BareMetal). `arch` has the parts that depend on the processor alone.
//!
//! `EXECUTORS.md` beside the README is about embassy and RTIC.
//!
//! | file | what |
//! |---|---|
//! | `system.rs` | the seam: what a board or a kernel supplies |
//! | `block.rs` | what the port keeps for each thread |
//! | `local.rs` | thread-local words in that block, and the exit hook |
//! | `time.rs` | sleeping and the clock, from the system's ticks |
//! | `observe.rs` | what happens in a pool, on the log (feature `defmt`) |
//! | `arch/` | thread pointer, waiting for events, starting cores |
#![no_std]

#[cfg(target_os = "none")]
pub mod arch;
mod block;
mod local;
mod observe;
mod system;
mod time;

use core::marker::PhantomData;
use core::ops::Range;
use core::time::Duration;
use extram_core::sync::AtomicU32;
use extram_core::{Hooks, Port, Refused, Threads};

pub use block::{Block, LOCALS};
pub use local::Local;
pub use observe::observe;
pub use system::{Starts, System};
pub use time::Widened;

/// The port to the system `S`.
#[derive(Clone, Copy, Debug)]
pub struct BareMetal<S>(PhantomData<S>);

// SAFETY: Own thread and Token: the block is the calling thread's own by the contract of `System`,
// and aligned to 16 bytes. Exit hook: `local` runs it on the thread itself, in `Block::exit`, and for
// no pool that is closed (Gate there). Barrier: there is none. Wake: `System::wake` is handed an
// address. Fork: there is none. Handler: `block` is callable from handlers by the contract of `System`;
// the words in it are stored one at a time; `in_handler` is `System`'s. Brief: `System`'s.
unsafe impl<S: System> Port for BareMetal<S> {
    fn osyield() {
        // Not `relax`, which may sleep until somebody sends an event.
        S::yield_now();
    }

    type Local = Local;
    #[allow(clippy::declare_interior_mutable_const)]
    const LOCAL: Local = Local::new();

    fn tls_open(local: &'static Local, pool: *mut (), hooks: &'static Hooks) -> Result<(), Refused> {
        // A wait would divide by it.
        if S::frequency() == 0 {
            return Err(Refused);
        }
        local.open(pool, hooks)
    }

    fn tls_close(local: &'static Local) -> bool {
        local.close()
    }

    #[inline]
    fn tls_get(local: &'static Local) -> *mut () {
        local.get(S::block())
    }

    #[inline]
    fn tls_look(local: &'static Local) -> (*mut (), bool) {
        (Self::tls_get(local), false)
    }

    #[inline]
    fn tls_set(local: &'static Local, value: *mut ()) -> Result<(), Refused> {
        local.set(S::block(), value)
    }

    const HAS_EXIT_HOOK: bool = S::EXITS;

    fn exit_hook(local: &'static Local) -> bool {
        S::EXITS && S::exits() && local.is_open() && !S::block().is_exiting()
    }

    #[inline]
    fn thread_token() -> usize {
        S::block().token()
    }

    fn thread_id() -> u64 {
        S::number()
    }

    fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        S::wait(word, expected, timeout.map(time::deadline::<S>));
    }

    fn wake(word: *const AtomicU32, count: u32) {
        S::wake(word, count);
    }

    fn stack_bounds(sp: usize) -> Option<Range<usize>> {
        S::stack().filter(|stack| stack.contains(&sp))
    }

    fn stack_bounds_in_signal(sp: usize) -> Option<Range<usize>> {
        Self::stack_bounds(sp)
    }

    fn now() -> Option<Duration> {
        Some(time::now::<S>())
    }

    const FORKS: bool = false;

    fn forks() -> usize {
        0
    }

    const HAS_HEAVY_BARRIER: bool = false;

    fn heavy_barrier_init() -> bool {
        false
    }

    fn heavy_barrier() -> bool {
        false
    }

    #[inline(always)]
    fn in_handler() -> bool {
        S::in_handler()
    }

    #[inline(always)]
    fn brief<T>(f: impl FnOnce() -> T) -> T {
        S::brief(f)
    }
}

impl<S: Starts> Threads for BareMetal<S> {
    type Thread = S::Thread;

    fn newosproc(entry: extern "C" fn(*mut ()), arg: *mut (), stack: usize) -> Result<S::Thread, Refused> {
        S::start(entry, arg, stack)
    }

    fn join(thread: S::Thread) {
        S::join(thread);
    }

    fn usleep(micros: u32) {
        time::usleep::<S>(micros);
    }
}
