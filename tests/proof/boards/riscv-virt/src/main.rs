//! The suite on four harts at once: QEMU's virt, on 64 bits in supervisor mode under OpenSBI, on 32
//! bits in machine mode without firmware.
#![no_std]
#![no_main]

mod boot;
mod timer;

use extram_port_bare_metal::arch::riscv;
use extram_test_suite::{Config, Machine, Plan, SMALL, Stacks, suite};

const MACHINE: Machine = Machine {
    cores: boot::CORES,
    core: boot::core,
    start_core: boot::start_core,
    frequency: 10_000_000,
    ticks: riscv::ticks,
};

static PLAN: Plan = Plan {
    board: "virt, four harts",
    contexts: 256,
    entries: 256 * 4000,
    interrupts: 1_000,
    config: Config { threads: 32, ..SMALL },
};

const STACKS: Stacks = Stacks { first: 8192, each: 8192 };

suite! { machine: MACHINE, contexts: 256, stacks: STACKS, plan: PLAN }
