//! extram's port to Linux: futex, POSIX threads, thread-local storage; nothing else. Android is one, too.
//!
//! Threads, thread-local words and the clock are POSIX's and come from `extram-posix`; here is what
//! Linux has of its own.
#![no_std]
#![cfg(any(target_os = "linux", target_os = "android"))]

mod barrier;
mod id;
mod proc;
mod stack;
mod wait;

use core::ops::Range;
use core::time::Duration;
use extram_core::sync::AtomicU32;
use extram_posix::{Posix, System};

/// The port.
pub type Native = Posix<Linux>;

/// The system.
#[derive(Clone, Copy, Debug)]
pub enum Linux {}

// SAFETY: Barrier: see `barrier`. Wake: futex(2) is handed an address. Handler: system calls that do not block.
unsafe impl System for Linux {
    fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        wait::wait(word, expected, timeout);
    }

    fn wake(word: *const AtomicU32, count: u32) {
        wait::wake(word, count);
    }

    fn wait_again(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        wait::wait_again(word, expected, timeout);
    }

    fn wake_in_turn(word: *const AtomicU32, count: u32) {
        wait::wake_in_turn(word, count);
    }

    fn thread_id() -> u64 {
        id::id()
    }

    fn own_stack() -> Option<Range<usize>> {
        stack::own()
    }

    fn mapping(address: usize) -> Option<Range<usize>> {
        proc::mapping(address)
    }

    const HAS_HEAVY_BARRIER: bool = true;

    fn heavy_barrier_init() -> bool {
        barrier::init()
    }

    fn heavy_barrier() -> bool {
        barrier::heavy()
    }
}
