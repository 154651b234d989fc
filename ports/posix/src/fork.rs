//! Forked children: pthread_atfork(3) runs the repair of every open pool.

use crate::local::{Local, SLOTS};
use core::sync::atomic::{AtomicU32, Ordering};

/// Whether the handler is installed: no, somebody is at it, yes.
static INSTALLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn in_child() {
    crate::thread::forget_id();
    crate::local::forget_running();
    for slot in &SLOTS {
        if let Some((repair, pool)) = slot.taken().and_then(Local::repair) {
            // SAFETY: the pair was stored by `hook`, for a pool that is there: the slot is emptied
            // before `close` returns, and the child has one thread.
            unsafe { repair(pool) };
        }
    }
}

/// [`Port::fork_hook`](extram_core::Port::fork_hook).
pub fn hook(local: &'static Local, repair: unsafe extern "C" fn(*mut ()), pool: *mut ()) {
    local.set_repair(repair, pool);
    // Relaxed: installing twice would repair twice, which does no harm; it is avoided, not ruled out.
    if INSTALLED.swap(1, Ordering::Relaxed) == 0 {
        // SAFETY: a function of this library, which the C library forgets when it is unloaded.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use core::sync::atomic::AtomicBool;

    static LOCAL: Local = Local::closed();
    static REPAIRED: AtomicBool = AtomicBool::new(false);

    unsafe extern "C" fn repair(_pool: *mut ()) {
        REPAIRED.store(true, Ordering::SeqCst);
    }

    unsafe extern "C" fn nothing(_pool: *mut (), _value: *mut ()) {}

    fn slots_taken() -> usize {
        SLOTS.iter().filter(|slot| slot.taken().is_some()).count()
    }

    #[test]
    fn a_child_forked_while_a_pool_is_closed_is_told_and_closes_it() {
        LOCAL.open(core::ptr::null_mut(), nothing).unwrap();
        hook(&LOCAL, repair, core::ptr::null_mut());
        let slot = SLOTS.iter().find(|slot| slot.taken().is_some()).unwrap();
        // A destructor that has not come to its end keeps `close` waiting.
        let running = slot.hold_up();
        let closer = std::thread::spawn(|| LOCAL.close());
        while slot.is_open() {
            std::thread::yield_now();
        }
        // SAFETY: the child makes no use of what other threads may have locked.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let mut well = REPAIRED.load(Ordering::SeqCst) && slots_taken() == 1;
            LOCAL.close();
            well &= slots_taken() == 0;
            for _ in 0..2 {
                well &= LOCAL.open(core::ptr::null_mut(), nothing).is_ok() && slots_taken() == 1;
                LOCAL.close();
            }
            // SAFETY: ends the process without the parent's exit handlers.
            unsafe { libc::_exit(if well { 0 } else { 1 }) };
        }
        let mut status = 0;
        // SAFETY: a place for the status.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0, "the child ends well");
        assert!(!REPAIRED.load(Ordering::SeqCst), "in the child only");
        assert_eq!(slots_taken(), 1);
        drop(running);
        closer.join().unwrap();
        assert_eq!(slots_taken(), 0);
    }
}
