//! The suite on two Cortex-M33 at once: mps2-an521. The interrupts of both are foreign threads.
#![no_std]
#![no_main]

mod second_core;

use cortex_m_rt::{entry, exception};
use extram_port_bare_metal::arch::cortex_m::SysTickClock;
use extram_test_suite::{Config, Machine, Plan, SMALL, from_interrupt, suite};

const FREQUENCY: u32 = 20_000_000;
/// Each core's own: 10,000 interrupts and context switches a second.
static TURNS: SysTickClock = SysTickClock::new(FREQUENCY / 10_000);

/// The number of the calling core, where each of them reads its own.
const CPU_IDENTITY: *const u32 = 0x4001_f000 as *const u32;

/// A timer that both cores see: enable, value (counting down), reload.
const TIMER: *mut u32 = 0x5000_0000 as *mut u32;

const MACHINE: Machine = Machine {
    cores: 2,
    // SAFETY: reads a constant.
    core: || unsafe { CPU_IDENTITY.read_volatile() as usize },
    start_core: |_| second_core::start(),
    frequency: FREQUENCY,
    // Lasts for 214 s, more than a run may take.
    // SAFETY: reads a counter.
    ticks: || u64::from(u32::MAX - unsafe { TIMER.add(1).read_volatile() }),
};

static PLAN: Plan = Plan {
    board: "mps2-an521, two Cortex-M33",
    contexts: 64,
    entries: 200_000,
    interrupts: 1_000,
    config: Config { threads: 32, ..SMALL },
};

suite! { machine: MACHINE, contexts: 64, stack: 4096, plan: PLAN }

#[entry]
fn main() -> ! {
    // SAFETY: nobody else uses the timer.
    unsafe {
        TIMER.add(2).write_volatile(u32::MAX);
        TIMER.add(1).write_volatile(u32::MAX);
        TIMER.write_volatile(1);
    }
    TURNS.start();
    start()
}

#[exception]
fn SysTick() {
    from_interrupt();
    extram_test_kernel::on_timer();
}
