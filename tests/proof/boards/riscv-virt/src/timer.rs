//! The timer's interrupt: a thousand times a second on each hart, on the stack of whatever it
//! interrupts.

use core::arch::{asm, global_asm};
use extram_port_bare_metal::arch::riscv;

/// Ticks from one interrupt to the next.
const PERIOD: u64 = crate::MACHINE.frequency as u64 / 1000;

// What a function may change is saved. While this runs, interrupts are masked.
#[cfg(target_arch = "riscv32")]
global_asm!(
    ".pushsection .text.trap, \"ax\"",
    ".macro changed op",
    "\\op ra, 0(sp)",
    "\\op t0, 4(sp)",
    "\\op t1, 8(sp)",
    "\\op t2, 12(sp)",
    "\\op t3, 16(sp)",
    "\\op t4, 20(sp)",
    "\\op t5, 24(sp)",
    "\\op t6, 28(sp)",
    "\\op a0, 32(sp)",
    "\\op a1, 36(sp)",
    "\\op a2, 40(sp)",
    "\\op a3, 44(sp)",
    "\\op a4, 48(sp)",
    "\\op a5, 52(sp)",
    "\\op a6, 56(sp)",
    "\\op a7, 60(sp)",
    ".endm",
    ".balign 4",
    "trap:",
    "addi sp, sp, -64",
    "changed sw",
    "csrr a0, mcause",
    "call {on_trap}",
    "changed lw",
    "addi sp, sp, 64",
    "mret",
    ".popsection",
    on_trap = sym on_trap,
);

#[cfg(target_arch = "riscv64")]
global_asm!(
    ".pushsection .text.trap, \"ax\"",
    ".option push",
    ".option arch, +d",
    ".macro changed op, fop",
    "\\op ra, 0(sp)",
    "\\op t0, 8(sp)",
    "\\op t1, 16(sp)",
    "\\op t2, 24(sp)",
    "\\op t3, 32(sp)",
    "\\op t4, 40(sp)",
    "\\op t5, 48(sp)",
    "\\op t6, 56(sp)",
    "\\op a0, 64(sp)",
    "\\op a1, 72(sp)",
    "\\op a2, 80(sp)",
    "\\op a3, 88(sp)",
    "\\op a4, 96(sp)",
    "\\op a5, 104(sp)",
    "\\op a6, 112(sp)",
    "\\op a7, 120(sp)",
    "\\fop ft0, 128(sp)",
    "\\fop ft1, 136(sp)",
    "\\fop ft2, 144(sp)",
    "\\fop ft3, 152(sp)",
    "\\fop ft4, 160(sp)",
    "\\fop ft5, 168(sp)",
    "\\fop ft6, 176(sp)",
    "\\fop ft7, 184(sp)",
    "\\fop ft8, 192(sp)",
    "\\fop ft9, 200(sp)",
    "\\fop ft10, 208(sp)",
    "\\fop ft11, 216(sp)",
    "\\fop fa0, 224(sp)",
    "\\fop fa1, 232(sp)",
    "\\fop fa2, 240(sp)",
    "\\fop fa3, 248(sp)",
    "\\fop fa4, 256(sp)",
    "\\fop fa5, 264(sp)",
    "\\fop fa6, 272(sp)",
    "\\fop fa7, 280(sp)",
    ".endm",
    ".balign 4",
    "trap:",
    "addi sp, sp, -288",
    "changed sd, fsd",
    "csrr a0, scause",
    "call {on_trap}",
    "changed ld, fld",
    "addi sp, sp, 288",
    "sret",
    ".option pop",
    ".popsection",
    on_trap = sym on_trap,
);

/// The cause of a timer's interrupt: in machine mode 7, in supervisor mode 5.
const TIMER: isize = isize::MIN | if cfg!(target_arch = "riscv32") { 7 } else { 5 };

extern "C" fn on_trap(cause: isize) {
    assert!(cause == TIMER, "a trap that nobody expects");
    set(riscv::ticks() + PERIOD);
    extram_test_suite::from_interrupt();
}

/// Lets the interrupts come to this hart, as soon as they are not masked.
pub(crate) fn start() {
    set(riscv::ticks() + PERIOD);
    #[cfg(target_arch = "riscv32")]
    // SAFETY: `trap` leaves everything as it was.
    unsafe {
        asm!("la {0}, trap", "csrw mtvec, {0}", "csrs mie, {1}", out(reg) _, in(reg) 1 << 7);
    }
    #[cfg(target_arch = "riscv64")]
    // SAFETY: the same.
    unsafe {
        asm!("la {0}, trap", "csrw stvec, {0}", "csrs sie, {1}", out(reg) _, in(reg) 1 << 5);
    }
}

/// The next interrupt comes at that tick.
#[cfg(target_arch = "riscv32")]
fn set(tick: u64) {
    /// QEMU's virt: a register of 64 bits for each hart.
    const MTIMECMP: *mut u32 = 0x0200_4000 as *mut u32;
    let core = crate::boot::core();
    // SAFETY: each hart writes its own. The low half is never there with an earlier high one.
    unsafe {
        let low = MTIMECMP.add(core * 2);
        low.add(1).write_volatile(u32::MAX);
        low.write_volatile(tick as u32);
        low.add(1).write_volatile((tick >> 32) as u32);
    }
}

/// The next interrupt comes at that tick.
#[cfg(target_arch = "riscv64")]
fn set(tick: u64) {
    /// SBI's extension for timers, "TIME".
    const TIME: usize = 0x5449_4d45;
    // SAFETY: SBI's calling convention: all registers but a0 and a1 are preserved.
    unsafe {
        asm!("ecall", inlateout("a0") tick => _, lateout("a1") _, in("a6") 0, in("a7") TIME, options(nostack));
    }
}
