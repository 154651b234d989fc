//! Waiting on a word: _lwp_park(2) for a thread in a queue.

use core::ptr::{null, null_mut};
use core::time::Duration;
use extram_core::sync::AtomicU32;
use extram_posix::queue::{self, Held, Sleeper};

pub(crate) fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    queue::wait::<Parked>(word, expected, timeout);
}

pub(crate) fn wake(word: *const AtomicU32, count: u32) {
    queue::wake(word, count);
}

/// A thread, by its number. One that is unparked before it parks does not park.
struct Parked(libc::lwpid_t);

impl Sleeper for Parked {
    fn new() -> Self {
        // SAFETY: no arguments; never fails.
        Parked(unsafe { libc::_lwp_self() })
    }

    fn sleep(&self, held: &mut Held<'_>, timeout: Option<Duration>) {
        let mut timeout = timeout.map(extram_posix::time::timespec);
        let timeout = timeout.as_mut().map_or(null_mut(), core::ptr::from_mut);
        held.without(|| {
            // SAFETY: the time-out (relative to now, since the flags are 0) lives as long as the call, or is
            // null; nobody is unparked by it. Every result is an early return.
            unsafe { libc::_lwp_park(libc::CLOCK_MONOTONIC, 0, timeout, 0, null(), null_mut()) };
        });
    }

    fn rouse(&self) {
        // SAFETY: a thread's number.
        unsafe { libc::_lwp_unpark(self.0, null()) };
    }
}
