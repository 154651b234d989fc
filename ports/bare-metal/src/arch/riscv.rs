//! RISC-V: `tp`, a spin with `pause`, the time counter, SBI HSM.
//!
//! A core that rests in WFI is woken by an interrupt alone, and sending one to another hart is the
//! platform's business; so waiting is a spin here, with `pause`. A kernel with its own
//! inter-processor interrupts can do better in its `relax`.

use crate::Block;
use core::arch::asm;

/// The block of the thread that runs; `None` before [`set_block`].
#[inline]
pub fn block() -> Option<&'static Block> {
    let tp: *const Block;
    // SAFETY: reads a register that the compiler leaves alone on targets without an operating system.
    unsafe { asm!("mv {}, tp", out(reg) tp, options(nomem, nostack, preserves_flags)) };
    // SAFETY: zero, or from a `&'static Block` (the start-up code clears it, `set_block` sets it, and
    // context switches move it).
    unsafe { tp.as_ref() }
}

/// From now on the core runs the thread with this block.
///
/// # Safety
///
/// It does, and no other core does.
#[inline]
pub unsafe fn set_block(block: &'static Block) {
    // SAFETY: as in `block`.
    unsafe { asm!("mv tp, {}", in(reg) block, options(nomem, nostack, preserves_flags)) };
}

/// Passes a moment of a spin.
#[inline]
pub fn relax() {
    core::hint::spin_loop();
}

/// Nobody rests, so nobody has to be told.
#[inline]
pub fn notify() {}

/// The `time` counter, the same on all harts. Its frequency is the board's.
#[cfg(target_pointer_width = "64")]
#[inline]
pub fn ticks() -> u64 {
    let time: u64;
    // SAFETY: reads a counter.
    unsafe { asm!("rdtime {}", out(reg) time, options(nomem, nostack, preserves_flags)) };
    time
}

/// The `time` counter, the same on all harts. Its frequency is the board's.
#[cfg(target_pointer_width = "32")]
#[inline]
pub fn ticks() -> u64 {
    loop {
        let (high, low, again): (u32, u32, u32);
        // SAFETY: reads a counter; the high half twice, in case the low one wraps in between.
        unsafe {
            asm!(
                "rdtimeh {high}", "rdtime {low}", "rdtimeh {again}",
                high = out(reg) high, low = out(reg) low, again = out(reg) again,
                options(nomem, nostack, preserves_flags),
            );
        }
        if high == again {
            return u64::from(high) << 32 | u64::from(low);
        }
    }
}

const HSM: usize = 0x48_534d;
const HART_START: usize = 0;

/// Starts a hart in supervisor mode at `entry` with its number in `a0` and `argument` in `a1`, by
/// SBI's hart state management.
///
/// # Errors
///
/// SBI's error number.
///
/// # Safety
///
/// `entry` is the physical address of code that can run without a stack.
pub unsafe fn start_core(hart: usize, entry: usize, argument: usize) -> Result<(), isize> {
    let error: isize;
    // SAFETY: SBI's calling convention: all registers but a0 and a1 are preserved.
    unsafe {
        asm!(
            "ecall",
            inlateout("a0") hart as isize => error,
            inlateout("a1") entry => _,
            in("a2") argument,
            in("a6") HART_START,
            in("a7") HSM,
            options(nostack),
        );
    }
    if error == 0 { Ok(()) } else { Err(error) }
}
