//! The bounds of the stack that a thread was created with: pthread_get_stackaddr_np(3).

use core::ops::Range;

pub(crate) fn own() -> Option<Range<usize>> {
    // SAFETY: the calling thread.
    let (high, size) = unsafe {
        let thread = libc::pthread_self();
        (libc::pthread_get_stackaddr_np(thread).addr(), libc::pthread_get_stacksize_np(thread))
    };
    Some(high.checked_sub(size)?..high)
}
