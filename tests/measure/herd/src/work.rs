//! Busy work: what making an M costs.

use std::hint::black_box;
use std::time::Duration;

/// Keeps the processor busy until the calling thread has spent this much processor time.
///
/// The thread's own clock, not the wall's: a thread that is preempted while it works has not done
/// its work, and many threads that work at once do not get it done faster than the cores allow.
/// Except on Windows, where a thread's clock goes in steps of 16 ms and the wall's is taken.
pub fn work(cost: Duration) {
    if !cost.is_zero() {
        work_by(thread_time, cost);
    }
}

fn work_by(mut clock: impl FnMut() -> Duration, cost: Duration) {
    let end = clock() + cost;
    let mut x = 1_u64;
    while clock() < end {
        // Reading the clock is a system call; do something else most of the time.
        for _ in 0..256 {
            x = black_box(x.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17));
        }
    }
}

/// The processor time that the calling thread has used.
#[cfg(unix)]
fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a whole `timespec`. The clock exists on every system this builds
    // for; should the call fail, the work is cut short at once and the figures show it.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The time that has passed.
#[cfg(not(unix))]
fn thread_time() -> Duration {
    use std::sync::OnceLock;
    use std::time::Instant;
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    BEGAN.get_or_init(Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn work_takes_as_much_processor_time_as_asked() {
        let (before, clock) = (thread_time(), Instant::now());
        work(Duration::from_millis(5));
        let spent = thread_time() - before;
        assert!(spent >= Duration::from_millis(5), "{spent:?}");
        assert!(clock.elapsed() >= Duration::from_millis(5));
    }

    /// On a machine that does other work as well a thread's time goes on in steps of any size; by a
    /// clock of the test's own the work ends as soon as the time is up.
    #[test]
    fn work_ends_when_its_time_is_up() {
        let step = Duration::from_micros(10);
        let mut looks = 0;
        let clock = || {
            looks += 1;
            step * looks
        };
        work_by(clock, Duration::from_millis(5));
        // The first look is the beginning.
        assert_eq!(looks, 1 + 500);
    }
}
