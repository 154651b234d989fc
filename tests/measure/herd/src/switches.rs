//! Context switches of this process, threads that have ended included.

/// How often a thread of this process gave up its processor: because it slept, and because it was
/// preempted.
#[cfg(unix)]
fn context_switches() -> Option<u64> {
    let mut usage = core::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to a whole `rusage`, which the call fills in; all-zero is a valid one
    // should it fail, which it cannot with this argument.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    Some(usage.ru_nvcsw as u64 + usage.ru_nivcsw as u64)
}

/// Windows does not count them.
#[cfg(not(unix))]
fn context_switches() -> Option<u64> {
    None
}

/// What `f` comes to, and how many there were meanwhile; `None` where the system does not count them.
pub(crate) fn switches_of<T>(f: impl FnOnce() -> T) -> (T, Option<u64>) {
    let before = context_switches();
    let result = f();
    (result, context_switches().zip(before).map(|(after, before)| after - before))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn a_sleep_is_a_switch_and_an_ended_thread_still_counts() {
        let ((), switches) = switches_of(|| {
            let sleeps = || (0..20).for_each(|_| thread::sleep(Duration::from_millis(1)));
            thread::spawn(sleeps).join().unwrap();
        });
        assert_eq!(switches.is_some(), cfg!(unix));
        assert!(switches.is_none_or(|switches| switches >= 20), "{switches:?}");
    }
}
