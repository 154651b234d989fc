//! A thread's number, as `ps -H` shows it.

pub(crate) fn id() -> u64 {
    // SAFETY: no arguments; never fails.
    unsafe { libc::pthread_getthreadid_np() as u64 }
}
