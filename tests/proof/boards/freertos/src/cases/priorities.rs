//! Tasks of fixed priorities on one pool.

use super::{Ledger, LedgerPool};
use crate::device::{delay, until};
use crate::kernel::{self, board_priority};
use crate::report::Report;
use core::ffi::c_void;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use core::time::Duration;
use extram_core::{EnterError, Pool, Port as _, Slots};
use extram_port_freertos::Port;

static ONE_SLOT: Slots<Ledger, 1> = Slots::new();
/// With the one M that all want.
static ONE: LedgerPool = Pool::with_slots(Ledger::new(), &ONE_SLOT);
static SLOTS: Slots<Ledger, 8> = Slots::new();
/// With Ms that are made and dropped all the time.
static BUSY: LedgerPool = Pool::with_slots(Ledger::new(), &SLOTS);

/// Who was served, in turn: the digits of a number.
static SERVED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn waits(priority: *mut c_void) {
    // Inside: when it leaves, the next one may run first.
    let sign = |_: &_| {
        let _ = SERVED.fetch_update(SeqCst, SeqCst, |served| Some(served * 10 + priority.addr()));
    };
    let _ = ONE.callback(sign);
    kernel::delete_me();
}

/// After how many microseconds.
static GAVE_UP: AtomicUsize = AtomicUsize::new(0);

extern "C" fn gives_up(_: *mut c_void) {
    let begin = Port::now().unwrap_or_default();
    let answer = ONE.enter_timeout(Duration::from_millis(5)).map(drop);
    let waited = Port::now().unwrap_or_default() - begin;
    if matches!(answer, Err(EnterError::TimedOut)) {
        GAVE_UP.store(waited.as_micros() as usize, SeqCst);
    }
    kernel::delete_me();
}

fn makes_and_drops() {
    let _ = BUSY.prewarm(6);
    BUSY.trim(0);
    let _ = BUSY.callback(|_| ());
}

static LOW: AtomicU32 = AtomicU32::new(0);
static HIGH: AtomicU32 = AtomicU32::new(0);
static STOP: AtomicU32 = AtomicU32::new(0);

extern "C" fn low(_: *mut c_void) {
    while STOP.load(SeqCst) == 0 {
        makes_and_drops();
        LOW.fetch_add(1, SeqCst);
    }
    STOP.fetch_add(1, SeqCst);
    kernel::delete_me();
}

extern "C" fn high(_: *mut c_void) {
    while STOP.load(SeqCst) == 0 {
        delay(1);
        makes_and_drops();
        HIGH.fetch_add(1, SeqCst);
    }
    STOP.fetch_add(1, SeqCst);
    kernel::delete_me();
}

pub(super) fn run(report: &mut Report) {
    let mut good = ONE.start().is_ok();
    let m = ONE.enter();
    good &= m.is_ok();
    // Those above this task's own priority wait at once; the first who comes is not the first to be served.
    for priority in [2, 4, 3, 4] {
        good &= !kernel::task(waits, priority, priority as u32).is_null();
    }
    good &= ONE.stats().waiting == 4;
    drop(m);
    good &= until(|| SERVED.load(SeqCst) >= 1000);
    let served = SERVED.load(SeqCst);
    report.case(
        good && served == 4432,
        format_args!("tasks that wait for an M are served by priority, whoever came first: {served}"),
    );

    let m = ONE.enter();
    let task = kernel::task(gives_up, 0, 3);
    let good = !task.is_null() && until(|| GAVE_UP.load(SeqCst) != 0);
    drop(m);
    let waited = GAVE_UP.load(SeqCst);
    report.case(
        good && waited >= 5_000 && ONE.callback(|_| ()).is_ok(),
        format_args!("a task that waits for 5 ms gives up after {waited} µs"),
    );

    let m = ONE.enter();
    let task = kernel::task(waits, 3, 3);
    let waiting = ONE.stats().waiting;
    kernel::delete(task);
    drop(m);
    let served = ONE.enter_timeout(Duration::from_millis(100)).is_ok();
    report.case(
        waiting == 1 && served && SERVED.load(SeqCst) == 4432 && ONE.close().is_err(),
        format_args!(
            "a task is deleted while it waits for an M, and the next one gets that; the pool does not close"
        ),
    );

    // SAFETY: this task's own priority: above both.
    unsafe { board_priority(4) };
    let mut good = BUSY.start().is_ok();
    good &= !kernel::task(low, 0, 1).is_null() && !kernel::task(high, 0, 3).is_null();
    let mut before = (0, 0);
    for _ in 0..5 {
        delay(50);
        let now = || (LOW.load(SeqCst), HIGH.load(SeqCst));
        good &= until(|| now().0 > before.0 && now().1 > before.1);
        before = now();
    }
    // SAFETY: as it was.
    unsafe { board_priority(1) };
    STOP.store(1, SeqCst);
    good &= until(|| STOP.load(SeqCst) == 3);
    report.case(
        good && BUSY.close().is_ok(),
        format_args!(
            "tasks of two priorities make and drop Ms, {} and {} times, and neither stops the other",
            before.0, before.1
        ),
    );
}
