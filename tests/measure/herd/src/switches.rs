//! Context switches of this process, threads that have ended included.

/// How often a thread of this process gave up its processor: because it slept, and because it was
/// preempted.
pub fn context_switches() -> u64 {
    let mut usage = core::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to a whole `rusage`, which the call fills in; all-zero is a valid one
    // should it fail, which it cannot with this argument.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    usage.ru_nvcsw as u64 + usage.ru_nivcsw as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn a_sleep_is_a_switch_and_an_ended_thread_still_counts() {
        let before = context_switches();
        thread::spawn(|| {
            for _ in 0..20 {
                thread::sleep(Duration::from_millis(1));
            }
        })
        .join()
        .unwrap();
        assert!(context_switches() - before >= 20);
    }
}
