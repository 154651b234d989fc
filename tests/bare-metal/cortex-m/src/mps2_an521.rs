//! mps2-an521: two Cortex-M33 at once. The interrupts of both are foreign threads.

use crate::second_core;
use extram_test_suite::{Config, Machine, Plan, SMALL, Stacks};

/// The number of the calling core, where each of them reads its own.
const CPU_IDENTITY: *const u32 = 0x4001_f000 as *const u32;

/// A timer that both cores see: enable, value (counting down), reload.
const TIMER: *mut u32 = 0x5000_0000 as *mut u32;

pub(crate) const MACHINE: Machine = Machine {
    cores: 2,
    // SAFETY: reads a constant.
    core: || unsafe { CPU_IDENTITY.read_volatile() as usize },
    start_core: |_| second_core::start(),
    frequency: 20_000_000,
    // Lasts for 214 s, more than a run may take.
    // SAFETY: reads a counter.
    ticks: || u64::from(u32::MAX - unsafe { TIMER.add(1).read_volatile() }),
};

pub(crate) const CONTEXTS: usize = 64;
pub(crate) const STACKS: Stacks = Stacks { first: 4096, each: 4096 };

pub(crate) static PLAN: Plan = Plan {
    board: "mps2-an521, two Cortex-M33",
    contexts: CONTEXTS as u32,
    entries: 200_000,
    interrupts: 1_000,
    config: Config { threads: 32, ..SMALL },
};

/// Starts the timer.
pub(crate) fn prepare() {
    // SAFETY: nobody else uses it.
    unsafe {
        TIMER.add(2).write_volatile(u32::MAX);
        TIMER.add(1).write_volatile(u32::MAX);
        TIMER.write_volatile(1);
    }
}
