//! The suite on Cortex-M. Interrupts are foreign threads.
#![no_std]
#![no_main]

#[cfg_attr(board = "microbit", path = "microbit.rs")]
#[cfg_attr(board = "mps2_an385", path = "mps2_an385.rs")]
#[cfg_attr(board = "mps2_an521", path = "mps2_an521.rs")]
mod board;

use cortex_m_rt::{entry, exception};
use extram_port_bare_metal::arch::cortex_m::SysTickClock;
use extram_test_suite::{from_interrupt, suite};

/// Each core's own timer: 10,000 interrupts and context switches a second. With one core it is the
/// clock, too.
static TURNS: SysTickClock = SysTickClock::new(board::MACHINE.frequency / 10_000);

suite! { machine: board::MACHINE, contexts: board::CONTEXTS, stacks: board::STACKS, plan: board::PLAN }

#[entry]
fn main() -> ! {
    board::prepare();
    TURNS.start();
    start()
}

#[exception]
fn SysTick() {
    if board::MACHINE.cores == 1 {
        TURNS.on_interrupt();
    }
    from_interrupt();
    extram_test_kernel::on_timer();
}
