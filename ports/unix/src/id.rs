//! A thread's number: what POSIX has, which no tool may show.

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
pub(crate) fn id() -> u64 {
    // SAFETY: no arguments.
    (unsafe { libc::pthread_self() }) as usize as u64
}

/// Where it is kept in 32 bits.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn id() -> u64 {
    // SAFETY: no arguments; never fails.
    unsafe { libc::syscall(libc::SYS_gettid) as u64 }
}

/// The same.
#[cfg(target_os = "freebsd")]
pub(crate) fn id() -> u64 {
    // SAFETY: no arguments; never fails.
    unsafe { libc::pthread_getthreadid_np() as u64 }
}
