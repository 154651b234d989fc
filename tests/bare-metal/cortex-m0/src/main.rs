//! The suite on one Cortex-M0: the BBC micro:bit, without compare-exchange. Its interrupts are foreign threads.
#![no_std]
#![no_main]

use cortex_m_rt::{entry, exception};
use extram_port_bare_metal::arch::cortex_m::SysTickClock;
use extram_test_suite::{Machine, Plan, SMALL, from_interrupt, suite};

const FREQUENCY: u32 = 16_000_000;
/// 10,000 interrupts and context switches a second.
static CLOCK: SysTickClock = SysTickClock::new(FREQUENCY / 10_000);

const MACHINE: Machine =
    Machine { cores: 1, core: || 0, start_core: |_| (), frequency: FREQUENCY, ticks: || CLOCK.ticks() };

static PLAN: Plan =
    Plan { board: "microbit, one Cortex-M0", contexts: 4, entries: 20_000, interrupts: 1_000, config: SMALL };

suite! { machine: MACHINE, contexts: 4, stack: 1536, plan: PLAN }

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
