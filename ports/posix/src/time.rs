//! Sleeping, yielding and the clock.

use crate::errno::Preserved;
use core::time::Duration;

/// [`Threads::usleep`](extram_core::Threads::usleep).
pub(crate) fn usleep(micros: u32) {
    let _errno = Preserved::new();
    let time = timespec(Duration::from_micros(u64::from(micros)));
    // SAFETY: a valid timespec; the remaining time is not asked for.
    unsafe { libc::nanosleep(&time, core::ptr::null_mut()) };
}

/// [`Port::osyield`](extram_core::Port::osyield).
pub(crate) fn osyield() {
    // SAFETY: no arguments; never fails where it exists.
    unsafe { libc::sched_yield() };
}

/// [`Port::now`](extram_core::Port::now).
pub fn now() -> Option<Duration> {
    let _errno = Preserved::new();
    let mut time = timespec(Duration::ZERO);
    // SAFETY: a valid place for the answer.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) } != 0;
    (!failed).then(|| Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// As much of `duration` as the type holds.
pub fn timespec(duration: Duration) -> libc::timespec {
    // SAFETY: a plain C structure, for which all zero is a value. (On some targets it has padding
    // fields that cannot be named.)
    let mut time: libc::timespec = unsafe { core::mem::zeroed() };
    // 64 bits or 32.
    time.tv_sec = duration.as_secs().min(i64::MAX as u64).try_into().unwrap_or(i32::MAX as _);
    time.tv_nsec = duration.subsec_nanos() as _;
    time
}
