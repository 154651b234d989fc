//! extram's port to FreeBSD 13 and later: `_umtx_op`, POSIX threads, thread-local storage; nothing else.
//!
//! Threads, thread-local words and the clock are POSIX's and come from `extram-posix`; here is what
//! FreeBSD has of its own.
#![no_std]
#![cfg(target_os = "freebsd")]

mod barrier;
mod facts;
mod proc;
mod stack;
mod wait;

use core::ops::Range;
use core::time::Duration;
use extram_core::sync::AtomicU32;
use extram_core::{Hooks, Port, Refused};
use extram_posix::{fork, thread, time};

pub use extram_posix::local::Local;
pub use extram_posix::thread::Thread;

/// The port.
#[derive(Clone, Copy, Debug)]
pub enum FreeBsd {}

// SAFETY: Own thread: `local` keeps the value in the thread's own memory, beside the incarnation of the
// pool (the invariant Word there). Token: an address in the thread's own memory. Exit hook: the key's
// destructor runs on its thread, and calls no pool that is closed (the invariant Gate in `slot`). Barrier:
// see `barrier`. Wake: _umtx_op(2) is handed an address. Fork: `fork` calls the hook of every slot that is
// open, and its handler is registered before there is one. Handler: reading a word makes none
// (`words`); the rest are loads, and system calls that do not block. Installing a signal handler takes
// `unsafe`, so `in_handler` may be false. Brief: `extram-posix` refuses to be built where it is used.
unsafe impl Port for FreeBsd {
    fn usleep(micros: u32) {
        time::usleep(micros);
    }

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
        local.look()
    }

    #[inline(always)]
    fn tls_set(local: &'static Local, value: *mut ()) -> Result<(), Refused> {
        local.set(value)
    }

    #[inline(always)]
    fn exit_hook(local: &'static Local) -> bool {
        local.exit_hook()
    }

    #[inline(always)]
    fn thread_token() -> usize {
        thread::token()
    }

    #[inline(always)]
    fn thread_id() -> u64 {
        thread::id()
    }

    type Thread = Thread;

    fn newosproc(entry: extern "C" fn(*mut ()), arg: *mut (), stack: usize) -> Result<Thread, Refused> {
        thread::newosproc(entry, arg, stack)
    }

    fn join(thread: Thread) {
        thread::join(thread);
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
        stack::bounds_in_signal(sp)
    }

    fn now() -> Option<Duration> {
        time::now()
    }

    #[inline(always)]
    fn forks() -> usize {
        fork::forks()
    }

    fn heavy_barrier_init() -> bool {
        barrier::init()
    }

    fn heavy_barrier() -> bool {
        barrier::heavy()
    }
}
