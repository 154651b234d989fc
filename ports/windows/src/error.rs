//! The calling thread's last error, which is the caller's and stays as it is. `errno` is the C
//! library's, of which nothing is called here.

use windows_sys::Win32::Foundation::{GetLastError, SetLastError};

/// Puts the last error back when it is dropped.
pub(crate) struct Preserved(u32);

impl Preserved {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        // SAFETY: reads a word of the thread's block.
        Preserved(unsafe { GetLastError() })
    }
}

impl Drop for Preserved {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: writes that word.
        unsafe { SetLastError(self.0) };
    }
}
