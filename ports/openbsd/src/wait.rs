//! Waiting on a word: futex(2), private to the process.

use core::ptr::{from_ref, null, null_mut};
use core::time::Duration;
use extram_core::sync::AtomicU32;

pub(crate) fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    let timeout = timeout.map(extram_posix::time::timespec);
    let timeout = timeout.as_ref().map_or(null(), from_ref);
    let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the word lives as long as the borrow, the time-out (relative to now) as long as the
    // call. Every result, an error included, is an early return, which the caller allows for.
    unsafe {
        libc::futex(from_ref(word).cast_mut().cast(), operation, expected as libc::c_int, timeout, null_mut())
    };
}

pub(crate) fn wake(word: *const AtomicU32, count: u32) {
    let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    let count = count.min(i32::MAX as u32) as libc::c_int;
    // SAFETY: a private wake-up uses the address as a key and does not read the memory.
    unsafe { libc::futex(word.cast_mut().cast(), operation, count, null(), null_mut()) };
}
