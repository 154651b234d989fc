//! A thread's number, as `ps -L` shows it.

pub(crate) fn id() -> u64 {
    // SAFETY: no arguments; never fails.
    unsafe { libc::syscall(libc::SYS_gettid) as u64 }
}
