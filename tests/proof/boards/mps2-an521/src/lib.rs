//! What programs for mps2-an521 share: which of the two cores runs, a clock that both see, and the
//! second core.
#![no_std]

mod second_core;

pub use second_core::start as start_second_core;

/// Ticks of the processors and of the clock in a second.
pub const FREQUENCY: u32 = 20_000_000;

/// The number of the calling core, where each of them reads its own.
const CPU_IDENTITY: *const u32 = 0x4001_f000 as *const u32;

/// A timer that both cores see: enable, value (counting down), reload.
const TIMER: *mut u32 = 0x5000_0000 as *mut u32;

/// The number of the calling core: 0 or 1.
#[inline]
pub fn core() -> usize {
    // SAFETY: reads a constant.
    unsafe { CPU_IDENTITY.read_volatile() as usize }
}

/// Starts the clock.
pub fn start_clock() {
    // SAFETY: nobody else uses the timer.
    unsafe {
        TIMER.add(2).write_volatile(u32::MAX);
        TIMER.add(1).write_volatile(u32::MAX);
        TIMER.write_volatile(1);
    }
}

/// Ticks since then. Lasts for 214 s, more than a run may take.
#[inline]
pub fn ticks() -> u64 {
    // SAFETY: reads a counter.
    u64::from(u32::MAX - unsafe { TIMER.add(1).read_volatile() })
}
