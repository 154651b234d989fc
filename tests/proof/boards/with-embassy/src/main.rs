//! extram with embassy: an executor in thread mode, two in interrupt handlers, and handlers beside them. Everybody
//! calls in. `cargo xtask test --executors` builds and runs it.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use cortex_m::peripheral::NVIC;
use cortex_m_rt::{entry, exception};
use embassy_executor::{Executor, InterruptExecutor};
use extram_core::EnterError;
use mps2_an385::{
    Bell, Caller, Interrupt, NVIC_PRIO_BITS, POOL, SMALL, TIMER_0, TIMER_1, call, case, interrupt, turn,
};

/// The executors of tasks that run in handlers: of the lowest priority, and of a higher one.
static LOW: InterruptExecutor = InterruptExecutor::new();
static HIGH: InterruptExecutor = InterruptExecutor::new();

#[interrupt]
fn AUDIO() {
    // SAFETY: the handler of the interrupt that `LOW` is started with; it comes when it is started.
    unsafe { LOW.on_interrupt() }
}

#[interrupt]
fn TOUCH() {
    // SAFETY: as above.
    unsafe { HIGH.on_interrupt() }
}

/// For the tasks in handlers: a timer's handler has been.
static AFTER_TIMER_0: Bell = Bell::new();
static AFTER_TIMER_1: Bell = Bell::new();

#[interrupt]
fn TIMER0() {
    TIMER_0.heard();
    if !mps2_an385::errand() {
        call(Caller::Timer0);
        AFTER_TIMER_0.ring();
    }
}

#[interrupt]
fn TIMER1() {
    mps2_an385::on_timer_1();
    AFTER_TIMER_1.ring();
}

#[exception]
fn SysTick() {
    mps2_an385::on_tick();
    call(Caller::Clock);
}

/// Tasks in handlers call between two awaits.
#[embassy_executor::task(pool_size = 2)]
async fn calls_when(bell: &'static Bell) {
    loop {
        bell.rung().await;
        call(Caller::Task);
    }
}

/// Keeps a guard over an await. It may: only its arguments are sent to the handler, and it has none.
#[embassy_executor::task]
async fn keeper() {
    mps2_an385::keeps().await
}

/// Of thread mode, beside `cases`.
#[embassy_executor::task]
async fn calls_in_turn() {
    while !NESTS.load(SeqCst) {
        call(Caller::Thread);
        turn().await;
    }
    let nested = POOL.callback(|m| {
        POOL.runtime().note(m);
        m.id() == KEPT_IN_THREAD.load(SeqCst) && m.depth() == 2
    });
    NESTED.store(nested == Ok(true), SeqCst);
}

/// The M that `cases` keeps over an await; and what the other task found then.
static NESTS: AtomicBool = AtomicBool::new(false);
static KEPT_IN_THREAD: AtomicU32 = AtomicU32::new(0);
static NESTED: AtomicBool = AtomicBool::new(false);

async fn nesting() {
    let Ok(m) = POOL.enter() else { return case(false, format_args!("an M in thread mode")) };
    KEPT_IN_THREAD.store(m.id(), SeqCst);
    NESTS.store(true, SeqCst);
    turn().await;
    turn().await;
    POOL.runtime().note(&m);
    mps2_an385::counted(2);
    case(
        NESTED.load(SeqCst),
        format_args!(
            "tasks of one executor in thread mode are one thread: a call of the second is nested in that which the first keeps over an `await`"
        ),
    );
}

/// Tries, and lets the other tasks have their turns.
async fn trying() {
    mps2_an385::keeps_until_timer_1();
    let mut turns = 0;
    let entered = loop {
        match SMALL.try_enter() {
            Err(EnterError::WouldBlock | EnterError::Exhausted) => {
                turns += 1;
                turn().await;
            }
            other => break other.map(|m| SMALL.runtime().note(&m)),
        }
    };
    TIMER_1.stop();
    mps2_an385::counted(entered.is_ok().into());
    case(
        entered.is_ok() && turns > 0,
        format_args!(
            "a task that tries, and lets others have their turns while the M is kept, has it in the end"
        ),
    );
}

#[embassy_executor::task]
async fn cases(stack: usize) {
    mps2_an385::storm_begins();
    while !mps2_an385::storm_is_over() {
        call(Caller::Thread);
        turn().await;
    }
    mps2_an385::storm();
    nesting().await;
    mps2_an385::handlers();
    mps2_an385::nmi();
    mps2_an385::waiting();
    trying().await;
    mps2_an385::stacks(stack);
    mps2_an385::end()
}

/// A priority as the processor has it: 0 is the highest, and the clock's.
fn priority(interrupt: Interrupt, priority: u8) {
    // SAFETY: before it is unmasked, and no critical section rests on priorities.
    unsafe {
        let mut nvic = cortex_m::Peripherals::steal().NVIC;
        nvic.set_priority(interrupt, priority << (8 - NVIC_PRIO_BITS));
    }
}

#[entry]
fn main() -> ! {
    let stack = mps2_an385::stack::begin();
    mps2_an385::before_interrupts();

    priority(Interrupt::TIMER0, 5);
    priority(Interrupt::AUDIO, 5);
    priority(Interrupt::TOUCH, 4);
    priority(Interrupt::TIMER1, 3);
    // SAFETY: everything that their handlers call is there.
    unsafe {
        NVIC::unmask(Interrupt::TIMER0);
        NVIC::unmask(Interrupt::TIMER1);
    }
    LOW.start(Interrupt::AUDIO).spawn(calls_when(&AFTER_TIMER_0).unwrap());
    let high = HIGH.start(Interrupt::TOUCH);
    high.spawn(calls_when(&AFTER_TIMER_1).unwrap());
    high.spawn(keeper().unwrap());
    #[cfg(feature = "sent")]
    high.spawn(leaves(POOL.enter().unwrap()).unwrap());

    let mut executor = Executor::new();
    // SAFETY: `main` does not return, and has no other use for it.
    let executor: &'static mut Executor = unsafe { &mut *core::ptr::from_mut(&mut executor) };
    executor.run(|thread| {
        thread.spawn(calls_in_turn().unwrap());
        thread.spawn(cases(stack).unwrap());
    })
}

/// A guard of thread mode cannot be sent to a handler.
#[cfg(feature = "sent")]
#[embassy_executor::task]
async fn leaves(m: extram_core::Entered<mps2_an385::Ledger, mps2_an385::Port>) {
    drop(m);
}

/// What is lent to a closure cannot be kept: there is no await in it.
#[cfg(feature = "awaits")]
#[embassy_executor::task]
async fn awaits_within() {
    let _ = POOL.callback(|m| {
        turn().await;
        POOL.runtime().note(m);
    });
}
