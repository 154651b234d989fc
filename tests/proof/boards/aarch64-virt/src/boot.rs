//! From reset to Rust: floating point on, memory mapped one to one and cached (atomic instructions
//! need that), a stack.

use core::arch::{asm, global_asm};
use extram_port_bare_metal::arch::aarch64::{self, Conduit};

pub(crate) const CORES: usize = 4;

/// The stack on which a core starts; it idles, and everything else runs, on stacks of the kernel's.
const STACK: usize = 4096;

#[repr(C, align(16))]
struct Stacks(core::cell::UnsafeCell<[[u8; STACK]; CORES]>);

// SAFETY: each core uses its own part, as the code below computes it.
unsafe impl Sync for Stacks {}

static STACKS: Stacks = Stacks(core::cell::UnsafeCell::new([[0; STACK]; CORES]));

global_asm!(
    ".pushsection .text.start, \"ax\"",
    ".global _start",
    "_start:",
    "adrp x1, __bss_start",
    "add x1, x1, :lo12:__bss_start",
    "adrp x2, __bss_end",
    "add x2, x2, :lo12:__bss_end",
    "1: cmp x1, x2",
    "b.hs 2f",
    "stp xzr, xzr, [x1], #16",
    "b 1b",
    "2: mov x0, #0",
    // Here from PSCI, with the number of the core in x0.
    ".global start_of_core",
    "start_of_core:",
    "mov x1, #(3 << 20)",
    "msr CPACR_EL1, x1",
    // Attribute 0 is normal memory, written back; 1 is a device.
    "mov x1, #0x04ff",
    "msr MAIR_EL1, x1",
    // 39 bits of address, 4 KiB, walks cached and shared; no upper half; 40 bits of physical address.
    "ldr x1, =0x200803519",
    "msr TCR_EL1, x1",
    "adrp x1, one_to_one",
    "msr TTBR0_EL1, x1",
    "tlbi vmalle1",
    "dsb sy",
    "isb",
    "mrs x1, SCTLR_EL1",
    "ldr x2, =0x1005", // MMU and caches
    "orr x1, x1, x2",
    "msr SCTLR_EL1, x1",
    "isb",
    "msr TPIDR_EL1, xzr",
    "adrp x1, {stacks}",
    "add x1, x1, :lo12:{stacks}",
    "add x2, x0, #1",
    "mov x3, #{size}",
    "madd x1, x2, x3, x1",
    "mov sp, x1",
    "bl {begin}",
    ".popsection",
    // The first GiB is devices, the second memory.
    ".pushsection .rodata.one_to_one, \"a\"",
    ".balign 4096",
    "one_to_one:",
    ".quad 0x0060000000000405",
    ".quad 0x0000000040000701",
    ".fill 510, 8, 0",
    ".popsection",
    stacks = sym STACKS,
    size = const STACK,
    begin = sym begin,
);

extern "C" fn begin(core: usize) -> ! {
    aarch64::start_event_stream();
    crate::timer::start();
    if core == 0 { crate::start() } else { extram_test_kernel::join() }
}

/// The number of the calling core.
pub(crate) fn core() -> usize {
    let mpidr: usize;
    // SAFETY: reads a constant.
    unsafe { asm!("mrs {}, MPIDR_EL1", out(reg) mpidr, options(nomem, nostack, preserves_flags)) };
    mpidr & 0xff
}

/// By PSCI, in which the emulator plays the hypervisor.
pub(crate) fn start_core(core: usize) {
    unsafe extern "C" {
        fn start_of_core();
    }
    let entry = start_of_core as *const () as usize;
    // SAFETY: the code above needs no stack.
    let started = unsafe { aarch64::start_core(Conduit::Hvc, core as u64, entry, core as u64) };
    assert!(started.is_ok(), "a core does not start");
}
