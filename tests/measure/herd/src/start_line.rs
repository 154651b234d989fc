//! Two places where threads wait for each other, each of which costs a thread one sleep and one
//! wake-up and no fight: the sleepers wait on one word in the kernel and take no lock when they
//! wake. So a pool's own switches are what differs between two rows of a table.

use extram::Native;
use extram_core::Port;
use extram_core::sync::{AtomicU32, Ordering};

/// Threads line up; then they are all let go at once, or sent home.
#[derive(Debug, Default)]
pub struct StartLine {
    lined_up: AtomicU32,
    signal: AtomicU32,
}

const HOLD: u32 = 0;
const GO: u32 = 1;
const GO_HOME: u32 = 2;

impl StartLine {
    /// A line where nobody stands yet.
    pub const fn new() -> Self {
        StartLine { lined_up: AtomicU32::new(0), signal: AtomicU32::new(HOLD) }
    }

    /// Waits for the signal. `false`: go home, the herd does not take place.
    pub fn line_up(&self) -> bool {
        // Release, paired with the acquire in `await_count`: what the thread set up is done.
        self.lined_up.fetch_add(1, Ordering::Release);
        Native::wake(&raw const self.lined_up, 1);
        loop {
            // Acquire, paired with the release in `signal`.
            match self.signal.load(Ordering::Acquire) {
                HOLD => Native::wait(&self.signal, HOLD, None),
                signal => return signal == GO,
            }
        }
    }

    /// Waits until `expected` threads stand at the line. For one thread at a time.
    pub fn await_count(&self, expected: u32) {
        loop {
            let now = self.lined_up.load(Ordering::Acquire);
            if now >= expected {
                return;
            }
            Native::wait(&self.lined_up, now, None);
        }
    }

    /// Lets everyone go at once.
    pub fn go(&self) {
        self.signal(GO);
    }

    /// Sends everyone home.
    pub fn go_home(&self) {
        self.signal(GO_HOME);
    }

    fn signal(&self, signal: u32) {
        self.signal.store(signal, Ordering::Release);
        Native::wake(&raw const self.signal, u32::MAX);
    }
}

/// Threads that hold what they have until all are there.
#[derive(Debug, Default)]
pub struct Meeting {
    there: AtomicU32,
    over: AtomicU32,
}

impl Meeting {
    /// A meeting to which nobody has come yet.
    pub const fn new() -> Self {
        Meeting { there: AtomicU32::new(0), over: AtomicU32::new(0) }
    }

    /// Waits until `expected` threads have come.
    pub fn meet(&self, expected: u32) {
        // Release and acquire: whoever goes on sees what everyone did before.
        if self.there.fetch_add(1, Ordering::AcqRel) + 1 == expected {
            self.call_off();
        }
        while self.over.load(Ordering::Acquire) == 0 {
            Native::wait(&self.over, 0, None);
        }
    }

    /// Lets everyone go on, whether all have come or not.
    pub fn call_off(&self) {
        self.over.store(1, Ordering::Release);
        Native::wake(&raw const self.over, u32::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::thread;

    #[test]
    fn nobody_starts_before_the_signal() {
        let line = StartLine::new();
        let started = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    assert!(line.line_up());
                    started.fetch_add(1, Ordering::Relaxed);
                });
            }
            line.await_count(8);
            assert_eq!(started.load(Ordering::Relaxed), 0);
            line.go();
        });
        assert_eq!(started.load(Ordering::Relaxed), 8);
    }

    #[test]
    fn a_herd_that_does_not_take_place_is_sent_home() {
        let line = StartLine::new();
        thread::scope(|scope| {
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(|| line.line_up())).collect();
            line.go_home();
            for thread in threads {
                assert!(!thread.join().unwrap());
            }
        });
    }

    #[test]
    fn a_meeting_is_over_when_all_have_come() {
        let meeting = Meeting::new();
        let last_came = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..7 {
                scope.spawn(|| {
                    meeting.meet(8);
                    assert!(last_came.load(Ordering::Relaxed));
                });
            }
            last_came.store(true, Ordering::Relaxed);
            meeting.meet(8);
        });
    }
}
