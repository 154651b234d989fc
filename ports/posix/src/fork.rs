//! Forked children: pthread_atfork(3) tells every open pool.

use crate::slot::{SLOTS, Slot};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use extram_core::Refused;

/// How many forks this process is away from the first one.
static FORKS: AtomicUsize = AtomicUsize::new(0);

/// Whether the next child has still to be told: with two handlers registered, the second finds it
/// done. Set at first, and again before each fork.
static DUE: AtomicBool = AtomicBool::new(true);

/// [`Port::forks`](extram_core::Port::forks).
#[inline]
pub(crate) fn forks() -> usize {
    // Relaxed: it changes before `fork` returns in the child, whose one thread changes it.
    FORKS.load(Ordering::Relaxed)
}

/// Registers the handlers.
pub(crate) fn register() -> Result<(), Refused> {
    if cfg!(miri) {
        // Miri has no fork.
        return Ok(());
    }
    // SAFETY: functions of this library, which the C library forgets when it is unloaded.
    match unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) } {
        0 => Ok(()),
        _ => Err(Refused),
    }
}

unsafe extern "C" fn before() {
    // Relaxed: for the child that has this thread.
    DUE.store(true, Ordering::Relaxed);
    crate::queue::before_fork();
}

unsafe extern "C" fn in_parent() {
    crate::queue::after_fork(false);
}

unsafe extern "C" fn in_child() {
    // Relaxed, all of them: one thread.
    if !DUE.swap(false, Ordering::Relaxed) {
        return;
    }
    let _errno = crate::errno::Preserved::new();
    // First: the hooks wake.
    crate::queue::after_fork(true);
    FORKS.fetch_add(1, Ordering::Relaxed);
    crate::thread::forget_id();
    for (hooks, pool) in SLOTS.iter().filter_map(Slot::settle) {
        // SAFETY: the contract of `Hooks`: the pool was open, or was being closed by a thread that
        // has not returned from that.
        unsafe { (hooks.in_child)(pool) };
    }
}
