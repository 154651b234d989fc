//! Looks again and again, and lets others run in between.

extern crate std;

use crate::clock;
use core::time::Duration;
use extram_core::sync::{AtomicU32, Ordering};

pub(crate) fn relax() {
    std::thread::sleep(Duration::from_micros(50));
}

pub(crate) fn yield_now() {
    std::thread::yield_now();
}

pub(crate) fn wait(word: &AtomicU32, expected: u32, until: Option<u64>) {
    let early = || until.is_none_or(|until| clock::ticks() < until);
    if word.load(Ordering::Relaxed) == expected && early() {
        relax();
    }
}

pub(crate) fn wake(_word: *const AtomicU32, _count: u32) {}
