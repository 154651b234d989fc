//! The suite on one Cortex-M3: mps2-an385. Its interrupts are foreign threads.
#![no_std]
#![no_main]

use cortex_m_rt::{entry, exception};
use extram_port_bare_metal::arch::cortex_m::SysTickClock;
use extram_test_suite::{Config, Machine, Plan, SMALL, from_interrupt, suite};

const FREQUENCY: u32 = 25_000_000;
/// 10,000 interrupts and context switches a second.
static CLOCK: SysTickClock = SysTickClock::new(FREQUENCY / 10_000);

const MACHINE: Machine =
    Machine { cores: 1, core: || 0, start_core: |_| (), frequency: FREQUENCY, ticks: || CLOCK.ticks() };

static PLAN: Plan = Plan {
    board: "mps2-an385, one Cortex-M3",
    contexts: 32,
    entries: 100_000,
    interrupts: 1_000,
    config: Config { threads: 32, ..SMALL },
};

suite! { machine: MACHINE, contexts: 32, stack: 4096, plan: PLAN }

#[entry]
fn main() -> ! {
    CLOCK.start();
    start()
}

#[exception]
fn SysTick() {
    CLOCK.on_interrupt();
    from_interrupt();
    extram_test_kernel::on_timer();
}
