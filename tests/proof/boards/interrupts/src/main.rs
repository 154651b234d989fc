//! Two Cortex-M33 and a small runtime. The first core calls it all the time, the timer interrupts that
//! a thousand times a second and calls it from the handler, and the second core calls it for every
//! sample that it takes. `cargo xtask interrupts` runs it; every quarter of a second it says how
//! far they are.
#![no_std]
#![no_main]

mod board;
mod stack_machine;

use board::Port;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use core::time::Duration;
use cortex_m_rt::{entry, exception};
use extram_core::{Pool, Port as _, Slots, Threads as _};
use extram_port_bare_metal::arch::cortex_m::SysTickClock;
use semihosting::println;
use stack_machine::Op::{Add, Divide, Get, Multiply, Number, Set, Subtract};
use stack_machine::Variable::{Celsius, Fahrenheit, Ticks};
use stack_machine::{Op, StackMachine};

/// Room for an M for each core, one for the handler, and the spare one.
const MS: usize = 4;
static SLOTS: Slots<StackMachine, MS> = Slots::new();
static POOL: Pool<StackMachine, Port> = Pool::with_slots(StackMachine::new(), &SLOTS);

/// For the timer: one more.
const TICK: &[Op] = &[Get(Ticks), Number(1), Add, Set(Ticks)];

/// For the first core: from one scale to the other.
const CONVERT: &[Op] =
    &[Get(Celsius), Number(9), Multiply, Number(5), Divide, Number(320), Add, Set(Fahrenheit)];

/// For the second core: the mean moves towards a sample.
const fn filter(sample: i32) -> [Op; 8] {
    [Number(sample), Get(Celsius), Subtract, Number(16), Divide, Get(Celsius), Add, Set(Celsius)]
}

/// The first core is inside.
static INSIDE: AtomicBool = AtomicBool::new(false);
/// Calls from the handler that found its core inside, that found it outside, and that found no M.
static ON_TOP: AtomicU32 = AtomicU32::new(0);
static ALONE: AtomicU32 = AtomicU32::new(0);
static REFUSED: AtomicU32 = AtomicU32::new(0);
/// Calls from the second core.
static SAMPLES: AtomicU32 = AtomicU32::new(0);
static STOP: AtomicBool = AtomicBool::new(false);

static TIMER: SysTickClock = SysTickClock::new(mps2_an521::FREQUENCY / 1000);

#[exception]
fn SysTick() {
    let counter = match POOL.enter_from_signal() {
        Ok(m) => {
            POOL.runtime().run(&m, TICK);
            if INSIDE.load(Relaxed) { &ON_TOP } else { &ALONE }
        }
        Err(_) => &REFUSED,
    };
    // Relaxed, here and below: figures for people.
    counter.fetch_add(1, Relaxed);
}

/// What the second core runs. The sensor goes from 200 to 231 and back.
extern "C" fn sample(_: *mut ()) {
    let mut reading = 0;
    while !STOP.load(Relaxed) {
        reading = (reading + 1) % 64;
        let sample = 200 + if reading < 32 { reading } else { 63 - reading };
        if POOL.callback(|m| POOL.runtime().run(m, &filter(sample))).is_ok() {
            SAMPLES.fetch_add(1, Relaxed);
        }
    }
}

/// One decimal.
fn degrees(tenths: i32) -> (i32, i32) {
    (tenths / 10, tenths % 10)
}

fn now() -> Duration {
    Port::now().unwrap_or_default()
}

#[entry]
fn main() -> ! {
    mps2_an521::start_clock();
    // All of them now, so that the handler, which makes none, finds one.
    let started = POOL.start().is_ok() && POOL.prewarm(MS as u32).is_ok();
    println!(
        "the first core calls all the time, its timer a thousand times a second, the second core for every sample"
    );
    let second = Port::newosproc(sample, core::ptr::null_mut(), 0);
    TIMER.start();
    let mut calls = 0;
    for quarter in 1..=8 {
        while now() < Duration::from_millis(250 * quarter) {
            // Several times, so that many interrupts come in the middle of a call.
            let convert = |m: &_| {
                INSIDE.store(true, Relaxed);
                (0..16).for_each(|_| POOL.runtime().run(m, CONVERT));
                INSIDE.store(false, Relaxed);
            };
            calls += POOL.callback(convert).is_ok() as u32;
        }
        let variable = |variable| POOL.runtime().variable(variable);
        let (celsius, fahrenheit) = (degrees(variable(Celsius)), degrees(variable(Fahrenheit)));
        println!(
            "{:4} ms: {} calls of the first core, {} of its timer ({} of them in the middle of one), {} samples; {}.{} °C, {}.{} °F; {} Ms",
            250 * quarter,
            calls,
            variable(Ticks),
            ON_TOP.load(Relaxed),
            SAMPLES.load(Relaxed),
            celsius.0,
            celsius.1,
            fahrenheit.0,
            fahrenheit.1,
            POOL.stats().created,
        );
    }
    STOP.store(true, Relaxed);
    if let Ok(second) = second {
        Port::join(second);
    }
    let (on_top, alone) = (ON_TOP.load(Relaxed), ALONE.load(Relaxed));
    let all_called = on_top > 0 && alone > 0 && calls > 0 && SAMPLES.load(Relaxed) > 0;
    // There is an M for each core and one for the handler, so the handler is never turned away, and no tick is lost.
    let whole = POOL.runtime().variable(Ticks) as u32 == on_top + alone && REFUSED.load(Relaxed) == 0;
    let good = started && all_called && whole && POOL.close().is_ok();
    println!("{}", if good { "done" } else { "something is wrong" });
    semihosting::process::exit(if good { 0 } else { 1 })
}

#[panic_handler]
fn panicked(info: &core::panic::PanicInfo<'_>) -> ! {
    println!("{info}");
    semihosting::process::exit(2)
}
