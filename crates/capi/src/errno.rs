//! `errno`, where it is that of Windows' C library; elsewhere `extram-posix` knows it.

use libc::c_int;

unsafe extern "C" {
    #[link_name = "_errno"]
    fn location() -> *mut c_int;
}

/// The calling thread's.
pub(crate) fn get() -> c_int {
    // SAFETY: the C library's `errno` of the calling thread; always valid.
    unsafe { *location() }
}

/// Writes it.
pub(crate) fn set(errno: c_int) {
    // SAFETY: as in `get`.
    unsafe { *location() = errno };
}

/// Puts `errno` back when dropped.
pub(crate) struct Preserved(c_int);

impl Preserved {
    /// Keeps the calling thread's `errno`.
    pub(crate) fn new() -> Self {
        Preserved(get())
    }
}

impl Drop for Preserved {
    fn drop(&mut self) {
        set(self.0);
    }
}
