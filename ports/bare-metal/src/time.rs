//! Sleeping and the clock, from the system's ticks.

use crate::System;
use core::time::Duration;

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

#[cfg(test)]
mod tests {
    use super::*;

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
