//! The heavy barrier: membarrier(2), FreeBSD 14.1 and later.
//!
//! Asked of the run-time linker by name: FreeBSD 13 has no such symbol, and a system call that its
//! kernel does not know ends the process with SIGSYS.

use core::sync::atomic::{AtomicPtr, Ordering};

// What the libc crate does not have: sys/membarrier.h, lines 66, 46 and 47 of the copy in zig 0.17.1.
pub(crate) type Membarrier = unsafe extern "C" fn(libc::c_int, libc::c_uint, libc::c_int) -> libc::c_int;
pub(crate) const CMD_PRIVATE_EXPEDITED: libc::c_int = 0x08;
pub(crate) const CMD_REGISTER_PRIVATE_EXPEDITED: libc::c_int = 0x10;

/// `membarrier`, or null.
static MEMBARRIER: AtomicPtr<libc::c_void> = AtomicPtr::new(core::ptr::null_mut());

fn membarrier(command: libc::c_int) -> bool {
    // Relaxed: a function of the C library, which was there before any thread.
    let function = MEMBARRIER.load(Ordering::Relaxed);
    // SAFETY: null, or the C library's function of that name and type.
    match unsafe { core::mem::transmute::<*mut libc::c_void, Option<Membarrier>>(function) } {
        // SAFETY: takes numbers only.
        Some(membarrier) => unsafe { membarrier(command, 0, 0) == 0 },
        None => false,
    }
}

pub(crate) fn init() -> bool {
    // SAFETY: a constant name.
    let function = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"membarrier".as_ptr()) };
    MEMBARRIER.store(function, Ordering::Relaxed);
    membarrier(CMD_REGISTER_PRIVATE_EXPEDITED) && membarrier(CMD_PRIVATE_EXPEDITED)
}

pub(crate) fn heavy() -> bool {
    // A forked child has to register anew.
    membarrier(CMD_PRIVATE_EXPEDITED)
        || (membarrier(CMD_REGISTER_PRIVATE_EXPEDITED) && membarrier(CMD_PRIVATE_EXPEDITED))
}
