//! extram's port to any POSIX system that has none of its own: mutexes and condition variables, POSIX
//! threads; nothing else.
//!
//! It builds on those with a port of their own, too, so that tests can run it there. There is no barrier and
//! no map of other stacks; a wait takes a tenth of a second at most, and begins anew.
#![no_std]
#![cfg(unix)]

mod id;
mod stack;
mod wait;

use core::ops::Range;
use core::time::Duration;
use extram_core::sync::AtomicU32;
use extram_posix::{Posix, System};

/// The port.
pub type Native = Posix<Unix>;

/// The system.
#[derive(Clone, Copy, Debug)]
pub enum Unix {}

// SAFETY: Wake, Handler: `extram_posix::queue` compares addresses, and blocks signals while it has a lock.
unsafe impl System for Unix {
    fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        wait::wait(word, expected, timeout);
    }

    fn wake(word: *const AtomicU32, count: u32) {
        wait::wake(word, count);
    }

    fn thread_id() -> u64 {
        id::id()
    }

    fn own_stack() -> Option<Range<usize>> {
        stack::own()
    }
}
