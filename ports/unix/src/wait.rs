//! Waiting on a word: a condition variable for each thread in a queue.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::time::Duration;
use extram_core::sync::AtomicU32;
use extram_posix::queue::{self, Held, Sleeper};

pub(crate) fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    queue::wait::<Condition>(word, expected, timeout);
}

pub(crate) fn wake(word: *const AtomicU32, count: u32) {
    queue::wake(word, count);
}

/// The longest wait: the thread's signal handlers do not run meanwhile.
const LONGEST: Duration = Duration::from_millis(100);

/// Wherever POSIX.1-2001's is; Apple's has none. A clock that is put back makes a wait last longer there.
const CLOCK: libc::clockid_t =
    if cfg!(target_vendor = "apple") { libc::CLOCK_REALTIME } else { libc::CLOCK_MONOTONIC };

struct Condition {
    condition: UnsafeCell<MaybeUninit<libc::pthread_cond_t>>,
    prepared: bool,
}

impl Condition {
    fn get(&self) -> *mut libc::pthread_cond_t {
        self.condition.get().cast()
    }
}

impl Sleeper for Condition {
    fn new() -> Self {
        Condition { condition: UnsafeCell::new(MaybeUninit::uninit()), prepared: false }
    }

    fn prepare(&mut self) -> bool {
        let mut attr = MaybeUninit::uninit();
        // SAFETY: the attribute object is initialised before use and destroyed once; a place for the
        // condition.
        unsafe {
            if libc::pthread_condattr_init(attr.as_mut_ptr()) != 0 {
                return false;
            }
            #[cfg(not(target_vendor = "apple"))]
            libc::pthread_condattr_setclock(attr.as_mut_ptr(), CLOCK);
            self.prepared = libc::pthread_cond_init(self.get(), attr.as_ptr()) == 0;
            libc::pthread_condattr_destroy(attr.as_mut_ptr());
        }
        self.prepared
    }

    fn sleep(&self, held: &mut Held<'_>, timeout: Option<Duration>) {
        let timeout = timeout.map_or(LONGEST, |timeout| timeout.min(LONGEST));
        let mut now = extram_posix::time::timespec(Duration::ZERO);
        // SAFETY: a valid place for the answer; a condition that was prepared, with the one mutex
        // that it is used with, which this thread has.
        unsafe {
            if libc::clock_gettime(CLOCK, &mut now) != 0 {
                return;
            }
            let now = Duration::new(now.tv_sec as u64, now.tv_nsec as u32);
            let until = extram_posix::time::timespec(now.saturating_add(timeout));
            libc::pthread_cond_timedwait(self.get(), held.mutex(), &until);
        }
    }

    fn rouse(&self) {
        // SAFETY: a condition that was prepared.
        unsafe { libc::pthread_cond_signal(self.get()) };
    }
}

impl Drop for Condition {
    fn drop(&mut self) {
        if self.prepared {
            // SAFETY: nobody sleeps on it.
            unsafe { libc::pthread_cond_destroy(self.get()) };
        }
    }
}
