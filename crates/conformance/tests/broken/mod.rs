//! A port that breaks one promise. Everything that its fault does not name is the real port's.

use core::ops::Range;
use extram::Native;
use extram_conformance::wrap::{Local, Thread, Wrap};
use extram_core::sync::AtomicU32;
use extram_core::{Hooks, Port, Refused, Threads};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

/// What a broken port does with one of the promises.
pub(crate) trait Fault: Send + Sync + 'static {
    /// All threads share one thread-local word.
    const SHARED_WORD: bool = false;
    /// What a token becomes.
    fn token(real: usize) -> usize {
        real
    }
    /// What a thread's number becomes.
    fn id(real: u64) -> u64 {
        real
    }
    /// Waits forget their time-out, and wake-ups are lost.
    const DEAF: bool = false;
    /// A wait forgets its time-out.
    const TIMELESS: bool = false;
    /// Threads exit without a word, although the port says that it tells.
    const SILENT_EXIT: bool = false;
    /// Waits never end in time.
    const LATE: bool = false;
    /// The barrier is empty.
    const EMPTY_BARRIER: bool = false;
    /// What the bounds become.
    fn bounds(real: Option<Range<usize>>) -> Option<Range<usize>> {
        real
    }
    /// Threads are let go and not waited for.
    const LATE_JOIN: bool = false;
    /// All stacks have the default size.
    const SAME_STACK: bool = false;
    /// What the clock becomes.
    fn now(real: Option<Duration>) -> Option<Duration> {
        real
    }
    /// Sleeping is nothing but a yield.
    const RESTLESS: bool = false;
    /// Waiting and waking take one lock, as a mutex with a condition variable would.
    const LOCKS: bool = false;
    /// No thread-local storage is left.
    const NO_ROOM: bool = false;
    /// Nor for a thread's value.
    const NO_VALUE: bool = false;
}

pub(crate) struct Broken<F>(core::marker::PhantomData<F>);

/// Words that ought to be thread-local, by the address of their `Local`.
static SHARED: Mutex<BTreeMap<usize, usize>> = Mutex::new(BTreeMap::new());

fn place<T>(local: &T) -> usize {
    core::ptr::from_ref(local).addr()
}

unsafe extern "C" fn nothing(_: *mut (), _: *mut ()) {}

unsafe extern "C" fn no_repair(_: *mut ()) {}

static SILENT: Hooks = Hooks { at_exit: nothing, in_child: no_repair };

static LOCK: AtomicBool = AtomicBool::new(false);

/// Holds the lock for a while, so that who interrupts its holder meets it.
fn locked<F: Fault>() {
    if F::LOCKS {
        while LOCK.swap(true, SeqCst) {
            Native::osyield();
        }
        Native::usleep(100);
        LOCK.store(false, SeqCst);
    }
}

// SAFETY: it breaks the promises on purpose; the contexts of the suite are atomics, which stand it.
unsafe impl<F: Fault> Wrap for Broken<F> {
    type Inner = Native;
    fn usleep(micros: u32) {
        if F::RESTLESS { Native::osyield() } else { Native::usleep(micros) }
    }
    fn tls_open(local: &'static Local<Self>, pool: *mut (), hooks: &'static Hooks) -> Result<(), Refused> {
        if F::NO_ROOM {
            return Err(Refused);
        }
        Native::tls_open(local, pool, if F::SILENT_EXIT { &SILENT } else { hooks })
    }
    fn tls_close(local: &'static Local<Self>) -> bool {
        if F::SHARED_WORD {
            SHARED.lock().unwrap().remove(&place(local));
        }
        Native::tls_close(local)
    }
    fn tls_get(local: &'static Local<Self>) -> *mut () {
        if F::SHARED_WORD {
            let value = SHARED.lock().unwrap().get(&place(local)).copied();
            core::ptr::with_exposed_provenance_mut(value.unwrap_or(0))
        } else {
            Native::tls_get(local)
        }
    }
    fn tls_look(local: &'static Local<Self>) -> (*mut (), bool) {
        if F::SHARED_WORD { (Self::tls_get(local), false) } else { Native::tls_look(local) }
    }
    fn tls_set(local: &'static Local<Self>, value: *mut ()) -> Result<(), Refused> {
        if F::NO_VALUE && !value.is_null() {
            return Err(Refused);
        }
        if F::SHARED_WORD {
            SHARED.lock().unwrap().insert(place(local), value.expose_provenance());
        }
        Native::tls_set(local, value)
    }
    fn thread_token() -> usize {
        F::token(Native::thread_token())
    }
    fn thread_id() -> u64 {
        F::id(Native::thread_id())
    }
    fn newosproc(entry: extern "C" fn(*mut ()), arg: *mut (), stack: usize) -> Result<Thread<Self>, Refused> {
        Native::newosproc(entry, arg, if F::SAME_STACK { 0 } else { stack })
    }
    fn join(thread: Thread<Self>) {
        if !F::LATE_JOIN {
            Native::join(thread);
        }
    }
    fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        locked::<F>();
        if F::DEAF {
            // Whoever waits without a limit waits for ever.
            return if timeout.is_none() {
                Native::usleep(u32::MAX)
            } else {
                Native::wait(word, expected, timeout)
            };
        }
        let timeout = if F::LATE { timeout.map(|_| Duration::from_millis(1500)) } else { timeout };
        Native::wait(word, expected, if F::TIMELESS { None } else { timeout });
    }
    fn wake(word: *const AtomicU32, count: u32) {
        locked::<F>();
        if !F::DEAF {
            Native::wake(word, count);
        }
    }
    fn stack_bounds(sp: usize) -> Option<Range<usize>> {
        F::bounds(Native::stack_bounds(sp))
    }
    fn now() -> Option<Duration> {
        F::now(Native::now())
    }
    fn heavy_barrier() -> bool {
        F::EMPTY_BARRIER || Native::heavy_barrier()
    }
}
