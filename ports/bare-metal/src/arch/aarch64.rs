//! AArch64 at EL1: `TPIDR_EL1`, WFE and SEV, the generic timer, PSCI.

use crate::Block;
use core::arch::asm;

/// The block of the thread that runs; `None` before [`set_block`].
#[inline]
pub fn block() -> Option<&'static Block> {
    let pointer: *const Block;
    // SAFETY: reads a register that only software uses.
    unsafe { asm!("mrs {}, TPIDR_EL1", out(reg) pointer, options(nomem, nostack, preserves_flags)) };
    // SAFETY: zero, or from a `&'static Block` (the start-up code clears it, `set_block` sets it, and
    // context switches move it).
    unsafe { pointer.as_ref() }
}

/// From now on the core runs the thread with this block.
///
/// # Safety
///
/// It does, and no other core does.
#[inline]
pub unsafe fn set_block(block: &'static Block) {
    // SAFETY: as in `block`.
    unsafe { asm!("msr TPIDR_EL1, {}", in(reg) block, options(nomem, nostack, preserves_flags)) };
}

/// Lets the timer send an event to this core every 4096 of its ticks (66 µs at 62.5 MHz), so that
/// [`relax`] ends even if nobody notifies. Each core calls it once.
pub fn start_event_stream() {
    // EVNTEN, and EVNTI = 11: when bit 11 of the counter rises.
    // SAFETY: the register has nothing but this and access from EL0, which nobody uses here.
    unsafe { asm!("msr CNTKCTL_EL1, {}", "isb", in(reg) (11u64 << 4) | 1 << 2, options(nomem, nostack)) };
}

/// Rests until an event: [`notify`] on any core since the last time, or the timer's event stream.
#[inline]
pub fn relax() {
    // SAFETY: changes no register and no memory; a memory clobber, because others run meanwhile.
    unsafe { asm!("wfe", options(nostack, preserves_flags)) };
}

/// Sends an event to all cores.
#[inline]
pub fn notify() {
    // SAFETY: as above. The barrier makes what was stored before visible before the event is.
    unsafe { asm!("dsb ish", "sev", options(nostack, preserves_flags)) };
}

/// The virtual counter of the generic timer, the same on all cores.
#[inline]
pub fn ticks() -> u64 {
    let ticks: u64;
    // SAFETY: reads a counter. The barrier keeps the reading from being made early.
    unsafe { asm!("isb", "mrs {}, CNTVCT_EL0", out(reg) ticks, options(nomem, nostack, preserves_flags)) };
    ticks
}

/// Its ticks per second, as the firmware has set it.
pub fn frequency() -> u32 {
    let frequency: u64;
    // SAFETY: reads a constant.
    unsafe { asm!("mrs {}, CNTFRQ_EL0", out(reg) frequency, options(nomem, nostack, preserves_flags)) };
    frequency as u32
}

/// How the firmware is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduit {
    /// A hypervisor's, or an emulator's in its place.
    Hvc,
    /// At EL3.
    Smc,
}

const CPU_ON: u64 = 0xc400_0003;

/// Starts a core by PSCI, at `entry` with `argument` in `x0` and the MMU off.
///
/// # Errors
///
/// PSCI's error number.
///
/// # Safety
///
/// `entry` is the physical address of code that can run without a stack.
pub unsafe fn start_core(conduit: Conduit, mpidr: u64, entry: usize, argument: u64) -> Result<(), i64> {
    let mut result = CPU_ON;
    macro_rules! call {
        ($instruction:literal) => {
            asm!(
                $instruction,
                inout("x0") result,
                inout("x1") mpidr => _,
                inout("x2") entry as u64 => _,
                inout("x3") argument => _,
                clobber_abi("C"),
            )
        };
    }
    // SAFETY: the SMC calling convention clobbers no more than C's does.
    match conduit {
        Conduit::Hvc => unsafe { call!("hvc #0") },
        // SAFETY: the same.
        Conduit::Smc => unsafe { call!("smc #0") },
    }
    let error = result as i64;
    if error == 0 { Ok(()) } else { Err(error) }
}
