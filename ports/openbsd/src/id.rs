//! A thread's number, as `ps -H` shows it.

pub(crate) fn id() -> u64 {
    // SAFETY: no arguments; never fails.
    unsafe { libc::getthrid() as u64 }
}
