//! Sleeping and the clock, from the system's ticks; and counters that are too narrow for those.

use crate::System;
use core::time::Duration;
use extram_core::sync::{AtomicU32, Ordering};

const NANOS: u64 = 1_000_000_000;

pub(crate) fn usleep<S: System>(micros: u32) {
    S::sleep(deadline::<S>(Duration::from_micros(u64::from(micros))));
}

/// The count of ticks that is `timeout` away, at the earliest.
pub(crate) fn deadline<S: System>(timeout: Duration) -> u64 {
    S::ticks().saturating_add(ticks(timeout, S::frequency())).saturating_add(1)
}

/// Rounded up.
fn ticks(duration: Duration, frequency: u32) -> u64 {
    let fraction = (u64::from(duration.subsec_nanos()) * u64::from(frequency)).div_ceil(NANOS);
    duration.as_secs().saturating_mul(u64::from(frequency)).saturating_add(fraction)
}

pub(crate) fn now<S: System>() -> Duration {
    duration(S::ticks(), S::frequency())
}

/// Rounded down.
fn duration(ticks: u64, frequency: u32) -> Duration {
    let frequency = u64::from(frequency);
    // The remainder is below 2^32 and the product below 2^62.
    Duration::new(ticks / frequency, (ticks % frequency * NANOS / frequency) as u32)
}

/// A counter of 32 bits or fewer that wraps, made one that does not: what
/// [`System::ticks`] is to return. It counts on when it finds that the counter has gone back, so it is to be
/// asked again before a whole period has passed: by handlers that come twice in each, say. Once is not enough:
/// the counter may then be where it was, or further.
///
/// For one core, whose handlers may ask for it wherever they come.
#[derive(Debug)]
pub struct Widened {
    /// What the counter said last, and how often it has wrapped.
    last: AtomicU32,
    wraps: AtomicU32,
}

impl Widened {
    /// At 0, as the counter.
    pub const fn new() -> Self {
        Widened { last: AtomicU32::new(0), wraps: AtomicU32::new(0) }
    }

    /// Ticks since the counter was at 0 first. It counts up from 0 to `period` - 1; `read` reads it.
    ///
    /// Within [`System::brief`]: a handler that asked between the look at the counter and the note of it
    /// would leave a later note, and the counter would seem to have gone back. Where handlers ask, `brief`
    /// keeps them off, on processors of 64 bits, too.
    pub fn ticks<S: System>(&self, period: u64, read: impl FnOnce() -> u32) -> u64 {
        S::brief(|| self.count_on(period, read()))
    }

    /// Nothing that asks, too, interrupts this, nor comes between it and the look at the counter.
    pub(crate) fn count_on(&self, period: u64, now: u32) -> u64 {
        // Relaxed, all: of one core.
        let mut wraps = self.wraps.load(Ordering::Relaxed);
        if now < self.last.load(Ordering::Relaxed) {
            wraps = wraps.wrapping_add(1);
            self.wraps.store(wraps, Ordering::Relaxed);
        }
        self.last.store(now, Ordering::Relaxed);
        u64::from(wraps) * period + u64::from(now)
    }
}

impl Default for Widened {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_wraps_is_made_one_that_does_not() {
        for period in [1000_u64, 1 << 24, 1 << 32] {
            let (widened, mut real) = (Widened::new(), 0_u64);
            // Steps of up to one tick less than the period, over many wraps.
            for step in [0, 1, period / 2, period - 1, 7].into_iter().cycle().take(500) {
                real += step;
                assert_eq!(widened.count_on(period, (real % period) as u32), real);
            }
        }
    }

    #[test]
    fn a_microsecond_is_at_least_a_tick_and_a_second_is_the_frequency() {
        for frequency in [1_000, 32_768, 1_000_000, 62_500_000, u32::MAX] {
            assert!(ticks(Duration::from_micros(1), frequency) >= 1);
            assert_eq!(ticks(Duration::from_secs(1), frequency), u64::from(frequency));
            assert_eq!(duration(u64::from(frequency), frequency), Duration::from_secs(1));
        }
        assert_eq!(ticks(Duration::MAX, 1_000_000), u64::MAX);
    }

    #[test]
    fn there_and_back_is_never_shorter() {
        for nanos in [1, 999, 1_000, 33_333, 999_999_999] {
            let there = Duration::new(3, nanos);
            for frequency in [32_768, 10_000_000, 24_000_000] {
                let back = duration(ticks(there, frequency), frequency);
                assert!(back >= there - Duration::from_nanos(1), "{back:?} {there:?} {frequency}");
            }
        }
    }
}
