//! Switching on AArch64: the registers that a function preserves, and `TPIDR_EL1`.

pub(crate) use crate::cooperative::{begin_idle, idle, reschedule};
use core::arch::{asm, naked_asm};
use extram_port_bare_metal::Block;
use extram_port_bare_metal::arch::aarch64;
pub(crate) use extram_port_bare_metal::arch::aarch64::{notify, relax};

/// The thread pointer is a register: a context can go on on any core.
pub(crate) const STAYS: bool = false;

pub(crate) fn block() -> &'static Block {
    match aarch64::block() {
        Some(block) => block,
        None => panic!("no context runs here yet"),
    }
}

/// In `DAIF`: interrupts are masked.
const I: u64 = 1 << 7;

/// Masks interrupts; whether they were enabled.
pub(crate) fn mask() -> bool {
    let daif: u64;
    // SAFETY: masking interrupts breaks nobody's assumption. No `nomem`: what follows stays after.
    unsafe { asm!("mrs {}, DAIF", "msr DAIFSet, #2", out(reg) daif, options(nostack, preserves_flags)) };
    daif & I == 0
}

pub(crate) fn unmask() {
    // SAFETY: called where interrupts were enabled before.
    unsafe { asm!("msr DAIFClr, #2", options(nostack, preserves_flags)) };
}

/// Words of a frame: x19 to x30, d8 to d15, TPIDR_EL1, one free.
const WORDS: usize = 22;

/// Puts what `exchange` expects of a context that was switched away from on a new stack.
///
/// # Safety
///
/// Nobody uses the stack that ends at `top`.
pub(crate) unsafe fn prepare(top: usize, block: &'static Block) -> usize {
    let mut frame = [0usize; WORDS];
    frame[11] = crate::cooperative::begin as *const () as usize;
    frame[20] = core::ptr::from_ref(block).addr();
    let sp = top - size_of_val(&frame);
    // SAFETY: by the caller's promise. Stacks are aligned and larger than this.
    unsafe { core::ptr::with_exposed_provenance_mut::<[usize; WORDS]>(sp).write(frame) };
    sp
}

/// Leaves the running context, whose stack pointer goes to `save`, for the one whose is `sp`.
///
/// # Safety
///
/// `sp` is from `prepare` or an earlier `save`, and nobody runs that context.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn exchange(save: *mut usize, sp: usize) {
    naked_asm!(
        "sub sp, sp, #176",
        "stp x19, x20, [sp]",
        "stp x21, x22, [sp, #16]",
        "stp x23, x24, [sp, #32]",
        "stp x25, x26, [sp, #48]",
        "stp x27, x28, [sp, #64]",
        "stp x29, x30, [sp, #80]",
        "stp d8, d9, [sp, #96]",
        "stp d10, d11, [sp, #112]",
        "stp d12, d13, [sp, #128]",
        "stp d14, d15, [sp, #144]",
        "mrs x9, TPIDR_EL1",
        "str x9, [sp, #160]",
        "mov x9, sp",
        "str x9, [x0]",
        "mov sp, x1",
        "ldp x19, x20, [sp]",
        "ldp x21, x22, [sp, #16]",
        "ldp x23, x24, [sp, #32]",
        "ldp x25, x26, [sp, #48]",
        "ldp x27, x28, [sp, #64]",
        "ldp x29, x30, [sp, #80]",
        "ldp d8, d9, [sp, #96]",
        "ldp d10, d11, [sp, #112]",
        "ldp d12, d13, [sp, #128]",
        "ldp d14, d15, [sp, #144]",
        "ldr x9, [sp, #160]",
        "msr TPIDR_EL1, x9",
        "add sp, sp, #176",
        "ret",
    )
}
