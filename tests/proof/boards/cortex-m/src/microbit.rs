//! BBC micro:bit, one Cortex-M0, without compare-exchange and with 16 KiB of memory. QEMU's has the
//! system timer, which that of nRF51822 lacks.

use extram_test_suite::{Machine, Plan, SMALL, Stacks};

pub(crate) const MACHINE: Machine = Machine {
    cores: 1,
    core: || 0,
    start_core: |_| (),
    frequency: 16_000_000,
    ticks: || crate::TURNS.ticks(),
};

pub(crate) const CONTEXTS: usize = 4;
pub(crate) const STACKS: Stacks = Stacks { first: 2560, each: 1280 };

pub(crate) static PLAN: Plan = Plan {
    board: "microbit, one Cortex-M0",
    contexts: CONTEXTS as u32,
    entries: 20_000,
    interrupts: 1_000,
    config: SMALL,
};

pub(crate) fn prepare() {}
