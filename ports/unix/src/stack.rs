//! The bounds of the stack that a thread was created with, by each system's name for that. POSIX has none.

use core::ops::Range;

#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_os = "cygwin",
    target_os = "haiku",
    target_os = "hurd",
))]
pub(crate) fn own() -> Option<Range<usize>> {
    extram_posix::attributes::own_stack()
}

#[cfg(any(target_os = "illumos", target_os = "solaris"))]
pub(crate) fn own() -> Option<Range<usize>> {
    let mut stack = core::mem::MaybeUninit::<libc::stack_t>::uninit();
    // SAFETY: a place that is written if it succeeds.
    let stack = unsafe {
        if libc::stack_getbounds(stack.as_mut_ptr()) != 0 {
            return None;
        }
        stack.assume_init()
    };
    let low = stack.ss_sp.addr();
    Some(low..low.checked_add(stack.ss_size)?)
}

#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "cygwin",
    target_os = "haiku",
    target_os = "hurd",
    target_os = "illumos",
    target_os = "solaris",
)))]
pub(crate) fn own() -> Option<Range<usize>> {
    None
}
