//! The bounds of the stack that a thread was created with: pthread_stackseg_np(3), which tells its upper end.

use core::ops::Range;

pub(crate) fn own() -> Option<Range<usize>> {
    let mut stack = core::mem::MaybeUninit::<libc::stack_t>::uninit();
    // SAFETY: the calling thread, and a place that is written if it succeeds.
    let stack = unsafe {
        if libc::pthread_stackseg_np(libc::pthread_self(), stack.as_mut_ptr()) != 0 {
            return None;
        }
        stack.assume_init()
    };
    let high = stack.ss_sp.addr();
    Some(high.checked_sub(stack.ss_size)?..high)
}
