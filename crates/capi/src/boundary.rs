//! Nothing unwinds into C.

use crate::code::extram_code;

/// Runs one call from C. A panic, after the hook has printed its message, becomes
/// [`EXTRAM_INVALID`](extram_code::EXTRAM_INVALID): the pool is as it should be, because its own
/// guards ran while unwinding. An exception of another language ends the process with a message.
#[cfg(feature = "std")]
#[inline]
pub(crate) fn guarded<T>(otherwise: T, f: impl FnOnce() -> T) -> T {
    // Unwind safety: what is shared is the pool, see above.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).unwrap_or(otherwise)
}

/// Without std nothing unwinds: a panic ends in the embedder's panic handler.
#[cfg(not(feature = "std"))]
#[inline]
pub(crate) fn guarded<T>(_otherwise: T, f: impl FnOnce() -> T) -> T {
    f()
}

/// Runs one call from C that returns a code.
#[inline]
pub(crate) fn coded(f: impl FnOnce() -> Result<(), extram_code>) -> core::ffi::c_int {
    let code = || f().err().unwrap_or(extram_code::EXTRAM_OK) as core::ffi::c_int;
    guarded(extram_code::EXTRAM_INVALID as core::ffi::c_int, code)
}
