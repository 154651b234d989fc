//! `errno` is the caller's: no entry and no leaving changes it.

/// Puts `errno` back when dropped.
pub(crate) struct Preserved(libc::c_int);

impl Preserved {
    pub(crate) fn new() -> Self {
        // SAFETY: the C library's `errno` of the calling thread; always valid.
        Preserved(unsafe { *libc::__errno_location() })
    }
}

impl Drop for Preserved {
    fn drop(&mut self) {
        // SAFETY: as in `new`.
        unsafe { *libc::__errno_location() = self.0 };
    }
}
