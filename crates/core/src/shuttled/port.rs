//! The port of the scenarios, of shuttle's parts. All threads of a schedule run in turn on one of the
//! system's, and are switched at atomic accesses only: what is here is one step unless it has some.

use crate::port::{Hooks, Port, Refused};
use crate::sync::{AtomicU32, Ordering};
use core::cell::{Cell, RefCell};
use core::ops::Range;
use core::ptr::null_mut;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;
use std::vec::Vec;

/// With or without a heavy barrier.
pub(super) struct Shuttled<const BARRIER: bool>;

/// Which opening of a pool it is now; 0 for none.
pub(super) struct Local(AtomicUsize);

::shuttle::thread_local! {
    static VALUES: RefCell<BTreeMap<usize, *mut ()>> = RefCell::new(BTreeMap::new());
    static EXITING: Cell<bool> = Cell::new(false);
    static TOKEN: Cell<usize> = Cell::new(0);
}

std::thread_local! {
    static SLEEPERS: RefCell<Vec<(*const AtomicU32, ::shuttle::thread::Thread)>> = const { RefCell::new(Vec::new()) };
    /// What is open: the pool, its hooks, how many exit hooks run.
    static OPEN: RefCell<BTreeMap<usize, (*mut (), &'static Hooks, u32)>> = const { RefCell::new(BTreeMap::new()) };
    static LAST: Cell<usize> = const { Cell::new(0) };
}

fn next() -> usize {
    LAST.set(LAST.get() + 1);
    LAST.get()
}

/// Before each schedule: the one before may have ended in a panic.
pub(super) fn reset() {
    SLEEPERS.with_borrow_mut(Vec::clear);
    OPEN.with_borrow_mut(BTreeMap::clear);
}

/// Starts a thread whose exit hook runs when `f` has returned.
pub(super) fn spawn(f: impl FnOnce() + Send + 'static) -> ::shuttle::thread::JoinHandle<()> {
    ::shuttle::thread::spawn(|| {
        f();
        exit_thread();
    })
}

/// Runs the exit hooks of the calling thread.
fn exit_thread() {
    EXITING.with(|exiting| exiting.set(true));
    let stored: Vec<_> = VALUES.with(|values| values.borrow().clone()).into_iter().collect();
    for (opening, value) in stored.into_iter().filter(|(_, value)| !value.is_null()) {
        let gate = |change: i32| {
            OPEN.with_borrow_mut(|open| {
                let (pool, hooks, running) = open.get_mut(&opening)?;
                *running = running.checked_add_signed(change).expect("as many begin as end");
                Some((*pool, *hooks))
            })
        };
        let Some((pool, hooks)) = gate(1) else { continue };
        // SAFETY: the thread stored `value` for that opening, which `gate` found open.
        unsafe { (hooks.at_exit)(pool, value) };
        gate(-1);
    }
}

// SAFETY: Own thread and Token: by shuttle's thread-local values; an opening has a number that no other
// one had. Exit hook: `spawn` runs it, and `tls_close` is refused while one runs. Barrier: accesses
// are sequentially consistent, so that it is nothing. Wake: the address is only compared. Fork, Handler:
// there are none.
unsafe impl<const BARRIER: bool> Port for Shuttled<BARRIER> {
    fn osyield() {
        ::shuttle::thread::yield_now();
    }

    type Local = Local;
    #[allow(clippy::declare_interior_mutable_const)]
    const LOCAL: Local = Local(AtomicUsize::new(0));

    fn tls_open(local: &'static Local, pool: *mut (), hooks: &'static Hooks) -> Result<(), Refused> {
        let opening = next();
        OPEN.with_borrow_mut(|open| open.insert(opening, (pool, hooks, 0)));
        local.0.store(opening, Ordering::Relaxed);
        Ok(())
    }

    fn tls_close(local: &'static Local) -> bool {
        let opening = local.0.load(Ordering::Relaxed);
        let closed = OPEN.with_borrow_mut(|open| match open.get(&opening) {
            Some((_, _, running)) if *running > 0 => false,
            _ => {
                open.remove(&opening);
                true
            }
        });
        if closed {
            local.0.store(0, Ordering::Relaxed);
        }
        closed
    }

    fn tls_get(local: &'static Local) -> *mut () {
        let opening = local.0.load(Ordering::Relaxed);
        VALUES.with(|values| values.borrow().get(&opening).copied()).unwrap_or(null_mut())
    }

    fn tls_set(local: &'static Local, value: *mut ()) -> Result<(), Refused> {
        let opening = local.0.load(Ordering::Relaxed);
        if opening == 0 {
            return if value.is_null() { Ok(()) } else { Err(Refused) };
        }
        VALUES.with(|values| values.borrow_mut().insert(opening, value));
        Ok(())
    }

    const HAS_EXIT_HOOK: bool = true;

    fn exit_hook(local: &'static Local) -> bool {
        local.0.load(Ordering::Relaxed) != 0 && !EXITING.with(Cell::get)
    }

    fn tls_look(local: &'static Local) -> (*mut (), bool) {
        (Self::tls_get(local), false)
    }

    fn thread_token() -> usize {
        TOKEN.with(|token| {
            if token.get() == 0 {
                token.set(next() << 4);
            }
            token.get()
        })
    }

    fn thread_id() -> u64 {
        Self::thread_token() as u64
    }

    /// One step, as a futex promises: shuttle does not switch between the look and the rest. It wakes
    /// a thread now and then for no reason, as it may.
    fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        if timeout.is_some() {
            return ::shuttle::thread::yield_now();
        }
        if word.load(Ordering::Relaxed) == expected {
            SLEEPERS.with_borrow_mut(|sleepers| sleepers.push((word, ::shuttle::thread::current())));
            ::shuttle::thread::park();
            let me = ::shuttle::thread::current().id();
            SLEEPERS.with_borrow_mut(|sleepers| sleepers.retain(|(_, sleeper)| sleeper.id() != me));
        }
    }

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
        true
    }

    fn stack_bounds(_sp: usize) -> Option<Range<usize>> {
        None
    }

    fn stack_bounds_in_signal(_sp: usize) -> Option<Range<usize>> {
        None
    }

    fn now() -> Option<Duration> {
        None
    }

    const FORKS: bool = true;

    fn forks() -> usize {
        0
    }

    fn in_handler() -> bool {
        false
    }

    fn brief<T>(f: impl FnOnce() -> T) -> T {
        f()
    }
}
