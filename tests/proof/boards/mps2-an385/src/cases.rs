//! Cases that are the same whoever calls the handlers.

use crate::bell::Bell;
use crate::board::{CLOCK, SLEPT, TOLD_IN_HANDLER};
use crate::calls::{
    Caller, LedgerPool, MOST_INSIDE, MS, POOL, REFUSED, SMALL, all_calls, call, calls_of, counted, in_handler,
};
use crate::device::{Interrupt, TIMER_0, TIMER_1};
use crate::ledger::{Ledger, on_pages};
use crate::report::{case, close};
use crate::stack;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use core::time::Duration;
use cortex_m::peripheral::{NVIC, SCB};
use cortex_m_rt::exception;
use extram_core::{Busy, EnterError, Pool, Slots};
use extram_port_bare_metal::arch::cortex_m::{is_masked, masked};

/// Before interrupts come: the pools start, and the Ms are made.
pub fn before_interrupts() {
    let mut good = POOL.start().is_ok() && SMALL.start().is_ok();
    if cfg!(not(feature = "unprepared")) {
        good &= POOL.prewarm(MS).is_ok() && POOL.stats().spare == MS;
    }
    case(good, format_args!("{} Ms are made before interrupts come", POOL.runtime().made.load(SeqCst)));
}

/// Calls of each timer's handler in the storm.
const CALLS: u32 = 1_000;

/// Both timers interrupt, each at a pace of its own.
pub fn storm_begins() {
    CLOCK.start();
    TIMER_0.every(13_007);
    TIMER_1.every(9_011);
}

/// Whether enough of them came. If so, no more of them come.
pub fn storm_is_over() -> bool {
    let over =
        calls_of(Caller::Timer0).min(calls_of(Caller::Timer1)) >= CALLS || REFUSED.load(SeqCst) >= CALLS;
    if over {
        TIMER_0.stop();
        TIMER_1.stop();
    }
    over
}

/// What `TIMER1`'s handler does.
pub fn on_timer_1() {
    TIMER_1.heard();
    call(Caller::Timer1);
    if GIVES.swap(false, SeqCst) {
        GIVE.ring();
    }
}

/// What came of the storm.
pub fn storm() {
    let [thread, timer_0, task, timer_1, clock] =
        [Caller::Thread, Caller::Timer0, Caller::Task, Caller::Timer1, Caller::Clock].map(calls_of);
    let (refused, most) = (REFUSED.load(SeqCst), MOST_INSIDE.load(SeqCst));
    let all = thread.min(timer_0).min(task).min(timer_1).min(clock) > 0;
    case(
        all && refused == 0 && most >= 3,
        format_args!(
            "{thread} calls from thread mode, {timer_0}, {timer_1} and {clock} from three handlers, {task} from tasks in handlers; {most} inside at once, {refused} refused"
        ),
    );
    one_for_each("in all these calls");
}

/// No M was made since interrupts came, and none was in two hands.
fn one_for_each(when: &str) {
    let ledger = POOL.runtime();
    let [made, in_handler, double] =
        [&ledger.made, &ledger.made_in_handler, &ledger.double].map(|figure| figure.load(SeqCst));
    case(
        made == MS && in_handler == 0 && double == 0,
        format_args!("{when}: {made} Ms made, {in_handler} of them in a handler, {double} in two hands"),
    );
}

static WRONG: AtomicU32 = AtomicU32::new(0);

fn check(good: bool) {
    WRONG.fetch_add((!good).into(), SeqCst);
}

fn nothing_was_wrong() -> bool {
    WRONG.swap(0, SeqCst) == 0
}

/// A handler that finds no M, a handler that enters twice, and one that comes in a critical section.
pub fn handlers() {
    let refused = || {
        let is = |error| matches!(error, Err(EnterError::WouldBlock | EnterError::Exhausted));
        check(is(SMALL.enter_from_signal().map(drop)));
        check(is(SMALL.enter().map(drop)));
        check(is(SMALL.callback(|_| ())));
        check(is(SMALL.enter_timeout(Duration::from_secs(1)).map(drop)));
        check(SMALL.stats().waiting == 0);
    };
    let inside = SMALL.callback(|m| {
        in_handler(refused);
        SMALL.runtime().note(m);
    });
    counted(inside.is_ok().into());
    case(
        inside.is_ok() && nothing_was_wrong(),
        format_args!("a handler that finds no M is refused at once, whichever way it enters"),
    );

    let in_thread = POOL.callback(|outer| {
        POOL.runtime().note(outer);
        POOL.callback(|inner| {
            POOL.runtime().note(inner);
            inner.id() == outer.id() && inner.depth() == 2
        })
    });
    counted(2);
    in_handler(|| {
        let entered = POOL.callback(|outer| {
            POOL.runtime().note(outer);
            POOL.callback(|inner| {
                POOL.runtime().note(inner);
                inner.id() != outer.id() && (inner.depth(), outer.depth()) == (1, 1)
            })
        });
        counted(2);
        check(entered == Ok(Ok(true)));
    });
    case(
        in_thread == Ok(Ok(true)) && nothing_was_wrong(),
        format_args!("a call within a call has the same M in thread mode, and another one in a handler"),
    );

    let before = calls_of(Caller::Timer0);
    let entered = critical_section::with(|_| {
        NVIC::pend(Interrupt::TIMER0);
        let entered = POOL.try_enter().map(|m| POOL.runtime().note(&m)).is_ok();
        entered && calls_of(Caller::Timer0) == before
    });
    counted(entered.into());
    case(
        entered && calls_of(Caller::Timer0) == before + 1,
        format_args!("in a critical section `try_enter` has an M, and a handler's call comes after it"),
    );
}

static NMIS: AtomicU32 = AtomicU32::new(0);

/// Calls as every handler does, but where interrupts are masked leaves that to one.
#[exception]
unsafe fn NonMaskableInt() {
    NMIS.fetch_add(1, SeqCst);
    if is_masked() {
        NVIC::pend(Interrupt::TIMER0);
    } else {
        call(Caller::Other);
    }
}

fn pend_nmi() {
    const NMIPENDSET: u32 = 1 << 31;
    // SAFETY: one bit, which makes the interrupt pending.
    unsafe { (*SCB::PTR).icsr.write(NMIPENDSET) };
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}

/// The non-maskable interrupt comes where every other one is kept off.
pub fn nmi() {
    let before = (NMIS.load(SeqCst), calls_of(Caller::Other));
    let inside = POOL.callback(|m| {
        POOL.runtime().note(m);
        pend_nmi();
        calls_of(Caller::Other) - before.1
    });
    counted(inside.is_ok().into());
    case(
        inside == Ok(1) && NMIS.load(SeqCst) == before.0 + 1,
        format_args!(
            "a non-maskable interrupt calls in, with an M of its own, where interrupts are not masked"
        ),
    );
    let before = (NMIS.load(SeqCst), calls_of(Caller::Timer0));
    let (came, called) = masked(|| {
        pend_nmi();
        (NMIS.load(SeqCst) - before.0, calls_of(Caller::Timer0) - before.1)
    });
    let after = calls_of(Caller::Timer0) - before.1;
    case(
        (came, called, after) == (1, 0, 1),
        format_args!(
            "a non-maskable interrupt comes within `brief`; the handler that it pends calls in afterwards"
        ),
    );
}

/// For the task below: it is to enter, and it is to leave.
static TAKE: Bell = Bell::new();
static GIVE: Bell = Bell::new();
/// The next interrupt of `TIMER1` rings `GIVE`.
static GIVES: AtomicBool = AtomicBool::new(false);
/// The M that it keeps, or 0.
static KEPT: AtomicU32 = AtomicU32::new(0);

/// A task that keeps a guard over an `await`. Run by handlers it leaves them with the guard alive.
pub async fn keeps() -> ! {
    loop {
        TAKE.rung().await;
        let Ok(m) = SMALL.enter() else {
            check(false);
            continue;
        };
        SMALL.runtime().take(&m);
        KEPT.store(m.id(), SeqCst);
        GIVE.rung().await;
        SMALL.runtime().give(&m);
        counted(1);
        KEPT.store(0, SeqCst);
        drop(m);
    }
}

/// That task takes the only M, and gives it back when `TIMER1` interrupts, 10 ms from now.
pub fn keeps_until_timer_1() {
    TAKE.ring();
    GIVES.store(true, SeqCst);
    TIMER_1.every(250_000);
}

/// The only M is kept, and given back by a handler while the thread waits for it.
pub fn waiting() {
    TAKE.ring();
    let (kept, stats) = (KEPT.load(SeqCst), SMALL.stats());
    let refused = matches!(SMALL.try_enter().map(drop), Err(EnterError::WouldBlock | EnterError::Exhausted));
    let busy = SMALL.close() == Err(Busy) && SMALL.reopen().is_ok();
    case(
        kept != 0 && (stats.in_use, stats.spare) == (1, 0) && refused && busy && nothing_was_wrong(),
        format_args!(
            "a guard that a task keeps over an `await` outlives its handler: its M is nobody else's, and `close` says so"
        ),
    );

    let limited = SMALL.enter_timeout(Duration::from_millis(3)).map(drop) == Err(EnterError::TimedOut);
    case(
        limited && KEPT.load(SeqCst) == kept,
        format_args!("who waits with a limit while the M is kept gets out by the clock"),
    );

    let before = [&TOLD_IN_HANDLER, &SLEPT].map(|figure| figure.load(SeqCst));
    GIVES.store(true, SeqCst);
    TIMER_1.every(250_000);
    let entered = SMALL.callback(|m| {
        SMALL.runtime().take(m);
        SMALL.runtime().give(m);
        m.id() == kept && KEPT.load(SeqCst) == 0
    });
    TIMER_1.stop();
    counted(entered.is_ok().into());
    let told = TOLD_IN_HANDLER.load(SeqCst) - before[0];
    let slept = SLEPT.load(SeqCst) - before[1];
    case(
        entered == Ok(true) && told == 1 && slept > 0 && nothing_was_wrong(),
        format_args!("the thread waits for that M, asleep, and a handler wakes it: {told} wake-up"),
    );
}

static FRESH_SLOTS: Slots<Ledger, 4> = Slots::new();
static FRESH: LedgerPool = Pool::with_slots(Ledger::new(), &FRESH_SLOTS);

/// Bytes of stack that a call may take: what the pages about this say.
const MOST_STACK: u32 = 512;
/// And all of it, with handlers inside one another, and what tells about it.
const MOST_STACK_OF_ALL: usize = 4 * 1024;
static IN_HANDLER: AtomicU32 = AtomicU32::new(0);

/// What a call takes of the stack, beside the runtime's own functions.
pub fn stacks(begun: usize) {
    let (whole, most) = (stack::whole(begun), MOST_INSIDE.load(SeqCst));
    case(
        (1..=MOST_STACK_OF_ALL).contains(&whole),
        format_args!(
            "so far the program took {whole} bytes of stack, with handlers and {most} calls inside at once"
        ),
    );
    let mut good = FRESH.start().is_ok();
    let mut count = |entered: Result<(), EnterError>| good &= entered.is_ok();
    let making = stack::taken(|| count(FRESH.callback(|_| ())));
    let mut again = stack::taken(|| count(FRESH.callback(|_| ())));
    POOL.unbind();
    again = again.max(stack::taken(|| count(POOL.callback(|_| ()))));
    in_handler(|| {
        IN_HANDLER.store(stack::taken(|| check(POOL.callback(|_| ()).is_ok())), SeqCst);
    });
    let in_handler = IN_HANDLER.load(SeqCst);
    good &= FRESH.runtime().made.load(SeqCst) == 2 && FRESH.unbind() && FRESH.close().is_ok();
    good &= nothing_was_wrong()
        && [making, again, in_handler].iter().all(|&taken| (1..=MOST_STACK).contains(&taken));
    case(
        good,
        format_args!(
            "a call takes {again} bytes of the stack, with making an M {making}; in a handler {in_handler}"
        ),
    );
}

/// Everything is home, the pools close, and no call is missing. Ends the program.
pub fn end() -> ! {
    one_for_each("at the end");
    POOL.unbind();
    SMALL.unbind();
    let home = [&POOL, &SMALL].iter().all(|pool| {
        let stats = pool.stats();
        stats.spare == stats.created && stats.in_use + stats.bound_idle + stats.waiting == 0
    });
    // The clock's handler calls on; what it calls now is refused.
    let closed = POOL.close().is_ok() && SMALL.close().is_ok();
    let (calls, on_pages) = (all_calls(), on_pages());
    case(
        home && closed && calls == on_pages,
        format_args!("every M is home, both pools close, and of {calls} calls {on_pages} are on the pages"),
    );
    close()
}
