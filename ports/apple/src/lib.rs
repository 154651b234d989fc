//! extram's port to macOS and its kin: `os_sync_wait_on_address` or `__ulock_wait`, POSIX threads; nothing
//! else.
//!
//! Threads, thread-local words and the clock are POSIX's and come from `extram-posix`; here is what
//! Apple's systems have of their own. There is no barrier and no map of other stacks.
#![no_std]
#![cfg(target_vendor = "apple")]

mod id;
mod stack;
mod wait;

use core::ops::Range;
use core::time::Duration;
use extram_core::sync::AtomicU32;
use extram_posix::{Posix, System};

/// The port.
pub type Native = Posix<Apple>;

/// The system.
#[derive(Clone, Copy, Debug)]
pub enum Apple {}

// SAFETY: Wake: the kernel is handed an address. Handler: functions that make system calls which do not block.
unsafe impl System for Apple {
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
