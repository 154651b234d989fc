//! The suite on Cortex-M. Interrupts are foreign threads.
#![no_std]
#![no_main]

#[cfg_attr(board = "microbit", path = "microbit.rs")]
#[cfg_attr(board = "mps2_an385", path = "mps2_an385.rs")]
#[cfg_attr(board = "mps2_an521", path = "mps2_an521.rs")]
mod board;

use core::sync::atomic::{AtomicU32, Ordering};
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
    the_clock_goes_when_only_its_handler_asks();
    start()
}

/// How many interrupts there were before the kernel began.
static EARLY: AtomicU32 = AtomicU32::new(0);
const ENOUGH: u32 = 20;

/// Once in each period, that is, and always about where the counter begins.
fn the_clock_goes_when_only_its_handler_asks() {
    while EARLY.load(Ordering::Relaxed) < ENOUGH {
        core::hint::spin_loop();
    }
    if board::MACHINE.cores == 1 {
        let period = u64::from(board::MACHINE.frequency / 10_000);
        assert!(TURNS.ticks() >= u64::from(ENOUGH - 1) * period, "the clock has missed a wrap");
    }
}

#[exception]
fn SysTick() {
    if board::MACHINE.cores == 1 {
        TURNS.on_interrupt();
    }
    if EARLY.load(Ordering::Relaxed) < ENOUGH {
        // An exchange is more than a Cortex-M0 has, and nothing but this stores.
        EARLY.store(EARLY.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        return;
    }
    from_interrupt();
    extram_test_kernel::on_timer();
}
