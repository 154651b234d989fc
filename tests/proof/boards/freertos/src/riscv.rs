//! QEMU's virt: one hart in machine mode without firmware, whose clock's alarm is the device.

use core::arch::global_asm;

pub(crate) const NAME: &str = "virt, one hart of RV32";

// From reset to Rust. The kernel's tasks and handlers have other stacks.
global_asm!(
    ".pushsection .text.start, \"ax\"",
    ".global _start",
    "_start:",
    "la t0, __bss_start",
    "la t1, __bss_end",
    "1: bgeu t0, t1, 2f",
    "sw zero, 0(t0)",
    "addi t0, t0, 4",
    "j 1b",
    "2: la sp, {stack}",
    "li t0, {size}",
    "add sp, sp, t0",
    "la t0, freertos_risc_v_trap_handler",
    "csrw mtvec, t0",
    "call {begin}",
    ".popsection",
    stack = sym STACK,
    size = const SIZE,
    begin = sym begin,
);

const SIZE: usize = 8192;

#[repr(C, align(16))]
struct Stack(core::cell::UnsafeCell<[u8; SIZE]>);

// SAFETY: nobody touches it but by the stack pointer.
unsafe impl Sync for Stack {}

static STACK: Stack = Stack(core::cell::UnsafeCell::new([0; SIZE]));

extern "C" fn begin() -> ! {
    crate::start()
}

/// The clock: nanoseconds, and an alarm.
const CLOCK: *mut u32 = 0x10_1000 as *mut u32;
const CLOCK_IRQ: u32 = 11;
const PLIC: *mut u32 = 0x0c00_0000 as *mut u32;

/// The device interrupts 3,700 times a second from now on, which is no multiple of the ticks.
pub(crate) fn start_device() {
    // SAFETY: the registers of the clock and of the interrupt controller; nobody else uses them. The
    // kernel has enabled interrupts from outside.
    unsafe {
        PLIC.add(CLOCK_IRQ as usize).write_volatile(1);
        PLIC.add(0x2000 / 4).write_volatile(1 << CLOCK_IRQ);
        PLIC.add(0x20_0000 / 4).write_volatile(0);
        CLOCK.add(4).write_volatile(1);
    }
    arm();
}

fn arm() {
    // SAFETY: as above. Reading the low half keeps the high one.
    unsafe {
        let low = CLOCK.read_volatile();
        let now = u64::from(CLOCK.add(1).read_volatile()) << 32 | u64::from(low);
        let next = now + 1_000_000_000 / 3_700;
        CLOCK.add(3).write_volatile((next >> 32) as u32);
        CLOCK.add(2).write_volatile(next as u32);
    }
}

/// An interrupt that is not the kernel's own tick. It has the handlers' stack, and is not interrupted.
#[unsafe(no_mangle)]
extern "C" fn freertos_risc_v_application_interrupt_handler(cause: usize) {
    assert!(cause == 1 << 31 | 11, "an interrupt that nobody expects");
    // SAFETY: the claim register and the clock's, as above.
    unsafe {
        let claim = PLIC.add(0x20_0004 / 4);
        let irq = claim.read_volatile();
        assert!(irq == CLOCK_IRQ, "an interrupt that nobody expects");
        CLOCK.add(7).write_volatile(1);
        arm();
        claim.write_volatile(irq);
    }
    crate::device::interrupted();
}

#[unsafe(no_mangle)]
extern "C" fn freertos_risc_v_application_exception_handler(cause: usize) {
    let (at, value): (usize, usize);
    // SAFETY: reads registers.
    unsafe { core::arch::asm!("csrr {}, mepc", "csrr {}, mtval", out(reg) at, out(reg) value) };
    panic!("exception {cause} at {at:#x}: {value:#x}");
}
