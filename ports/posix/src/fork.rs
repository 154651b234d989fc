//! Forked children: pthread_atfork(3) runs the repair of every open pool.

use crate::local::{Local, SLOTS};
use core::sync::atomic::{AtomicU32, Ordering};

/// Whether the handler is installed: no, somebody is at it, yes.
static INSTALLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn in_child() {
    crate::thread::forget_id();
    crate::local::forget_running();
    for slot in &SLOTS {
        if let Some((repair, pool)) = slot.local().and_then(Local::repair) {
            // SAFETY: the pair was stored by `hook`, for a pool that is open; the child has one
            // thread, so it is not closed meanwhile.
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
