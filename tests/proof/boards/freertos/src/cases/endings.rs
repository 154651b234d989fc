//! Tasks and how they end: never, by themselves, by another's hand; outside, with an M, inside.

use super::{Ledger, LedgerPool, POOL, all_spare};
use crate::device::{delay, until};
use crate::kernel::{self, board_calls_from_c, board_set_word, board_stack_left, board_word};
use crate::report::Report;
use core::ffi::c_void;
use core::ptr::without_provenance_mut;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use extram_core::{Binding, Pool, Port as _, Slots, raw};
use extram_port_freertos::{Port, exit, keep_ms};

/// Tasks one after another in each case: more than there are Ms.
const TASKS: u32 = 20;
/// Above the priority of who looks on.
const PRIORITY: u32 = 2;

/// Tasks that found everything as it should be.
static GOOD: AtomicU32 = AtomicU32::new(0);

/// Runs so many tasks one after another; whether all found everything right.
fn each(count: u32, body: extern "C" fn(*mut c_void)) -> bool {
    GOOD.store(0, SeqCst);
    for task in 1..=count {
        if kernel::task(body, task as usize, PRIORITY).is_null() {
            return false;
        }
        // The idle task frees what is left of it.
        delay(3);
    }
    GOOD.load(SeqCst) == count
}

/// Counts a task whose M between two calls is as `kept` says, and the same in both.
fn two_calls(kept: bool) {
    let idle = POOL.stats().bound_idle;
    let first = POOL.callback(|m| m.id()).unwrap_or(0);
    let keeps = POOL.stats().bound_idle == idle + 1;
    let second = POOL.callback(|m| m.id()).unwrap_or(0);
    if keeps == kept && first != 0 && (first == second || !kept) {
        GOOD.fetch_add(1, SeqCst);
    }
}

extern "C" fn keeps_and_ends(_: *mut c_void) {
    // SAFETY: it exits below. With the feature `broken` it is a lie.
    unsafe { keep_ms() };
    two_calls(true);
    if !cfg!(feature = "broken") {
        exit();
    }
    kernel::delete_me();
}

extern "C" fn ends_inside(number: *mut c_void) {
    if number.addr().is_multiple_of(2) {
        // SAFETY: it exits below.
        unsafe { keep_ms() };
    }
    if let Ok(m) = POOL.enter() {
        // SAFETY: the M is not looked at. It is left by the exit hook; a guard that is leaked would keep it.
        unsafe { raw::keep(&POOL, m) };
        GOOD.fetch_add(1, SeqCst);
    }
    exit();
    kernel::delete_me();
}

/// The M of the task that never ends, and its calls that had another one.
static ITS_M: AtomicU32 = AtomicU32::new(0);
static OTHER_M: AtomicU32 = AtomicU32::new(0);
static CALLS: AtomicU32 = AtomicU32::new(0);

extern "C" fn never_ends(_: *mut c_void) {
    // SAFETY: it never ends.
    unsafe { keep_ms() };
    loop {
        let m = POOL.callback(|m| m.id()).unwrap_or(0);
        if ITS_M.swap(m, SeqCst) != m {
            OTHER_M.fetch_add(1, SeqCst);
        }
        CALLS.fetch_add(1, SeqCst);
        delay(2);
    }
}

extern "C" fn waits_outside(_: *mut c_void) {
    two_calls(false);
    delay(u32::MAX);
}

static LOST_SLOTS: Slots<Ledger, 4> = Slots::new();
static LOST: LedgerPool = Pool::with_slots(Ledger::new(), &LOST_SLOTS).binding(Binding::Call);

extern "C" fn waits_inside(_: *mut c_void) {
    let m = LOST.enter();
    GOOD.fetch_add(m.is_ok().into(), SeqCst);
    delay(u32::MAX);
    drop(m);
}

/// Bytes of a task's stack that a first call took, and one that makes an M.
static TAKEN: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

extern "C" fn measures(_: *mut c_void) {
    // SAFETY: asked by a task.
    let left = || unsafe { board_stack_left() } as usize;
    let before = left();
    let called = LOST.callback(|_| ()).is_ok();
    TAKEN[0].store(before - left(), SeqCst);
    let made = LOST.prewarm(3).is_ok();
    TAKEN[1].store(before - left(), SeqCst);
    GOOD.fetch_add((called && made).into(), SeqCst);
    kernel::delete_me();
}

extern "C" fn looks_at_itself(number: *mut c_void) {
    let here = core::ptr::from_ref(&number).addr();
    let stack = Port::stack_bounds(here).unwrap_or(0..0);
    let elsewhere = Port::stack_bounds(core::ptr::from_ref(&GOOD).addr());
    // The program's own pointers are beside the port's.
    // SAFETY: called by the task itself.
    unsafe { board_set_word(0, number) };
    // SAFETY: as above.
    unsafe { board_set_word(1, without_provenance_mut(number.addr() * 3)) };
    // SAFETY: as above.
    unsafe { keep_ms() };
    let called = POOL.callback(|_| ()).is_ok() && POOL.callback(|_| ()).is_ok();
    exit();
    // SAFETY: as above.
    let words = unsafe { (board_word(0), board_word(1).addr()) };
    let own = words == (number, number.addr() * 3);
    // SAFETY: as above.
    let handle = unsafe { kernel::board_current() }.addr() as u64;
    let size = 1024 * size_of::<usize>();
    let whole = stack.contains(&here) && stack.len() <= size && stack.len() > size - 64;
    if own && called && whole && elsewhere.is_none() && Port::thread_id() == handle {
        GOOD.fetch_add(1, SeqCst);
    }
    kernel::delete_me();
}

pub(super) fn run(report: &mut Report) {
    let mut calls = 0;
    for _ in 0..TASKS {
        // SAFETY: called by a task.
        calls += unsafe { board_calls_from_c() } as u32;
    }
    report.case(
        calls == 3 * TASKS && all_spare(&POOL),
        format_args!(
            "{TASKS} tasks of a C library call {calls} times and end without a word, and no M is missing"
        ),
    );

    let good = each(TASKS, keeps_and_ends);
    report.case(
        good && all_spare(&POOL),
        format_args!("{TASKS} tasks keep their M between calls and give it back by the exit hook"),
    );
    if cfg!(feature = "broken") {
        return;
    }
    let good = each(TASKS, ends_inside);
    report.case(
        good && all_spare(&POOL),
        format_args!("{TASKS} tasks end inside a call, and their Ms come back by the exit hook"),
    );

    let task = kernel::task(never_ends, 0, PRIORITY);
    let good = !task.is_null() && each(TASKS, keeps_and_ends) && until(|| CALLS.load(SeqCst) > TASKS);
    let (calls, other) = (CALLS.load(SeqCst), OTHER_M.load(SeqCst));
    let stats = POOL.stats();
    report.case(
        good && calls > TASKS && other == 1 && stats.spare + stats.bound_idle == stats.created,
        format_args!("a task that never ends has the same M in {calls} calls, without a hook"),
    );

    let kept = POOL.stats();
    GOOD.store(0, SeqCst);
    for _ in 0..TASKS {
        let task = kernel::task(waits_outside, 0, PRIORITY);
        delay(3);
        kernel::delete(task);
    }
    report.case(
        GOOD.load(SeqCst) == TASKS && POOL.stats() == kept,
        format_args!("{TASKS} tasks that promised nothing are deleted by another one, and no M is missing"),
    );

    let started = LOST.start().is_ok();
    let good = each(1, measures);
    let taken = [TAKEN[0].load(SeqCst), TAKEN[1].load(SeqCst)];
    report.case(
        started && good && taken[1] > 0 && taken[1] <= 1024,
        format_args!(
            "a first call takes {} bytes of its task's stack, with making Ms {}",
            taken[0], taken[1]
        ),
    );
    GOOD.store(0, SeqCst);
    let task = kernel::task(waits_inside, 0, PRIORITY);
    kernel::delete(task);
    let stats = LOST.stats();
    let served = LOST.callback(|_| ()).is_ok();
    report.case(
        GOOD.load(SeqCst) == 1 && served && stats.in_use == 1 && LOST.close().is_err(),
        format_args!("a task that is deleted by another one inside a call costs its M, and no other's"),
    );

    let good = each(TASKS, looks_at_itself);
    report.case(
        good,
        format_args!(
            "{TASKS} tasks find their own stack and handle, and the program's own thread-local pointers"
        ),
    );
}
