//! A thread's number, as debuggers show it.

pub(crate) fn id() -> u64 {
    let mut id = 0;
    // SAFETY: the calling thread, which has a number; a place for it.
    unsafe { libc::pthread_threadid_np(libc::pthread_self(), &mut id) };
    id
}
