//! A thread's number, as `ps -s` shows it.

pub(crate) fn id() -> u64 {
    // SAFETY: no arguments; never fails.
    unsafe { libc::_lwp_self() as u64 }
}
