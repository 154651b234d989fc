//! The port of this system, with an ear at every call.

use core::cell::Cell;
use core::ops::Range;
use core::sync::atomic::Ordering::SeqCst;
use core::time::Duration;
use extram::{Hooks, Native, Port as _, Refused, Threads as _};
use extram_conformance::wrap::{Local, Wrap, Wrapped};
use extram_core::sync::AtomicU32;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

/// The port of this system. Whatever the core asks of it goes through a tap first, which may be a
/// signal. For one test at a time: the tap and the counts are the program's.
pub type Tapped = Wrapped<Taps>;

/// What is different from the port of this system, and what there is to be heard.
#[derive(Clone, Copy, Debug)]
pub enum Taps {}

static ASKED: AtomicU32 = AtomicU32::new(0);
/// How often the core gave way, or slept for a while.
static YIELDS: AtomicU32 = AtomicU32::new(0);
static SILENT: AtomicBool = AtomicBool::new(false);
type AtExit = unsafe extern "C" fn(*mut (), *mut ());

static AT_EXIT: Mutex<Option<AtExit>> = Mutex::new(None);
static STRIKING: AtomicBool = AtomicBool::new(false);
/// No heavy barrier for pools that start, and none for those that have one.
static NO_BARRIER: AtomicBool = AtomicBool::new(false);
static REFUSES_BARRIERS: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Handlers look at it, so it has nothing to drop, and no destructor to be registered.
    static AFTER_LOOK: Cell<Option<&'static dyn Fn()>> = const { Cell::new(None) };
}

unsafe extern "C" {
    safe fn hosted_strike();
}

impl Taps {
    /// How often the system was asked for the bounds of a stack, handlers apart.
    pub fn asked() -> u32 {
        ASKED.load(SeqCst)
    }

    /// How often the core gave way, or slept for a while: what it does in place of waiting for somebody.
    pub fn yields() -> u32 {
        YIELDS.load(SeqCst)
    }

    /// From now on the system does not know the bounds of any stack.
    pub fn silence(silent: bool) {
        SILENT.store(silent, SeqCst);
    }

    /// Whether pools that are started from now on have a heavy barrier.
    pub fn has_barrier(has: bool) {
        NO_BARRIER.store(!has, SeqCst);
    }

    /// From now on the system refuses the barrier that pools have, or does not any more.
    pub fn refuse_barriers(refuses: bool) {
        REFUSES_BARRIERS.store(refuses, SeqCst);
    }

    /// From now on a thread of a [`storm`](crate::storm) strikes itself inside of calls to the
    /// port.
    pub fn strike(striking: bool) {
        STRIKING.store(striking, SeqCst);
    }

    /// Runs `f` on this thread when it has looked at its thread-local value the next time.
    pub fn after_next_look(f: &'static dyn Fn()) {
        AFTER_LOOK.set(Some(f));
    }

    /// What a thread runs when it exits, in the pool that was started last.
    pub fn at_exit() -> AtExit {
        AT_EXIT.lock().unwrap().expect("a pool was started")
    }

    /// Where a signal may come; for a runtime, too.
    pub fn tap() {
        if STRIKING.load(SeqCst) {
            hosted_strike();
        }
    }
}

fn around<T>(f: impl FnOnce() -> T) -> T {
    Taps::tap();
    let result = f();
    Taps::tap();
    result
}

// SAFETY: all that matters for memory safety is passed on as it is.
unsafe impl Wrap for Taps {
    type Inner = Native;
    fn osyield() {
        YIELDS.fetch_add(1, SeqCst);
        around(Native::osyield);
    }
    fn tls_open(local: &'static Local<Self>, pool: *mut (), hooks: &'static Hooks) -> Result<(), Refused> {
        *AT_EXIT.lock().unwrap() = Some(hooks.at_exit);
        Native::tls_open(local, pool, hooks)
    }
    fn tls_get(local: &'static Local<Self>) -> *mut () {
        let value = around(|| Native::tls_get(local));
        if let Some(then) = AFTER_LOOK.take() {
            then();
        }
        value
    }
    fn tls_look(local: &'static Local<Self>) -> (*mut (), bool) {
        around(|| Native::tls_look(local))
    }
    fn tls_set(local: &'static Local<Self>, value: *mut ()) -> Result<(), Refused> {
        around(|| Native::tls_set(local, value))
    }
    fn exit_hook(local: &'static Local<Self>) -> bool {
        around(|| Native::exit_hook(local))
    }
    fn thread_token() -> usize {
        around(Native::thread_token)
    }
    fn thread_id() -> u64 {
        around(Native::thread_id)
    }
    fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        around(|| Native::wait(word, expected, timeout));
    }
    fn wake(word: *const AtomicU32, count: u32) {
        around(|| Native::wake(word, count));
    }
    fn wait_again(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        around(|| Native::wait_again(word, expected, timeout));
    }
    fn wake_in_turn(word: *const AtomicU32, count: u32) {
        around(|| Native::wake_in_turn(word, count));
    }
    fn stack_bounds(sp: usize) -> Option<Range<usize>> {
        ASKED.fetch_add(1, SeqCst);
        if SILENT.load(SeqCst) { None } else { Native::stack_bounds(sp) }
    }
    fn stack_bounds_in_signal(sp: usize) -> Option<Range<usize>> {
        if SILENT.load(SeqCst) { None } else { Native::stack_bounds_in_signal(sp) }
    }
    fn now() -> Option<Duration> {
        around(Native::now)
    }
    fn heavy_barrier_init() -> bool {
        !NO_BARRIER.load(SeqCst) && Native::heavy_barrier_init()
    }
    fn heavy_barrier() -> bool {
        !REFUSES_BARRIERS.load(SeqCst) && Native::heavy_barrier()
    }
    fn usleep(micros: u32) {
        YIELDS.fetch_add(1, SeqCst);
        around(|| Native::usleep(micros));
    }
}
