//! extram's port to Windows 8 and later: WaitOnAddress, thread-local slots, a TLS callback.
//!
//! | file | what |
//! |---|---|
//! | `barrier.rs` | the heavy barrier, tried before it is used |
//! | `error.rs` | the caller's last error, kept |
//! | `local.rs` | one thread-local value per pool |
//! | `proc.rs` | threads, their tokens and numbers |
//! | `slot.rs` | the open pools, and who runs their hooks |
//! | `stack.rs` | stack bounds |
//! | `end.rs` | a thread's end: the TLS callback |
//! | `time.rs` | sleeping, yielding and the clock |
//! | `wait.rs` | waiting on a word |
#![no_std]
#![cfg(windows)]

mod barrier;
mod end;
mod error;
mod local;
mod proc;
mod slot;
mod stack;
mod time;
mod wait;

use core::ops::Range;
use core::time::Duration;
use extram_core::sync::AtomicU32;
use extram_core::{Hooks, Port, Refused, Threads};

pub use local::Local;
pub use proc::Thread;

/// The port.
#[derive(Clone, Copy, Debug)]
pub enum Windows {}

// SAFETY: Own thread: a slot of `TlsAlloc`, which the system empties on every thread when it is freed.
// Token: the address of the thread's block, a page. Exit hook: the loader calls a TLS callback on the
// thread that ends, and for no pool that is closed (Gate in `slot`). Barrier: FlushProcessWriteBuffers,
// not Wine's, and where a trial has not failed. Wake: is handed an address. Fork: there is none.
// Handler: there are none that a program without `unsafe` installs; what is named there reads the
// thread's block, except `wake`, which takes the system's own locks for a moment and allocates nothing.
// Brief: words have 64 bits on every processor that Windows runs on.
unsafe impl Port for Windows {
    fn osyield() {
        time::osyield();
    }

    type Local = Local;
    #[allow(clippy::declare_interior_mutable_const)]
    const LOCAL: Local = Local::closed();

    fn tls_open(local: &'static Local, pool: *mut (), hooks: &'static Hooks) -> Result<(), Refused> {
        local.open(pool, hooks)
    }

    fn tls_close(local: &'static Local) -> bool {
        local.close()
    }

    #[inline(always)]
    fn tls_get(local: &'static Local) -> *mut () {
        local.get()
    }

    #[inline(always)]
    fn tls_look(local: &'static Local) -> (*mut (), bool) {
        (local.get(), end::hooked())
    }

    #[inline(always)]
    fn tls_set(local: &'static Local, value: *mut ()) -> Result<(), Refused> {
        local.set(value)
    }

    const HAS_EXIT_HOOK: bool = true;

    fn exit_hook(local: &'static Local) -> bool {
        local.is_open() && end::hook()
    }

    #[inline(always)]
    fn thread_token() -> usize {
        proc::token()
    }

    #[inline(always)]
    fn thread_id() -> u64 {
        proc::id()
    }

    fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        wait::wait(word, expected, timeout);
    }

    fn wake(word: *const AtomicU32, count: u32) {
        wait::wake(word, count);
    }

    fn stack_bounds(sp: usize) -> Option<Range<usize>> {
        stack::bounds(sp)
    }

    fn stack_bounds_in_signal(sp: usize) -> Option<Range<usize>> {
        stack::bounds(sp)
    }

    fn now() -> Option<Duration> {
        time::now()
    }

    const FORKS: bool = false;

    fn forks() -> usize {
        0
    }

    const HAS_HEAVY_BARRIER: bool = true;

    fn heavy_barrier_init() -> bool {
        barrier::init()
    }

    fn heavy_barrier() -> bool {
        barrier::heavy()
    }
    fn in_handler() -> bool {
        false
    }

    fn brief<T>(f: impl FnOnce() -> T) -> T {
        f()
    }
}

impl Threads for Windows {
    type Thread = Thread;

    fn newosproc(entry: extern "C" fn(*mut ()), arg: *mut (), stack: usize) -> Result<Thread, Refused> {
        proc::newosproc(entry, arg, stack)
    }

    fn join(thread: Thread) {
        proc::join(thread);
    }

    fn usleep(micros: u32) {
        time::usleep(micros);
    }
}
