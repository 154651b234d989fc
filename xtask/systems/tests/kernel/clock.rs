//! This machine's clock.

extern crate std;

use std::sync::LazyLock;
use std::time::{Duration, Instant};

pub(crate) const FREQUENCY: u32 = 1_000_000;

pub(crate) fn ticks() -> u64 {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGIN.elapsed().as_micros() as u64
}

pub(crate) fn sleep(until: u64) {
    std::thread::sleep(Duration::from_micros(until.saturating_sub(ticks())));
}
