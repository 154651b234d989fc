//! What systems tell of the thread that asks: pthread_getattr_np(3), which is not POSIX's, and which several
//! have. It takes a lock of the thread, and may allocate.

use core::ops::Range;

/// The bounds of the stack that the calling thread was created with, for
/// [`System::own_stack`](crate::System::own_stack).
pub fn own_stack() -> Option<Range<usize>> {
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
