//! The port to a POSIX system.

use crate::errno::Preserved;
use crate::{Local, System, Thread, fork, stack, thread, time};
use core::marker::PhantomData;
use core::ops::Range;
use core::time::Duration;
use extram_core::sync::AtomicU32;
use extram_core::{Hooks, Port, Refused, Threads};

/// The port to the system `S`.
#[derive(Clone, Copy, Debug)]
pub struct Posix<S>(PhantomData<S>);

// SAFETY: Own thread: `local` keeps the value in the thread's own memory, beside the incarnation of the
// pool (the invariant Word there). Token: see `thread`. Exit hook: the key's destructor runs on its
// thread, and calls no pool that is closed (the invariant Gate in `slot`). Barrier, Wake: `System`'s.
// Fork: `fork` calls the hook of every slot that is open, and its handler is registered before there is
// one. Handler: reading a word makes none (`words`); the rest are loads, and `System`'s. Installing a
// signal handler takes `unsafe`, so `in_handler` may be false. Brief: this crate refuses to be built
// where it is used.
unsafe impl<S: System> Port for Posix<S> {
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

    const HAS_EXIT_HOOK: bool = true;

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
        thread::id::<S>()
    }

    fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        let _errno = Preserved::new();
        S::wait(word, expected, timeout);
    }

    fn wake(word: *const AtomicU32, count: u32) {
        let _errno = Preserved::new();
        S::wake(word, count);
    }

    fn wait_again(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        let _errno = Preserved::new();
        S::wait_again(word, expected, timeout);
    }

    fn wake_in_turn(word: *const AtomicU32, count: u32) {
        let _errno = Preserved::new();
        S::wake_in_turn(word, count);
    }

    fn stack_bounds(sp: usize) -> Option<Range<usize>> {
        let _errno = Preserved::new();
        stack::bounds::<S>(sp)
    }

    fn stack_bounds_in_signal(sp: usize) -> Option<Range<usize>> {
        let _errno = Preserved::new();
        stack::bounds_in_signal::<S>(sp)
    }

    fn now() -> Option<Duration> {
        time::now()
    }

    const FORKS: bool = true;

    #[inline(always)]
    fn forks() -> usize {
        fork::forks()
    }

    const HAS_HEAVY_BARRIER: bool = S::HAS_HEAVY_BARRIER;

    fn heavy_barrier_init() -> bool {
        let _errno = Preserved::new();
        S::heavy_barrier_init()
    }

    fn heavy_barrier() -> bool {
        let _errno = Preserved::new();
        S::heavy_barrier()
    }

    #[inline(always)]
    fn in_handler() -> bool {
        false
    }

    #[inline(always)]
    fn brief<T>(f: impl FnOnce() -> T) -> T {
        f()
    }
}

impl<S: System> Threads for Posix<S> {
    type Thread = Thread;

    fn newosproc(entry: extern "C" fn(*mut ()), arg: *mut (), stack: usize) -> Result<Thread, Refused> {
        thread::newosproc(entry, arg, stack)
    }

    fn join(thread: Thread) {
        thread::join(thread);
    }

    fn usleep(micros: u32) {
        time::usleep(micros);
    }
}
