//! Time in instructions. QEMU runs with `-icount shift=10`: every instruction takes 1024 ns, which is
//! 25.6 ticks of the timers and of the watchdog.

#[cfg(not(feature = "nmi"))]
const SYST_CSR: *mut u32 = 0xe000_e010 as *mut u32;
#[cfg(not(feature = "nmi"))]
const SYST_RVR: *mut u32 = 0xe000_e014 as *mut u32;
#[cfg(not(feature = "nmi"))]
const SYST_CVR: *mut u32 = 0xe000_e018 as *mut u32;

/// The board's first timer: control, value (counting down), reload.
const TIMER: *mut u32 = 0x4000_0000 as *mut u32;

/// A little less than an instruction, in ticks: delays that grow by this end at every instruction.
pub(crate) const STEP: u32 = 25;

/// Starts the timer that counts.
pub(crate) fn start() {
    // SAFETY: nobody else uses it.
    unsafe {
        TIMER.add(2).write_volatile(u32::MAX);
        TIMER.add(1).write_volatile(u32::MAX);
        TIMER.write_volatile(1);
    }
}

/// Ticks that are left; they count down.
#[inline(always)]
pub(crate) fn left() -> u32 {
    // SAFETY: reads a counter.
    unsafe { TIMER.add(1).read_volatile() }
}

/// The instructions between two readings of `left`, the second one included.
pub(crate) fn instructions(before: u32, after: u32) -> u32 {
    (before.wrapping_sub(after) * 5 + 64) / 128
}

/// The board's watchdog, whose interrupt is the non-maskable one: load, value (counting down), control, clear;
/// and further on its lock.
#[cfg(feature = "nmi")]
const WATCHDOG: *mut u32 = 0x4000_8000 as *mut u32;
#[cfg(feature = "nmi")]
const WATCHDOG_LOCK: usize = 0xc00 / 4;
#[cfg(feature = "nmi")]
const UNLOCK: u32 = 0x1acc_e551;

/// The watchdog interrupts, `ticks` from now.
#[cfg(feature = "nmi")]
#[inline(always)]
pub(crate) fn interrupt_in(ticks: u32) {
    // SAFETY: the watchdog is this program's alone.
    unsafe {
        WATCHDOG.add(WATCHDOG_LOCK).write_volatile(UNLOCK);
        // It counts on while nobody listens, and remembers that it was through. So it is not to be through
        // before this is.
        WATCHDOG.write_volatile(ticks + 4 * STEP);
        WATCHDOG.add(3).write_volatile(1);
        WATCHDOG.add(2).write_volatile(1);
    }
}

/// No further interrupt.
#[cfg(feature = "nmi")]
pub(crate) fn stop() {
    // SAFETY: as above.
    unsafe {
        WATCHDOG.add(2).write_volatile(0);
        WATCHDOG.add(3).write_volatile(1);
    }
}

/// The system timer interrupts once, `ticks` from now.
#[cfg(not(feature = "nmi"))]
#[inline(always)]
pub(crate) fn interrupt_in(ticks: u32) {
    // SAFETY: the system timer is this program's alone.
    unsafe {
        SYST_RVR.write_volatile(ticks);
        SYST_CVR.write_volatile(0);
        SYST_CSR.write_volatile(0b111);
    }
}

/// No further interrupt.
#[cfg(not(feature = "nmi"))]
pub(crate) fn stop() {
    // SAFETY: as above.
    unsafe { SYST_CSR.write_volatile(0) };
}
