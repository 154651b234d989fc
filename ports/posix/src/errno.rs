//! `errno` is the caller's: no entry and no leaving changes it.

#[cfg(target_os = "linux")]
use libc::__errno_location as location;
#[cfg(target_os = "freebsd")]
use libc::__error as location;

/// Puts `errno` back when dropped.
pub struct Preserved(libc::c_int);

impl Preserved {
    /// Keeps the calling thread's `errno`.
    #[allow(clippy::new_without_default)] // `_errno = default()` would not say what it does
    pub fn new() -> Self {
        // SAFETY: the C library's `errno` of the calling thread; always valid.
        Preserved(unsafe { *location() })
    }
}

impl Drop for Preserved {
    fn drop(&mut self) {
        // SAFETY: as in `new`.
        unsafe { *location() = self.0 };
    }
}
