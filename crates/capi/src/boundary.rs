//! Nothing unwinds into C, and `errno` is C's.

use crate::code::extram_code;
#[cfg(all(feature = "std", windows))]
use crate::errno;
use extram_core::StartError;
#[cfg(all(feature = "std", unix))]
use extram_posix::errno;

/// A `uintptr_t`. Here, where cbindgen does not look: it takes the name for what cbindgen.toml says.
pub(crate) type address = usize;

/// Runs foreign code; `None` if it panicked, after the hook has printed the message. An exception of
/// another language ends the process with a message.
#[cfg(feature = "std")]
#[inline]
pub(crate) fn caught<T>(f: impl FnOnce() -> T) -> Option<T> {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    // Unwind safety: what is shared is the pool, which its own guards leave whole while unwinding.
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(done) => Some(done),
        Err(mut payload) => {
            // Its destructor is foreign code, too, and may panic with the next one; not for ever.
            for _ in 0..3 {
                match catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                    Ok(()) => return None,
                    Err(another) => payload = another,
                }
            }
            core::mem::forget(payload);
            None
        }
    }
}

/// Without std nothing unwinds: a panic ends in the embedder's panic handler.
#[cfg(not(feature = "std"))]
#[inline]
pub(crate) fn caught<T>(f: impl FnOnce() -> T) -> Option<T> {
    Some(f())
}

/// Runs one call from C. A panic, which only a function of the configuration can cause, gets
/// `otherwise`.
#[inline]
pub(crate) fn guarded<T>(otherwise: T, f: impl FnOnce() -> T) -> T {
    caught(f).unwrap_or(otherwise)
}

/// Runs one call from C that returns a code; a panic is
/// [`EXTRAM_INVALID`](extram_code::EXTRAM_INVALID).
#[inline]
pub(crate) fn coded(f: impl FnOnce() -> Result<(), extram_code>) -> core::ffi::c_int {
    let code = || f().err().unwrap_or(extram_code::EXTRAM_OK) as core::ffi::c_int;
    guarded(extram_code::EXTRAM_INVALID as core::ffi::c_int, code)
}

/// The same for a call that may ask the system for memory, or give it back, which changes `errno`.
/// The calls that are made again and again do neither, and are spared the look.
#[inline]
pub(crate) fn coded_slowly(f: impl FnOnce() -> Result<(), extram_code>) -> core::ffi::c_int {
    #[cfg(feature = "std")]
    let _errno = errno::Preserved::new();
    coded(f)
}

/// Runs what makes Ms, within [`coded_slowly`]. If `new_context` fails and has left ENOMEM in `errno`, as
/// the C library does where it has none, the code is that of no memory.
pub(crate) fn made(make: impl FnOnce() -> Result<(), StartError>) -> Result<(), extram_code> {
    #[cfg(feature = "std")]
    errno::set(0);
    make().map_err(|error| match error {
        #[cfg(feature = "std")]
        StartError::CreationFailed if errno::get() == libc::ENOMEM => extram_code::EXTRAM_NO_MEMORY,
        error => error.into(),
    })
}
