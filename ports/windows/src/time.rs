//! Sleeping, yielding and the clock.

use crate::error::Preserved;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use windows_sys::Win32::System::Performance::{QueryPerformanceCounter, QueryPerformanceFrequency};
use windows_sys::Win32::System::Threading::{Sleep, SwitchToThread};

/// In whole milliseconds, and no finer than the system's tick (1 to 16 ms).
pub(crate) fn usleep(micros: u32) {
    let _last_error = Preserved::new();
    // SAFETY: takes a number. 0 would only yield.
    unsafe { Sleep(micros.div_ceil(1000).max(1)) };
}

pub(crate) fn osyield() {
    let _last_error = Preserved::new();
    // SAFETY: no arguments.
    unsafe { SwitchToThread() };
}

/// Ticks per second; 0 = not asked yet. It does not change.
static FREQUENCY: AtomicU64 = AtomicU64::new(0);

pub(crate) fn now() -> Option<Duration> {
    let _last_error = Preserved::new();
    let mut number = 0_i64;
    // Relaxed: whoever finds 0 asks.
    let mut frequency = FREQUENCY.load(Ordering::Relaxed);
    if frequency == 0 {
        // SAFETY: a place for the answer.
        if unsafe { QueryPerformanceFrequency(&mut number) } == 0 || number <= 0 {
            return None;
        }
        frequency = number as u64;
        FREQUENCY.store(frequency, Ordering::Relaxed);
    }
    // SAFETY: a place for the answer.
    if unsafe { QueryPerformanceCounter(&mut number) } == 0 {
        return None;
    }
    let (seconds, rest) = (number as u64 / frequency, number as u64 % frequency);
    let nanos = u128::from(rest) * 1_000_000_000 / u128::from(frequency);
    Some(Duration::new(seconds, nanos as u32))
}
