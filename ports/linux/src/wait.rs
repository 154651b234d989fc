//! Waiting on a word: futex(2), private to the process.
//!
//! Whoever waits says by a set of bits for which wake-ups it is there, so that those who wait again
//! can be woken before the others, on one and the same word. Among those whom a wake-up is for, the kernel takes
//! the ones of real-time priority first, and else goes by the order in which they came. So a thread of such
//! a priority is there for both kinds at once: none of lower priority comes before it.

use core::time::Duration;
use extram_core::sync::AtomicU32;
use extram_posix::time::{now, timespec};

/// In the set of a thread that waits.
const FIRST_TIME: u32 = 1;
/// In the set of one that waits again.
const AGAIN: u32 = 2;

pub(crate) fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    let wakeups = if is_urgent() { FIRST_TIME | AGAIN } else { FIRST_TIME };
    wait_for(wakeups, word, expected, timeout);
}

pub(crate) fn wait_again(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    wait_for(AGAIN, word, expected, timeout);
}

/// Whether the calling thread has a real-time priority; not if the system does not say so.
fn is_urgent() -> bool {
    if cfg!(miri) {
        // Which does not know the call.
        return false;
    }
    // Not the function, which musl has and which always fails there.
    // SAFETY: about the calling thread.
    let policy = unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) };
    let policy = i32::try_from(policy).map(|policy| policy & !libc::SCHED_RESET_ON_FORK);
    matches!(policy, Ok(libc::SCHED_FIFO | libc::SCHED_RR | libc::SCHED_DEADLINE))
}

fn wait_for(wakeups: u32, word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    // Until that moment of the clock that `now` reads.
    let end = timeout.map(|timeout| timespec(now().unwrap_or_default().saturating_add(timeout)));
    let end = end.as_ref().map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY: the word lives as long as the borrow, the time as long as the call. Every result, an error
    // included, is an early return, which the caller allows for.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            core::ptr::from_ref(word),
            libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG,
            expected,
            end,
            core::ptr::null::<u32>(),
            wakeups,
        )
    };
}

/// By the operation that knows no sets, and is for all: it is there wherever threads can wait.
pub(crate) fn wake(word: *const AtomicU32, count: u32) {
    // SAFETY: a private wake-up uses the address as a key and does not read the memory; an address
    // that is not mapped any more wakes nobody.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word,
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            count.min(i32::MAX as u32),
        )
    };
}

pub(crate) fn wake_in_turn(word: *const AtomicU32, count: u32) {
    let woken = wake_again(word, count);
    if woken < count {
        wake(word, count - woken);
    }
}

/// How many were woken of those that are there for it; none where the system has no sets.
fn wake_again(word: *const AtomicU32, count: u32) -> u32 {
    // SAFETY: as in `wake`.
    let woken = unsafe {
        libc::syscall(
            libc::SYS_futex,
            word,
            libc::FUTEX_WAKE_BITSET | libc::FUTEX_PRIVATE_FLAG,
            count.min(i32::MAX as u32),
            core::ptr::null::<libc::timespec>(),
            core::ptr::null::<u32>(),
            AGAIN,
        )
    };
    u32::try_from(woken).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::sync::mpsc;
    use std::{format, fs, thread};

    /// Starts a thread that waits until it is woken, and comes back when it sleeps.
    fn asleep(
        wait: fn(&AtomicU32, u32, Option<Duration>),
        word: &'static AtomicU32,
    ) -> thread::JoinHandle<()> {
        let (tell, told) = mpsc::channel();
        let sleeper = thread::spawn(move || {
            tell.send(crate::id::id()).unwrap();
            drop(tell);
            wait(word, 0, None);
        });
        let stat = format!("/proc/self/task/{}/stat", told.recv().unwrap());
        // Gone: nothing else lets it sleep before `wait` does.
        assert!(told.recv().is_err());
        // If it is gone, it could not wait.
        while fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") S ")) && !sleeper.is_finished() {
            thread::yield_now();
        }
        sleeper
    }

    #[track_caller]
    fn comes_back(sleeper: &thread::JoinHandle<()>) {
        let begun = now().unwrap();
        while !sleeper.is_finished() {
            assert!(now().unwrap() - begun < Duration::from_secs(20), "it is not woken");
            thread::yield_now();
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "it looks whether a thread sleeps")]
    fn who_waits_again_is_woken_before_who_came_first() {
        static WORD: AtomicU32 = AtomicU32::new(0);
        let first = asleep(wait, &WORD);
        let again = asleep(wait_again, &WORD);
        wake_in_turn(&WORD, 1);
        comes_back(&again);
        assert!(!first.is_finished());
        wake_in_turn(&WORD, 1);
        comes_back(&first);

        let all = [asleep(wait, &WORD), asleep(wait_again, &WORD), asleep(wait, &WORD)];
        wake_in_turn(&WORD, 2);
        let [one, again, other] = all;
        comes_back(&again);
        comes_back(&one);
        assert!(!other.is_finished());
        wake(&WORD, 1);
        comes_back(&other);
    }

    fn wait_urgently(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        let priority = libc::sched_param { sched_priority: 1 };
        // SAFETY: about the calling thread, and what is read is there.
        let refused = unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, libc::SCHED_FIFO, &priority) };
        assert_eq!(is_urgent(), refused == 0);
        if refused == 0 {
            wait(word, expected, timeout);
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "it looks whether a thread sleeps")]
    fn who_has_a_real_time_priority_is_woken_before_who_waits_again() {
        static WORD: AtomicU32 = AtomicU32::new(0);
        assert!(!is_urgent());
        let again = asleep(wait_again, &WORD);
        let urgent = asleep(wait_urgently, &WORD);
        if urgent.is_finished() {
            std::println!("skipped: no real-time priority here");
        } else {
            wake_in_turn(&WORD, 1);
            comes_back(&urgent);
            assert!(!again.is_finished());
        }
        wake(&WORD, 1);
        comes_back(&again);
    }

    #[test]
    fn a_wait_ends_with_its_time() {
        let word = AtomicU32::new(0);
        for wait in [wait, wait_again] {
            let begun = now().unwrap();
            while now().unwrap() - begun < Duration::from_millis(2) {
                wait(&word, 0, Some(Duration::from_millis(1)));
            }
            wait(&word, 0, Some(Duration::ZERO));
            wait(&word, 1, Some(Duration::MAX));
        }
    }
}
