//! mps2-an385: one Cortex-M3.

use extram_test_suite::{Config, Machine, Plan, SMALL, Stacks};

pub(crate) const MACHINE: Machine = Machine {
    cores: 1,
    core: || 0,
    start_core: |_| (),
    frequency: 25_000_000,
    ticks: || crate::TURNS.ticks(),
};

pub(crate) const CONTEXTS: usize = 32;
pub(crate) const STACKS: Stacks = Stacks { first: 4096, each: 4096 };

pub(crate) static PLAN: Plan = Plan {
    board: "mps2-an385, one Cortex-M3",
    contexts: CONTEXTS as u32,
    entries: 100_000,
    interrupts: 1_000,
    config: Config { threads: 32, ..SMALL },
};

pub(crate) fn prepare() {}
