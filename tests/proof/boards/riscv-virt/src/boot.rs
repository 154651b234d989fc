//! From reset to Rust. The scratch register of the mode keeps each core's number.

use core::arch::{asm, global_asm};

pub(crate) const CORES: usize = 4;

/// The stack on which a core starts; it idles, and everything else runs, on stacks of the kernel's.
const STACK: usize = 4096;

#[repr(C, align(16))]
struct Stacks(core::cell::UnsafeCell<[[u8; STACK]; CORES]>);

// SAFETY: each core uses its own part, as the code below computes it.
unsafe impl Sync for Stacks {}

static STACKS: Stacks = Stacks(core::cell::UnsafeCell::new([[0; STACK]; CORES]));

// OpenSBI starts one hart, any of them, with its number in a0; it becomes core 0.
#[cfg(target_arch = "riscv64")]
global_asm!(
    ".pushsection .text.start, \"ax\"",
    ".global _start",
    "_start:",
    "la t0, __bss_start",
    "la t1, __bss_end",
    "1: bgeu t0, t1, 2f",
    "sd zero, 0(t0)",
    "addi t0, t0, 8",
    "j 1b",
    "2: la t0, {first}",
    "sd a0, 0(t0)",
    "li a1, 0",
    // Here from SBI, with the number of the core in a1.
    ".global start_of_core",
    "start_of_core:",
    "csrw sscratch, a1",
    "li t0, 0x2000", // floating point on
    "csrs sstatus, t0",
    "la sp, {stacks}",
    "addi t0, a1, 1",
    "slli t0, t0, {size}",
    "add sp, sp, t0",
    "li tp, 0",
    "mv a0, a1",
    "call {begin}",
    ".popsection",
    first = sym FIRST,
    stacks = sym STACKS,
    size = const STACK.trailing_zeros(),
    begin = sym begin,
);

// Without firmware all harts come here at once; all but the first wait for their turn.
#[cfg(target_arch = "riscv32")]
global_asm!(
    ".pushsection .text.start, \"ax\"",
    ".global _start",
    "_start:",
    "csrr a0, mhartid",
    "csrw mscratch, a0",
    "beqz a0, 2f",
    "la t0, {turn}",
    "1: lw t1, 0(t0)",
    "blt t1, a0, 1b",
    "fence",
    "j 4f",
    "2: la t0, __bss_start",
    "la t1, __bss_end",
    "3: bgeu t0, t1, 4f",
    "sw zero, 0(t0)",
    "addi t0, t0, 4",
    "j 3b",
    "4: la sp, {stacks}",
    "addi t0, a0, 1",
    "slli t0, t0, {size}",
    "add sp, sp, t0",
    "li tp, 0",
    "call {begin}",
    ".popsection",
    turn = sym TURN,
    stacks = sym STACKS,
    size = const STACK.trailing_zeros(),
    begin = sym begin,
);

/// The hart that is core 0.
#[cfg(target_arch = "riscv64")]
static FIRST: core::sync::atomic::AtomicUsize = core::sync::atomic::AtomicUsize::new(0);

/// The highest core that may go on. Not among what is cleared at start.
#[cfg(target_arch = "riscv32")]
#[unsafe(link_section = ".data")]
static TURN: core::sync::atomic::AtomicUsize = core::sync::atomic::AtomicUsize::new(0);

extern "C" fn begin(core: usize) -> ! {
    crate::timer::start();
    if core == 0 { crate::start() } else { extram_test_kernel::join() }
}

/// The number of the calling core.
pub(crate) fn core() -> usize {
    let core: usize;
    #[cfg(target_arch = "riscv64")]
    // SAFETY: reads what the start-up code put there.
    unsafe {
        asm!("csrr {}, sscratch", out(reg) core, options(nomem, nostack));
    }
    #[cfg(target_arch = "riscv32")]
    // SAFETY: the same.
    unsafe {
        asm!("csrr {}, mscratch", out(reg) core, options(nomem, nostack));
    }
    core
}

/// By SBI: core `n` is the n-th hart in turn after the first.
#[cfg(target_arch = "riscv64")]
pub(crate) fn start_core(core: usize) {
    unsafe extern "C" {
        fn start_of_core();
    }
    let hart = (FIRST.load(core::sync::atomic::Ordering::Relaxed) + core) % CORES;
    let entry = start_of_core as *const () as usize;
    // SAFETY: the code above needs no stack.
    let started = unsafe { extram_port_bare_metal::arch::riscv::start_core(hart, entry, core) };
    assert!(started.is_ok(), "a hart does not start");
}

/// By letting it go on.
#[cfg(target_arch = "riscv32")]
pub(crate) fn start_core(core: usize) {
    // Release: what was set up before is there when the hart goes on.
    TURN.store(core, core::sync::atomic::Ordering::Release);
}
