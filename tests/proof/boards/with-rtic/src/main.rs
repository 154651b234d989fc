//! extram with RTIC: `idle`, hardware tasks of three priorities and async tasks. Everybody calls in.
//! `cargo xtask test --executors` builds and runs it.
#![no_std]
#![no_main]
// What the macro writes.
#![allow(missing_docs, unreachable_pub, clippy::undocumented_unsafe_blocks)]

use cortex_m_rt as _;

/// RTIC counts priorities from 1, the lowest; 0 is `idle`.
#[rtic::app(device = mps2_an385, peripherals = false, dispatchers = [AUDIO, TOUCH])]
mod app {
    use mps2_an385::{Bell, Caller, POOL, TIMER_0, call, case};

    #[shared]
    struct Shared {
        /// Of `idle` and the task of priority 4: a lock keeps off all but the clock.
        total: u32,
    }

    #[local]
    struct Local {
        stack: usize,
    }

    static AFTER_TIMER_0: Bell = Bell::new();

    /// RTIC masks interrupts until it returns.
    #[init]
    fn init(_: init::Context) -> (Shared, Local) {
        let stack = mps2_an385::stack::begin();
        mps2_an385::before_interrupts();
        calls::spawn().unwrap();
        keeper::spawn().unwrap();
        (Shared { total: 0 }, Local { stack })
    }

    #[idle(shared = [total], local = [stack])]
    fn idle(mut context: idle::Context) -> ! {
        mps2_an385::storm_begins();
        while !mps2_an385::storm_is_over() {
            call(Caller::Thread);
        }
        mps2_an385::storm();
        let total = context.shared.total.lock(|total| *total);
        case(
            total == mps2_an385::calls_of(Caller::Timer1),
            format_args!("a resource that a task shares has {total} calls, too"),
        );
        let locked = context.shared.total.lock(|_| {
            let before = mps2_an385::calls_of(Caller::Timer1);
            rtic::pend(mps2_an385::Interrupt::TIMER1);
            let entered = POOL.try_enter().map(|m| POOL.runtime().note(&m)).is_ok();
            mps2_an385::counted(entered.into());
            (entered, before, mps2_an385::calls_of(Caller::Timer1))
        });
        case(
            locked.0 && locked.1 == locked.2 && mps2_an385::calls_of(Caller::Timer1) == locked.1 + 1,
            format_args!(
                "in a lock `try_enter` has an M, and the task that the lock keeps off calls after it"
            ),
        );
        mps2_an385::handlers();
        mps2_an385::nmi();
        mps2_an385::waiting();
        mps2_an385::stacks(*context.local.stack);
        mps2_an385::end()
    }

    #[task(binds = TIMER0, priority = 1)]
    fn timer_0(_: timer_0::Context) {
        TIMER_0.heard();
        if !mps2_an385::errand() {
            call(Caller::Timer0);
            AFTER_TIMER_0.ring();
        }
    }

    /// An async task calls between two awaits.
    #[task(priority = 2)]
    async fn calls(_: calls::Context) {
        loop {
            AFTER_TIMER_0.rung().await;
            call(Caller::Task);
        }
    }

    /// It may keep a guard over an await: RTIC does not ask for tasks that are `Send`.
    #[task(priority = 3)]
    async fn keeper(_: keeper::Context) {
        mps2_an385::keeps().await
    }

    #[task(binds = TIMER1, priority = 4, shared = [total])]
    fn timer_1(mut context: timer_1::Context) {
        mps2_an385::on_timer_1();
        context.shared.total.lock(|total| *total += 1);
    }

    #[task(binds = SysTick, priority = 5)]
    fn clock(_: clock::Context) {
        mps2_an385::on_tick();
        call(Caller::Clock);
    }
}
