//! The port of the models: what an operating system has to offer, made of loom's parts.
//!
//! loom runs all threads of a model in turn on one thread of the system: what is thread-local to
//! that one is global to the model. It is no part of the interleaving, and needs none: it is
//! touched together with a loom operation on the word concerned.

use crate::port::{Hooks, Port, Refused};
use crate::sync::{AtomicU32, Ordering};
use core::cell::{Cell, RefCell};
use core::ops::Range;
use core::ptr::null_mut;
use core::time::Duration;
use std::vec::Vec;

/// With or without a heavy barrier, on a system that forks or not.
pub(super) struct ModelPort<const BARRIER: bool, const FORKS: bool = false>;

/// Bound Ms are bound the shared way, see [`crate::hold`].
pub(super) type Shared = ModelPort<false>;

/// Where a pool's value lives: known by its address.
pub(super) struct Place {
    _place: u8,
}

/// A pool that is open.
#[derive(Clone, Copy)]
struct Opening {
    place: *const Place,
    /// One more each time: a value from before an opening is none of its.
    number: usize,
    pool: *mut (),
    hooks: &'static Hooks,
}

loom::thread_local! {
    /// By the number of the opening; null is not kept.
    static VALUES: RefCell<Vec<(usize, *mut ())>> = RefCell::new(Vec::new());
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
    static OPEN: RefCell<Vec<Opening>> = const { RefCell::new(Vec::new()) };
    static OPENINGS: Cell<usize> = const { Cell::new(0) };
    static TOKENS: Cell<usize> = const { Cell::new(0) };
    static FORKED: Cell<usize> = const { Cell::new(0) };
    static CLOCK: Cell<Option<Duration>> = const { Cell::new(None) };
}

fn next_token() -> usize {
    TOKENS.set(TOKENS.get() + 1);
    TOKENS.get() << 4
}

/// Before each interleaving: the one before may have ended in a panic.
pub(super) fn reset() {
    SLEEPERS.with_borrow_mut(Vec::clear);
    OPEN.with_borrow_mut(Vec::clear);
    OPENINGS.set(0);
    TOKENS.set(0);
    FORKED.set(0);
    CLOCK.set(None);
}

/// There is a clock from now on, which says this until it is set again.
pub(super) fn set_clock(milliseconds: u64) {
    CLOCK.set(Some(Duration::from_millis(milliseconds)));
}

/// What the C library does in a forked child: the calling thread is its only one.
pub(super) fn fork() {
    FORKED.set(FORKED.get() + 1);
    let open = OPEN.with_borrow(Clone::clone);
    for opening in open {
        // SAFETY: the pool is open, and its other threads do nothing any more.
        unsafe { (opening.hooks.in_child)(opening.pool) };
    }
}

/// Starts a thread whose exit hook runs when `f` has returned.
pub(super) fn spawn<T: 'static>(f: impl FnOnce() -> T + 'static) -> loom::thread::JoinHandle<T> {
    loom::thread::spawn(|| {
        let result = f();
        exit_thread();
        result
    })
}

/// Runs the exit hooks of the calling thread.
fn exit_thread() {
    let numbers: Vec<usize> = VALUES.with(|values| values.borrow().iter().map(|own| own.0).collect());
    for number in numbers {
        let _in_hook = IN_HOOK.lock();
        let opening = OPEN.with_borrow(|open| open.iter().find(|opening| opening.number == number).copied());
        let value = VALUES.with(|values| values.borrow().iter().find(|own| own.0 == number).copied());
        if let (Some(opening), Some((_, value))) = (opening, value) {
            // SAFETY: the thread stored `value`, and the pool has not been closed (OPEN).
            unsafe { (opening.hooks.at_exit)(opening.pool, value) };
        }
    }
}

/// The number of the opening, if the pool is open.
fn opening(place: *const Place) -> Option<usize> {
    OPEN.with_borrow(|open| open.iter().find(|opening| opening.place == place).map(|opening| opening.number))
}

// SAFETY: Own thread and Token by `loom::thread_local`. Exit hook: `spawn` runs it, and
// `tls_close` is refused while one runs, and lets none start. Barrier: both sides are sequentially
// consistent fences, see `crate::sync`. Wake: the address is only compared. Signal: there are none.
unsafe impl<const BARRIER: bool, const FORKS: bool> Port for ModelPort<BARRIER, FORKS> {
    const FORKS: bool = FORKS;

    fn forks() -> usize {
        FORKED.get()
    }

    fn osyield() {
        loom::thread::yield_now();
    }

    type Local = Place;
    const LOCAL: Place = Place { _place: 0 };

    fn tls_open(place: &'static Place, pool: *mut (), hooks: &'static Hooks) -> Result<(), Refused> {
        let number = OPENINGS.get() + 1;
        OPENINGS.set(number);
        OPEN.with_borrow_mut(|open| {
            open.retain(|opening| !core::ptr::eq(opening.place, place));
            open.push(Opening { place, number, pool, hooks });
        });
        Ok(())
    }

    fn tls_close(place: &'static Place) -> bool {
        let Ok(_in_hook) = IN_HOOK.try_lock() else { return false };
        OPEN.with_borrow_mut(|open| open.retain(|opening| !core::ptr::eq(opening.place, place)));
        true
    }

    fn tls_get(place: &'static Place) -> *mut () {
        let Some(number) = opening(place) else { return null_mut() };
        VALUES
            .with(|values| values.borrow().iter().find(|own| own.0 == number).map_or(null_mut(), |own| own.1))
    }

    fn tls_set(place: &'static Place, value: *mut ()) -> Result<(), Refused> {
        let Some(number) = opening(place) else { return if value.is_null() { Ok(()) } else { Err(Refused) } };
        crate::sync::watched::step();
        VALUES.with(|values| {
            let mut values = values.borrow_mut();
            values.retain(|own| own.0 != number);
            if !value.is_null() {
                values.push((number, value));
            }
        });
        Ok(())
    }

    const HAS_EXIT_HOOK: bool = true;

    fn exit_hook(_place: &'static Place) -> bool {
        HOOKED.with(|hooked| hooked.set(true));
        true
    }

    /// A thread that has been in once is known to have its hook, which leads it the short way.
    fn tls_look(place: &'static Place) -> (*mut (), bool) {
        (Self::tls_get(place), HOOKED.with(Cell::get))
    }

    fn thread_token() -> usize {
        TOKEN.with(|token| *token)
    }

    fn thread_id() -> u64 {
        Self::thread_token() as u64
    }

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

    const HAS_HEAVY_BARRIER: bool = true;

    fn heavy_barrier_init() -> bool {
        BARRIER
    }

    fn heavy_barrier() -> bool {
        crate::sync::fence(Ordering::SeqCst);
        true
    }

    fn stack_bounds(_sp: usize) -> Option<Range<usize>> {
        None
    }

    fn stack_bounds_in_signal(_sp: usize) -> Option<Range<usize>> {
        None
    }

    fn now() -> Option<Duration> {
        CLOCK.get()
    }

    fn in_handler() -> bool {
        false
    }

    fn brief<T>(f: impl FnOnce() -> T) -> T {
        f()
    }
}
