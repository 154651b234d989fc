//! Switching on RISC-V: the registers that a function preserves, and `tp`.

pub(crate) use crate::cooperative::{begin_idle, idle, reschedule};
use core::arch::{asm, naked_asm};
use extram_port_bare_metal::Block;
use extram_port_bare_metal::arch::riscv;
pub(crate) use extram_port_bare_metal::arch::riscv::{notify, relax};

/// The thread pointer is a register: a context can go on on any core.
pub(crate) const STAYS: bool = false;

pub(crate) fn block() -> &'static Block {
    match riscv::block() {
        Some(block) => block,
        None => panic!("no context runs here yet"),
    }
}

#[cfg(feature = "machine-mode")]
macro_rules! status {
    ($instruction:literal, $operands:literal) => {
        concat!($instruction, " ", $operands, "mstatus, 8")
    };
}
#[cfg(not(feature = "machine-mode"))]
macro_rules! status {
    ($instruction:literal, $operands:literal) => {
        concat!($instruction, " ", $operands, "sstatus, 2")
    };
}

/// Masks interrupts; whether they were enabled.
pub(crate) fn mask() -> bool {
    let status: usize;
    // SAFETY: masking interrupts breaks nobody's assumption. No `nomem`: what follows stays after.
    unsafe { asm!(status!("csrrci", "{}, "), out(reg) status, options(nostack)) };
    status & if cfg!(feature = "machine-mode") { 8 } else { 2 } != 0
}

pub(crate) fn unmask() {
    // SAFETY: called where interrupts were enabled before.
    unsafe { asm!(status!("csrsi", ""), options(nostack)) };
}

/// Words of a frame: ra, s0 to s11, tp, two free; then fs0 to fs11 where there are any.
///
/// Told by the width: compilers before 1.96 do not say that there is floating point.
const WORDS: usize = if cfg!(target_arch = "riscv64") { 28 } else { 16 };

/// Puts what `exchange` expects of a context that was switched away from on a new stack.
///
/// # Safety
///
/// Nobody uses the stack that ends at `top`.
pub(crate) unsafe fn prepare(top: usize, block: &'static Block) -> usize {
    let mut frame = [0usize; WORDS];
    frame[0] = crate::cooperative::begin as *const () as usize;
    frame[13] = core::ptr::from_ref(block).addr();
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
#[cfg(target_arch = "riscv64")]
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn exchange(save: *mut usize, sp: usize) {
    naked_asm!(
        // Code of this kind is assembled without the target's extensions.
        ".option push",
        ".option arch, +d",
        "addi sp, sp, -28*8",
        "sd ra, 0(sp)",
        "sd s0, 1*8(sp)",
        "sd s1, 2*8(sp)",
        "sd s2, 3*8(sp)",
        "sd s3, 4*8(sp)",
        "sd s4, 5*8(sp)",
        "sd s5, 6*8(sp)",
        "sd s6, 7*8(sp)",
        "sd s7, 8*8(sp)",
        "sd s8, 9*8(sp)",
        "sd s9, 10*8(sp)",
        "sd s10, 11*8(sp)",
        "sd s11, 12*8(sp)",
        "sd tp, 13*8(sp)",
        "fsd fs0, 16*8(sp)",
        "fsd fs1, 17*8(sp)",
        "fsd fs2, 18*8(sp)",
        "fsd fs3, 19*8(sp)",
        "fsd fs4, 20*8(sp)",
        "fsd fs5, 21*8(sp)",
        "fsd fs6, 22*8(sp)",
        "fsd fs7, 23*8(sp)",
        "fsd fs8, 24*8(sp)",
        "fsd fs9, 25*8(sp)",
        "fsd fs10, 26*8(sp)",
        "fsd fs11, 27*8(sp)",
        "sd sp, 0(a0)",
        "mv sp, a1",
        "ld ra, 0(sp)",
        "ld s0, 1*8(sp)",
        "ld s1, 2*8(sp)",
        "ld s2, 3*8(sp)",
        "ld s3, 4*8(sp)",
        "ld s4, 5*8(sp)",
        "ld s5, 6*8(sp)",
        "ld s6, 7*8(sp)",
        "ld s7, 8*8(sp)",
        "ld s8, 9*8(sp)",
        "ld s9, 10*8(sp)",
        "ld s10, 11*8(sp)",
        "ld s11, 12*8(sp)",
        "ld tp, 13*8(sp)",
        "fld fs0, 16*8(sp)",
        "fld fs1, 17*8(sp)",
        "fld fs2, 18*8(sp)",
        "fld fs3, 19*8(sp)",
        "fld fs4, 20*8(sp)",
        "fld fs5, 21*8(sp)",
        "fld fs6, 22*8(sp)",
        "fld fs7, 23*8(sp)",
        "fld fs8, 24*8(sp)",
        "fld fs9, 25*8(sp)",
        "fld fs10, 26*8(sp)",
        "fld fs11, 27*8(sp)",
        "addi sp, sp, 28*8",
        "ret",
        ".option pop",
    )
}

/// The same without floating point, on 32 bits.
///
/// # Safety
///
/// `sp` is from `prepare` or an earlier `save`, and nobody runs that context.
#[cfg(target_arch = "riscv32")]
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn exchange(save: *mut usize, sp: usize) {
    naked_asm!(
        "addi sp, sp, -16*4",
        "sw ra, 0(sp)",
        "sw s0, 1*4(sp)",
        "sw s1, 2*4(sp)",
        "sw s2, 3*4(sp)",
        "sw s3, 4*4(sp)",
        "sw s4, 5*4(sp)",
        "sw s5, 6*4(sp)",
        "sw s6, 7*4(sp)",
        "sw s7, 8*4(sp)",
        "sw s8, 9*4(sp)",
        "sw s9, 10*4(sp)",
        "sw s10, 11*4(sp)",
        "sw s11, 12*4(sp)",
        "sw tp, 13*4(sp)",
        "sw sp, 0(a0)",
        "mv sp, a1",
        "lw ra, 0(sp)",
        "lw s0, 1*4(sp)",
        "lw s1, 2*4(sp)",
        "lw s2, 3*4(sp)",
        "lw s3, 4*4(sp)",
        "lw s4, 5*4(sp)",
        "lw s5, 6*4(sp)",
        "lw s6, 7*4(sp)",
        "lw s7, 8*4(sp)",
        "lw s8, 9*4(sp)",
        "lw s9, 10*4(sp)",
        "lw s10, 11*4(sp)",
        "lw s11, 12*4(sp)",
        "lw tp, 13*4(sp)",
        "addi sp, sp, 16*4",
        "ret",
    )
}
