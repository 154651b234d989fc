//! Waiting on a word: _umtx_op(2), private to the process.

use core::time::Duration;
use extram_core::sync::AtomicU32;

/// The longest wait that is asked for. The kernel adds it to the clock; the sum has to fit in its
/// own fixed-point time. Waking early is allowed.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    let timeout = timeout.map(|timeout| libc::_umtx_time {
        _timeout: extram_posix::time::timespec(timeout.min(LONGEST)),
        // Not UMTX_ABSTIME: relative to now.
        _flags: 0,
        _clockid: libc::CLOCK_MONOTONIC as u32,
    });
    let timeout = timeout.as_ref().map_or(core::ptr::null(), core::ptr::from_ref);
    // The time-out's size takes the place of an address; without a time-out both are null.
    let size = if timeout.is_null() { 0 } else { size_of::<libc::_umtx_time>() };
    // SAFETY: the word lives as long as the borrow, the time-out as long as the call. Every result,
    // an error included, is an early return, which the caller allows for.
    unsafe {
        libc::_umtx_op(
            core::ptr::from_ref(word).cast_mut().cast(),
            libc::UMTX_OP_WAIT_UINT_PRIVATE,
            expected.into(),
            core::ptr::without_provenance_mut(size),
            timeout.cast_mut().cast(),
        )
    };
}

pub(crate) fn wake(word: *const AtomicU32, count: u32) {
    // SAFETY: a private wake-up uses the address as a key and does not read the memory; an address
    // that is not mapped any more wakes nobody.
    unsafe {
        libc::_umtx_op(
            word.cast_mut().cast(),
            libc::UMTX_OP_WAKE_PRIVATE,
            count.min(i32::MAX as u32).into(),
            core::ptr::null_mut(),
            core::ptr::null_mut(),
        )
    };
}
