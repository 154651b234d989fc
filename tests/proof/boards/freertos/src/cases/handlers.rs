//! Handlers that enter, that find no M, and that wake.

use super::{Ledger, LedgerPool, MS, POOL, all_spare};
use crate::device::{SILENT, every_interrupt, until};
use crate::kernel;
use crate::report::Report;
use core::ffi::c_void;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use extram_core::sync::AtomicU32 as Word;
use extram_core::{EnterError, Pool, Port as _, Slots, raw};
use extram_port_bare_metal::System as _;
use extram_port_freertos::{FreeRtos, Port};

/// Entries from the handler; of those while its task was inside; and those that found no M.
static ENTRIES: AtomicU32 = AtomicU32::new(0);
static ON_TOP: AtomicU32 = AtomicU32::new(0);
static REFUSED: AtomicU32 = AtomicU32::new(0);
/// Interrupts in which something was wrong.
static WRONG: AtomicU32 = AtomicU32::new(0);

fn enters() {
    let before = Port::thread_token();
    match POOL.enter_from_signal() {
        Ok(m) => {
            ENTRIES.fetch_add(1, SeqCst);
            // SAFETY: the M is not looked at.
            if unsafe { raw::inside(&POOL) }.is_some() {
                ON_TOP.fetch_add(1, SeqCst);
            }
            POOL.runtime().alone(&m, || ());
            drop(m);
        }
        Err(_) => _ = REFUSED.fetch_add(1, SeqCst),
    }
    // It is part of the task that it interrupted, until its end.
    let mut frame = 0_u8;
    let outside = Port::stack_bounds_in_signal((&raw mut frame).addr()).is_none();
    if Port::thread_token() != before || !Port::in_handler() || !outside {
        WRONG.fetch_add(1, SeqCst);
    }
}

/// Calls of the tasks that are interrupted.
static CALLS: AtomicU32 = AtomicU32::new(0);
static STOP: AtomicU32 = AtomicU32::new(0);

/// Of the same priority as who looks on: they take turns.
extern "C" fn calls(_: *mut c_void) {
    while STOP.load(SeqCst) == 0 {
        let inside = |m: &_| POOL.runtime().alone(m, || (0..50).for_each(|_| core::hint::spin_loop()));
        CALLS.fetch_add(POOL.callback(inside).is_ok().into(), SeqCst);
    }
    STOP.fetch_add(1, SeqCst);
    kernel::delete_me();
}

static SMALL_SLOTS: Slots<Ledger, 1> = Slots::new();
static SMALL: LedgerPool = Pool::with_slots(Ledger::new(), &SMALL_SLOTS).limit(1);

/// Both ways of entering are the handler's here, and come back at once.
fn is_refused() {
    let refused = |entered: Result<_, EnterError>| {
        matches!(entered.map(drop), Err(EnterError::WouldBlock | EnterError::Exhausted))
    };
    if !refused(SMALL.enter_from_signal()) || !refused(SMALL.enter()) {
        WRONG.fetch_add(1, SeqCst);
    }
}

/// How often the handler has woken the task below, and how often that has run since.
static WORD: Word = Word::new(0);
static RAN: AtomicUsize = AtomicUsize::new(0);

extern "C" fn is_woken(_: *mut c_void) {
    let mut seen = 0;
    while seen != END {
        while WORD.load(SeqCst) == seen {
            Port::wait(&WORD, seen, None);
        }
        seen = WORD.load(SeqCst);
        RAN.store(seen as usize, SeqCst);
    }
    kernel::delete_me();
}

/// In `WORD`: the task is to end.
const END: u32 = u32::MAX;

fn wakes() {
    WORD.fetch_add(1, SeqCst);
    Port::wake(&raw const WORD, 1);
}

pub(super) fn run(report: &mut Report) {
    let mut good = POOL.prewarm(MS).is_ok();
    for task in 0..2 {
        good &= !kernel::task(calls, task, 1).is_null();
    }
    good &= every_interrupt(1000, enters, || ());
    STOP.store(1, SeqCst);
    good &= until(|| STOP.load(SeqCst) == 3);
    let (entries, on_top, refused) = (ENTRIES.load(SeqCst), ON_TOP.load(SeqCst), REFUSED.load(SeqCst));
    let calls = CALLS.load(SeqCst);
    good &= on_top > 0 && on_top < entries && refused == 0 && calls > 0 && WRONG.load(SeqCst) == 0;
    report.case(
        good,
        format_args!("{entries} entries from a handler, {on_top} of them on top of one of {calls} calls, {refused} refused"),
    );

    let mut good = SMALL.start().is_ok();
    let m = SMALL.enter();
    good &= m.is_ok() && every_interrupt(50, is_refused, || ());
    drop(m);
    good &= WRONG.load(SeqCst) == 0 && all_spare(&SMALL) && SMALL.close().is_ok();
    report.case(good, format_args!("a handler that finds no M is refused at once, whichever way it enters"));

    let task = kernel::task(is_woken, 0, 3);
    let mut late = 0;
    let mut good = !task.is_null()
        && every_interrupt(500, wakes, || {
            // The task that was woken has run before this one, which was interrupted, goes on.
            let woken = WORD.load(SeqCst);
            late += u32::from(RAN.load(SeqCst) < woken as usize);
        });
    good &= late == 0 && RAN.load(SeqCst) >= 500;
    report.case(
        good,
        format_args!(
            "a task of higher priority that a handler wakes runs as soon as that ends; {late} times later"
        ),
    );

    SILENT.store(true, SeqCst);
    // Whether this task saw that the other one had not run, and for how many ticks.
    let (mut seen, mut ticks) = (false, 0);
    let begin = RAN.load(SeqCst);
    good = every_interrupt(100, wakes, || {
        let (woken, at) = (WORD.load(SeqCst), FreeRtos::ticks());
        loop {
            // Before the look: a tick that comes in between lets the other one run.
            let now = FreeRtos::ticks();
            if RAN.load(SeqCst) >= woken as usize {
                break;
            }
            (seen, ticks) = (true, ticks.max(now - at));
        }
    });
    SILENT.store(false, SeqCst);
    good &= seen && ticks == 0 && RAN.load(SeqCst) > begin;
    WORD.store(END, SeqCst);
    Port::wake(&raw const WORD, 1);
    report.case(
        good && RAN.load(SeqCst) == END as usize,
        format_args!("if the handler does not say that it ends, that task runs at the next tick"),
    );
}
