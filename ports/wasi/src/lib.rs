//! extram's port to WASI with threads: a `System` of `extram-port-bare-metal` on what Rust's standard library
//! has there.
#![cfg(target_os = "wasi")]

mod own;
mod starts;
mod wait;

use extram_core::sync::AtomicU32;
use extram_port_bare_metal::{BareMetal, Block, System};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub use starts::Thread;

/// The port.
pub type Native = BareMetal<Wasi>;

/// The system.
#[derive(Clone, Copy, Debug)]
pub enum Wasi {}

// SAFETY: Own block, Fresh block: a thread-local value, made anew for each thread. Exit: `own::exits` says
// so where the destructor that exits it is registered and has not run. Wake: the address is a number.
// Handler: there are none. Brief: WebAssembly exchanges 64 bits.
unsafe impl System for Wasi {
    const EXITS: bool = true;

    fn exits() -> bool {
        own::exits()
    }

    fn block() -> &'static Block {
        own::block()
    }

    fn frequency() -> u32 {
        1_000_000
    }

    fn ticks() -> u64 {
        static BEGAN: OnceLock<Instant> = OnceLock::new();
        BEGAN.get_or_init(Instant::now).elapsed().as_micros() as u64
    }

    /// Not called, since `wait` has its own way.
    fn relax() {
        std::thread::yield_now();
    }

    fn yield_now() {
        std::thread::yield_now();
    }

    fn sleep(until: u64) {
        std::thread::sleep(Duration::from_micros(until.saturating_sub(Self::ticks())));
    }

    fn wait(word: &AtomicU32, expected: u32, until: Option<u64>) {
        let limit = until.map(|until| Duration::from_micros(until.saturating_sub(Self::ticks())));
        wait::wait(word, expected, limit);
    }

    fn wake(word: *const AtomicU32, _count: u32) {
        wait::wake(word);
    }
}
