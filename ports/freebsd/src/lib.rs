//! extram's port to FreeBSD 13 and later: `_umtx_op`, POSIX threads, thread-local storage; nothing else.
//!
//! Threads, thread-local words and the clock are POSIX's and come from `extram-posix`; here is what
//! FreeBSD has of its own.
#![no_std]
#![cfg(target_os = "freebsd")]

mod barrier;
mod facts;
mod id;
mod proc;
mod stack;
mod wait;

use core::ops::Range;
use core::time::Duration;
use extram_core::sync::AtomicU32;
use extram_posix::{Posix, System};

/// The port.
pub type Native = Posix<FreeBsd>;

/// The system.
#[derive(Clone, Copy, Debug)]
pub enum FreeBsd {}

// SAFETY: Barrier: see `barrier`. Wake: _umtx_op(2) is handed an address. Handler: system calls that do not
// block.
unsafe impl System for FreeBsd {
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
