//! The port of the models: what an operating system has to offer, made of loom's parts.
//!
//! loom runs all threads of a model in turn on one thread of the system: what is thread-local to
//! that one is global to the model. It is no part of the interleaving, and needs none: it is
//! touched together with a loom operation on the word concerned.

use crate::port::{Hooks, Port, Refused};
use crate::sync::{AtomicU32, Ordering};
use core::cell::{Cell, RefCell};
use core::ptr::null_mut;
use core::time::Duration;
use std::vec::Vec;

/// With or without a heavy barrier.
pub(super) struct ModelPort<const BARRIER: bool>;

/// Bound Ms are bound the shared way, see [`crate::hold`].
pub(super) type Shared = ModelPort<false>;

loom::thread_local! {
    static VALUE: Cell<*mut ()> = Cell::new(null_mut());
    static HOOKED: Cell<bool> = Cell::new(false);
    static TOKEN: usize = next_token();
}

loom::lazy_static! {
    /// Held while an exit hook runs, so that `tls_close` is refused.
    static ref IN_HOOK: loom::sync::Mutex<()> = loom::sync::Mutex::new(());
}

std::thread_local! {
    /// Threads that sleep, and on which word; first come, first woken.
    static SLEEPERS: RefCell<Vec<(*const AtomicU32, loom::thread::Thread)>> = const { RefCell::new(Vec::new()) };
    static HOOKS: Cell<Option<(*mut (), &'static Hooks)>> = const { Cell::new(None) };
    static TOKENS: Cell<usize> = const { Cell::new(0) };
}

fn next_token() -> usize {
    TOKENS.set(TOKENS.get() + 1);
    TOKENS.get() << 4
}

/// Before each interleaving: the one before may have ended in a panic.
pub(super) fn reset() {
    SLEEPERS.with_borrow_mut(Vec::clear);
    HOOKS.set(None);
    TOKENS.set(0);
}

/// Starts a thread whose exit hook runs when `f` has returned.
pub(super) fn spawn<T: 'static>(f: impl FnOnce() -> T + 'static) -> loom::thread::JoinHandle<T> {
    loom::thread::spawn(|| {
        let result = f();
        exit_thread();
        result
    })
}

/// Runs the exit hook of the calling thread.
fn exit_thread() {
    let value = VALUE.with(Cell::take);
    if value.is_null() {
        return;
    }
    let _in_hook = IN_HOOK.lock();
    if let Some((pool, hooks)) = HOOKS.get() {
        VALUE.with(|own| own.set(value));
        // SAFETY: the thread stored `value`, and the pool has not been closed (HOOKS).
        unsafe { (hooks.at_exit)(pool, value) };
    }
}

// SAFETY: Own thread and Token by `loom::thread_local`. Exit hook: `spawn` runs it, and
// `tls_close` is refused while one runs, and lets none start. Barrier: both sides are sequentially
// consistent fences, see `crate::sync`. Wake: the address is only compared. Signal: there are none.
unsafe impl<const BARRIER: bool> Port for ModelPort<BARRIER> {
    fn usleep(_micros: u32) {
        loom::thread::yield_now();
    }

    fn osyield() {
        loom::thread::yield_now();
    }

    type Local = ();
    const LOCAL: () = ();

    fn tls_open(_local: &'static (), pool: *mut (), hooks: &'static Hooks) -> Result<(), Refused> {
        HOOKS.set(Some((pool, hooks)));
        Ok(())
    }

    fn tls_close(_local: &'static ()) -> bool {
        let Ok(_in_hook) = IN_HOOK.try_lock() else { return false };
        HOOKS.set(None);
        true
    }

    fn tls_get(_local: &'static ()) -> *mut () {
        // A model opens its pool once, so a value from before `tls_open` does not exist.
        if HOOKS.get().is_some() { VALUE.with(Cell::get) } else { null_mut() }
    }

    fn tls_set(_local: &'static (), value: *mut ()) -> Result<(), Refused> {
        VALUE.with(|own| own.set(value));
        Ok(())
    }

    fn exit_hook(_local: &'static ()) -> bool {
        HOOKED.with(|hooked| hooked.set(true));
        true
    }

    /// A thread that has been in once is known to have its hook, which leads it the short way.
    fn tls_look(local: &'static ()) -> (*mut (), bool) {
        (Self::tls_get(local), HOOKED.with(Cell::get))
    }

    fn thread_token() -> usize {
        TOKEN.with(|token| *token)
    }

    fn thread_id() -> u64 {
        Self::thread_token() as u64
    }

    type Thread = ();

    fn newosproc(_entry: extern "C" fn(*mut ()), _arg: *mut (), _stack: usize) -> Result<(), Refused> {
        Err(Refused)
    }

    fn join((): ()) {}

    /// Blocks the model's thread: a wake-up that never comes is a deadlock, which loom reports.
    ///
    /// The look at the word and going to sleep are one step, as a futex promises. The look is a
    /// read-modify-write because it must not see an old value: in the kernel, the lock of the
    /// futex's bucket sees to that. A wait with a time-out comes back at once.
    fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        if timeout.is_some() {
            return loom::thread::yield_now();
        }
        if word.fetch_add(0, Ordering::Relaxed) == expected {
            SLEEPERS.with_borrow_mut(|sleepers| sleepers.push((word, loom::thread::current())));
            loom::thread::park();
        }
    }

    /// One step with the change of the word before it: a thread that looks between the two does
    /// not go to sleep, so where exactly the wake-up lies makes no difference.
    fn wake(word: *const AtomicU32, count: u32) {
        for _ in 0..count {
            let sleeper = SLEEPERS.with_borrow_mut(|sleepers| {
                let first = sleepers.iter().position(|(on, _)| *on == word)?;
                Some(sleepers.remove(first).1)
            });
            let Some(sleeper) = sleeper else { return };
            sleeper.unpark();
        }
    }

    fn heavy_barrier_init() -> bool {
        BARRIER
    }

    fn heavy_barrier() -> bool {
        crate::sync::fence(Ordering::SeqCst);
        true
    }
}
