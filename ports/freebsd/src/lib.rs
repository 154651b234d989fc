//! extram's port to FreeBSD 13 and later: `_umtx_op`, POSIX threads, thread-local storage; nothing else.
//!
//! Threads, thread-local words and the clock are POSIX's and come from `extram-posix`; here is what
//! FreeBSD has of its own.
#![no_std]
#![cfg(target_os = "freebsd")]

mod barrier;
mod facts;
mod stack;
mod wait;

use core::ops::Range;
use core::time::Duration;
use extram_core::sync::AtomicU32;
use extram_core::{AtExit, Port, Refused};
use extram_posix::{fork, thread, time};

pub use extram_posix::local::Local;
pub use extram_posix::thread::Thread;

/// The port.
#[derive(Clone, Copy, Debug)]
pub enum FreeBsd {}

// SAFETY: Own thread: `local` keeps the value in the thread's own TLS block or under a POSIX key.
// Token: an address in the thread's own memory. Exit hook: a key's destructor runs on its thread;
// `close` waits for those that run. Barrier: membarrier(2). Wake: _umtx_op(2) is handed an address.
// Signal: plain loads and stores of thread-local words, and one read of the thread control block.
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

    fn tls_open(local: &'static Local, pool: *mut (), at_exit: AtExit) -> Result<(), Refused> {
        local.open(pool, at_exit)
    }

    fn tls_close(local: &'static Local) {
        local.close();
    }

    #[inline(always)]
    fn tls_get(local: &Local) -> *mut () {
        local.get()
    }

    #[inline(always)]
    fn tls_look(local: &'static Local) -> (*mut (), bool) {
        local.look()
    }

    #[inline(always)]
    fn tls_set(local: &Local, value: *mut ()) -> Result<(), Refused> {
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

    fn fork_hook(local: &'static Local, repair: unsafe extern "C" fn(*mut ()), pool: *mut ()) {
        fork::hook(local, repair, pool);
    }

    fn heavy_barrier_init() -> bool {
        barrier::init()
    }

    fn heavy_barrier() {
        barrier::heavy();
    }
}
