//! `errno` is the caller's: no entry and no leaving changes it.

use libc::c_int;

/// What each system calls the function behind `errno`. Where none is known, `errno` is not kept.
macro_rules! named {
    ($($name:literal: $($system:literal)*;)*) => {
        #[cfg(any($($(target_os = $system,)*)*))]
        unsafe extern "C" {
            $(#[cfg_attr(any($(target_os = $system,)*), link_name = $name)])*
            fn location() -> *mut c_int;
        }

        #[cfg(not(any($($(target_os = $system,)*)*)))]
        unsafe fn location() -> *mut c_int {
            core::ptr::null_mut()
        }
    };
}

named! {
    "__errno_location": "linux" "l4re" "hurd" "redox" "fuchsia" "emscripten" "dragonfly";
    "__error": "freebsd" "macos" "ios" "tvos" "visionos" "watchos";
    "__errno": "android" "netbsd" "openbsd" "cygwin" "nuttx";
    "___errno": "illumos" "solaris";
    "_errnop": "haiku";
    "_Errno": "aix";
    "__get_errno_ptr": "nto";
}

/// The calling thread's, 0 where it is not known.
pub fn get() -> c_int {
    // SAFETY: null, or the C library's `errno` of the calling thread, which is always valid.
    unsafe { location().as_ref() }.copied().unwrap_or(0)
}

/// Writes it.
pub fn set(errno: c_int) {
    // SAFETY: as in `get`.
    if let Some(place) = unsafe { location().as_mut() } {
        *place = errno;
    }
}

/// Puts `errno` back when dropped.
#[derive(Debug)]
pub struct Preserved(c_int);

impl Preserved {
    /// Keeps the calling thread's `errno`.
    #[allow(clippy::new_without_default)] // `_errno = default()` would not say what it does
    pub fn new() -> Self {
        Preserved(get())
    }
}

impl Drop for Preserved {
    fn drop(&mut self) {
        set(self.0);
    }
}
