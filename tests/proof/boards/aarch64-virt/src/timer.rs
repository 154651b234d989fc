//! The timer's interrupt: a thousand times a second on each core, on the stack of whatever it
//! interrupts.

use core::arch::{asm, global_asm};

/// Ticks from one interrupt to the next.
const PERIOD: u64 = crate::MACHINE.frequency as u64 / 1000;

// What a function may change is saved, with all that it could compute in vectors. While this runs,
// interrupts are masked.
global_asm!(
    ".pushsection .text.vectors, \"ax\"",
    ".balign 2048",
    "vectors:",
    // Four kinds of exceptions each, from: EL1 on SP_EL0, EL1 on its own stack pointer, EL0 twice.
    ".rept 5",
    "b unexpected",
    ".balign 128",
    ".endr",
    "b interrupt",
    ".balign 128",
    ".rept 10",
    "b unexpected",
    ".balign 128",
    ".endr",
    "unexpected:",
    "bl {unexpected}",
    ".macro changed op",
    "\\op x0, x1, [sp]",
    "\\op x2, x3, [sp, #16]",
    "\\op x4, x5, [sp, #32]",
    "\\op x6, x7, [sp, #48]",
    "\\op x8, x9, [sp, #64]",
    "\\op x10, x11, [sp, #80]",
    "\\op x12, x13, [sp, #96]",
    "\\op x14, x15, [sp, #112]",
    "\\op x16, x17, [sp, #128]",
    "\\op x18, x30, [sp, #144]",
    "\\op q0, q1, [sp, #160]",
    "\\op q2, q3, [sp, #192]",
    "\\op q4, q5, [sp, #224]",
    "\\op q6, q7, [sp, #256]",
    "\\op q8, q9, [sp, #288]",
    "\\op q10, q11, [sp, #320]",
    "\\op q12, q13, [sp, #352]",
    "\\op q14, q15, [sp, #384]",
    "\\op q16, q17, [sp, #416]",
    "\\op q18, q19, [sp, #448]",
    "\\op q20, q21, [sp, #480]",
    "\\op q22, q23, [sp, #512]",
    "\\op q24, q25, [sp, #544]",
    "\\op q26, q27, [sp, #576]",
    "\\op q28, q29, [sp, #608]",
    "\\op q30, q31, [sp, #640]",
    ".endm",
    "interrupt:",
    "sub sp, sp, #672",
    "changed stp",
    "bl {on_interrupt}",
    "changed ldp",
    "add sp, sp, #672",
    "eret",
    ".popsection",
    unexpected = sym unexpected,
    on_interrupt = sym on_interrupt,
);

extern "C" fn unexpected() -> ! {
    panic!("an exception that nobody expects");
}

// QEMU's virt: a GICv2.
const GICD_CTLR: *mut u32 = 0x0800_0000 as *mut u32;
const GICD_ISENABLER0: *mut u32 = 0x0800_0100 as *mut u32;
const GICC_CTLR: *mut u32 = 0x0801_0000 as *mut u32;
const GICC_PMR: *mut u32 = 0x0801_0004 as *mut u32;
const GICC_IAR: *mut u32 = 0x0801_000c as *mut u32;
const GICC_EOIR: *mut u32 = 0x0801_0010 as *mut u32;

/// The interrupt of the virtual timer.
const TIMER: u32 = 27;

extern "C" fn on_interrupt() {
    // SAFETY: the interrupt is taken and, below, ended, by the core to which it came.
    let taken = unsafe { GICC_IAR.read_volatile() };
    if taken == TIMER {
        set();
        extram_test_suite::from_interrupt();
    }
    // SAFETY: the same.
    unsafe { GICC_EOIR.write_volatile(taken) };
}

/// Lets the interrupts come to this core, as soon as they are not masked.
pub(crate) fn start() {
    set();
    // SAFETY: `interrupt` leaves everything as it was. The registers are each core's own, but the
    // first one, to which all write the same.
    unsafe {
        asm!("adrp {0}, vectors", "add {0}, {0}, :lo12:vectors", "msr VBAR_EL1, {0}", "isb", out(reg) _);
        GICD_CTLR.write_volatile(1);
        GICD_ISENABLER0.write_volatile(1 << TIMER);
        GICC_PMR.write_volatile(0xff);
        GICC_CTLR.write_volatile(1);
    }
}

/// The next interrupt comes in a period.
fn set() {
    // SAFETY: the virtual timer is nobody else's.
    unsafe { asm!("msr CNTV_TVAL_EL0, {}", "msr CNTV_CTL_EL0, {}", "isb", in(reg) PERIOD, in(reg) 1u64) };
}
