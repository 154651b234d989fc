//! extram's port to OpenBSD: `futex`, POSIX threads; nothing else.
//!
//! Threads, thread-local words and the clock are POSIX's and come from `extram-posix`; here is what
//! OpenBSD has of its own. There is no barrier and no map of other stacks.
#![no_std]
#![cfg(target_os = "openbsd")]

mod id;
mod stack;
mod wait;

use core::ops::Range;
use core::time::Duration;
use extram_core::sync::AtomicU32;
use extram_posix::{Posix, System};

/// The port.
pub type Native = Posix<OpenBsd>;

/// The system.
#[derive(Clone, Copy, Debug)]
pub enum OpenBsd {}

// SAFETY: Wake: futex(2) is handed an address. Handler: system calls that do not block.
unsafe impl System for OpenBsd {
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
