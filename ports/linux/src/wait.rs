//! Waiting on a word: futex(2), private to the process.

use core::time::Duration;
use extram_core::sync::AtomicU32;

pub(crate) fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    let timeout = timeout.map(extram_posix::time::timespec);
    let timeout = timeout.as_ref().map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY: the word lives as long as the borrow, the time-out (relative to now) as long as the
    // call. Every result, an error included, is an early return, which the caller allows for.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            core::ptr::from_ref(word),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            expected,
            timeout,
        )
    };
}

pub(crate) fn wake(word: *const AtomicU32, count: u32) {
    // SAFETY: a private wake-up uses the address as a key and does not read the memory; an address
    // that is not mapped any more wakes nobody.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word,
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            count.min(i32::MAX as u32),
        )
    };
}
