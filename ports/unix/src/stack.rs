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
    let mut attr = core::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut low = core::ptr::null_mut();
    let mut size = 0;
    // SAFETY: `pthread_getattr_np` initialises the object, which is destroyed once.
    unsafe {
        if libc::pthread_getattr_np(libc::pthread_self(), attr.as_mut_ptr()) != 0 {
            return None;
        }
        let failed = libc::pthread_attr_getstack(attr.as_ptr(), &mut low, &mut size) != 0;
        libc::pthread_attr_destroy(attr.as_mut_ptr());
        if failed {
            return None;
        }
    }
    Some(low.addr()..low.addr().checked_add(size)?)
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
