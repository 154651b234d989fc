//! mps2-an521: two Cortex-M33 at once. The interrupts of both are foreign threads.

use extram_test_suite::{Config, Machine, Plan, SMALL, Stacks};

pub(crate) const MACHINE: Machine = Machine {
    cores: 2,
    core: mps2_an521::core,
    start_core: |_| mps2_an521::start_second_core(second_core),
    frequency: mps2_an521::FREQUENCY,
    ticks: mps2_an521::ticks,
};

extern "C" fn second_core() -> ! {
    crate::TURNS.start();
    extram_test_kernel::join()
}

pub(crate) const CONTEXTS: usize = 64;
pub(crate) const STACKS: Stacks = Stacks { first: 4096, each: 4096 };

pub(crate) static PLAN: Plan = Plan {
    board: "mps2-an521, two Cortex-M33",
    contexts: CONTEXTS as u32,
    entries: 200_000,
    interrupts: 1_000,
    config: Config { threads: 32, ..SMALL },
};

pub(crate) fn prepare() {
    mps2_an521::start_clock();
}
