//! Trimming: against threads that take, and against threads that wait for the slot.

use crate::count::Era;
use crate::list::{Taken, Waited};
use crate::m::{LAST, Stage};
use crate::models::pool::{ModelPool, SharedPool, two_that_stay, work};
use crate::models::port::{Shared, set_clock, spawn};
use crate::models::{explore, model, model_loads};
use crate::sync::watched::interrupt;
use crate::{Binding, EnterError};
use core::cell::{Cell, RefCell};
use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::vec::Vec;

/// Edge: trim x enter/leave.
#[test]
fn no_context_is_used_after_trim_dropped_it() {
    model(3, || {
        let pool = ModelPool::<false>::new(Binding::Call, 2);
        let shared = pool.get();
        shared.prewarm(2).unwrap();
        let other = spawn(move || shared.callback(work).unwrap());
        let dropped = shared.trim(1);
        other.join().unwrap();
        assert!(dropped <= 1, "{dropped} dropped");
        assert!(shared.stats().spare >= 1);
        pool.end_at_rest();
    });
}

/// Edge: trim x trim.
#[test]
fn two_trims_leave_what_both_of_them_keep() {
    model(2, || {
        let pool = ModelPool::<false>::new(Binding::Call, 3);
        let shared = pool.get();
        shared.prewarm(3).unwrap();
        let other = spawn(move || shared.trim(1));
        let dropped = shared.trim(1) + other.join().unwrap();
        let stats = shared.stats();
        assert_eq!(stats.spare + dropped, 3, "{stats:?}");
        assert!(stats.spare >= 1, "{stats:?}");
        pool.end_at_rest();
    });
}

/// Whoever gives an M notes by its head how many are spare, which whoever gives the next one builds upon.
#[test]
fn what_is_noted_at_the_head_is_how_many_are_spare() {
    model_loads(2, || {
        let pool = ModelPool::<false>::with_spare_max(Binding::Call, 3, 3);
        let shared = pool.get();
        shared.prewarm(3).unwrap();
        let twice = move || (0..2).for_each(|_| shared.callback(work).unwrap());
        let other = spawn(twice);
        shared.callback(work).unwrap();
        other.join().unwrap();
        let has = |least| shared.list.has_at_least(&shared.table, least);
        assert!(has(3) && !has(4));
        pool.end_at_rest();
    });
}

/// The limit is reached while `trim` has its two Ms in hand, so a thread that waits then can only be
/// served by the slot that `trim` frees: somebody must notice.
#[test]
fn a_slot_that_trim_frees_is_filled_again_for_those_who_wait() {
    model(1, || {
        let pool = ModelPool::<false>::new(Binding::Call, 2);
        let shared = pool.get();
        shared.prewarm(2).unwrap();
        let others = two_that_stay(shared);
        shared.trim(1);
        for other in others {
            other.join().unwrap();
        }
        pool.end();
    });
}

const AGE: Duration = Duration::from_millis(500);

/// A pool with so many spare Ms, all of them unused.
fn unused_ones(limit: u32, spare: u32) -> ModelPool<false> {
    set_clock(1);
    let pool = ModelPool::new(Binding::Call, limit);
    pool.get().prewarm(spare).unwrap();
    set_clock(1_000);
    pool
}

/// The same but for one, which lies on top.
fn with_unused(limit: u32, spare: u32) -> ModelPool<false> {
    let pool = unused_ones(limit, spare);
    pool.get().callback(work).unwrap();
    pool
}

/// How many are unused now.
fn unused(pool: &'static SharedPool) -> usize {
    pool.table.iter().filter(|m| m.stage() == Stage::Made && m.is_unused::<Shared>(AGE)).count()
}

/// Alone it does what it says: what is unused goes but for one, what is used stays where it was.
#[test]
fn what_is_unused_goes_and_what_is_used_stays_on_top() {
    model(0, || {
        let pool = with_unused(u32::MAX, 5);
        let shared = pool.get();
        let inside = [shared.enter_from_signal().unwrap(), shared.enter_from_signal().unwrap()];
        let [first, second] = inside.each_ref().map(|inside| inside.id());
        drop(inside);
        assert_eq!((unused(shared), shared.trim_unused(AGE), shared.trim_unused(AGE)), (3, 2, 0));
        // Given back in this order.
        let used =
            shared.list.numbers(&shared.table).filter(|m| !shared.table.get(*m).is_unused::<Shared>(AGE));
        assert!(used.eq([second, first]));
        assert_eq!((unused(shared), shared.trim_unused(AGE * 2)), (1, 0));
        set_clock(2_000);
        assert_eq!((shared.trim_unused(AGE), shared.trim_unused(AGE)), (2, 0));
        assert!(shared.list.numbers(&shared.table).eq([second]), "the one that was used last");
        pool.end_at_rest();
    });
}

/// Edge: trim x enter/leave.
#[test]
fn no_context_is_used_after_it_was_dropped_as_unused() {
    model(2, || {
        let pool = with_unused(u32::MAX, 3);
        let shared = pool.get();
        let used = shared.list.numbers(&shared.table).next().expect("the one that was used");
        let other = spawn(move || shared.callback(work).unwrap());
        let dropped = shared.trim_unused(AGE);
        other.join().unwrap();
        let stats = shared.stats();
        assert!(dropped <= 1, "{dropped} dropped");
        let used = shared.table.get(used);
        assert!(
            used.stage() == Stage::Made && used.thread_id() != 0,
            "what is used is not made anew, either"
        );
        assert!(stats.spare >= 1, "{stats:?}");
        // What is left the other one has taken before it was looked at, or was to go when that had come back.
        shared.trim_unused(AGE);
        assert!(unused(shared) <= 1);
        pool.end_at_rest();
    });
}

/// Edge: trim x trim.
#[test]
fn two_that_drop_what_is_unused_leave_what_is_used() {
    model(1, || {
        let pool = with_unused(4, 4);
        let shared = pool.get();
        let other = spawn(move || shared.trim_unused(AGE));
        let dropped = shared.trim_unused(AGE) + other.join().unwrap();
        let stats = shared.stats();
        assert_eq!(stats.spare + dropped, 4, "{stats:?}");
        assert!(stats.spare >= 2, "{stats:?}");
        shared.trim_unused(AGE);
        assert_eq!((unused(shared), shared.stats().spare), (1, 2));
        pool.end_at_rest();
    });
}

std::thread_local! {
    /// The pool of the model that runs.
    static POOL: Cell<Option<&'static SharedPool>> = const { Cell::new(None) };
    /// What two that came have: an M, or a place in the line.
    static CAME: RefCell<Vec<Result<u32, Era>>> = const { RefCell::new(Vec::new()) };
}

fn two_come() {
    let pool = POOL.get().expect("it is set");
    for _ in 0..2 {
        let came = match pool.list.take_or::<Shared, _>(&pool.table, true) {
            Taken::M { m, last } => {
                if last {
                    m.owe(LAST);
                }
                Ok(m.id())
            }
            Taken::Waiting { era } => Err(era),
            _ => panic!("the pool is open"),
        };
        CAME.with_borrow_mut(|all| all.push(came));
    }
}

/// Between any two steps two come, and wait if they find none: all Ms that stay are theirs, and if none is left, one
/// of the two is to make the next (Invariant Duty).
fn two_come_at_any_step(limit: u32) {
    let mut steps = 0;
    let came = Arc::new(AtomicBool::new(true));
    while came.load(Relaxed) {
        steps += 1;
        let came = Arc::clone(&came);
        explore(0, false, move || {
            let pool = unused_ones(limit, 2);
            let shared = pool.get();
            // As if somebody had entered with each: a new one owes anyway.
            shared.table.iter().for_each(|m| m.owe(0));
            POOL.set(Some(shared));
            CAME.take();
            interrupt(steps, two_come);
            let dropped = shared.trim_unused(AGE);
            came.store(interrupt(0, || ()) == 0, Relaxed);
            let (mut ms, mut line) = (Vec::new(), Vec::new());
            for came in CAME.take() {
                came.map_or_else(|era| line.push(era), |m| ms.push(m));
            }
            let mut pick_up = |ms: &mut Vec<u32>| {
                let era = line.pop().expect("somebody waits");
                let waited = shared.list.wait::<Shared, _>(&shared.table, era, || None);
                let Waited::M(m) = waited else { panic!("step {steps}: {waited:?}") };
                ms.push(m);
            };
            let waiting = shared.stats().waiting;
            while ms.len() + (waiting as usize) < 2 && came.load(Relaxed) {
                pick_up(&mut ms);
            }
            if came.load(Relaxed) && !shared.list.glance().has_spare() {
                assert_eq!(ms.len() as u32 + dropped, 2, "step {steps}: none is lost");
                let owes = ms.iter().any(|m| shared.table.get(*m).owes() != 0);
                assert!(owes, "step {steps}: nobody will make one for who comes next");
            }
            for _ in 0..waiting {
                let m = ms.pop().expect("one always stays");
                shared.list.give::<Shared, _>(&shared.table, shared.table.get(m), m);
                pick_up(&mut ms);
            }
            for m in ms {
                shared.list.give::<Shared, _>(&shared.table, shared.table.get(m), m);
            }
            pool.end_at_rest();
        });
    }
    assert!(steps > 20, "{steps} steps");
}

/// Edge: trim x enter, waiting x trim.
#[test]
fn whoever_finds_none_while_they_are_looked_at_is_served_and_so_is_the_next() {
    two_come_at_any_step(u32::MAX);
}

/// As for `trim`: the slot that comes back is the only one there is for a thread that waits.
#[test]
fn a_slot_that_an_unused_m_frees_is_filled_again_for_those_who_wait() {
    two_come_at_any_step(2);
}

/// Edge: trim x close, close x trim.
#[test]
fn what_is_unused_is_dropped_once_against_a_close() {
    model_loads(2, || {
        let pool = with_unused(u32::MAX, 3);
        let shared = pool.get();
        let other = spawn(move || shared.trim_unused(AGE));
        let closed = shared.close();
        assert!(other.join().unwrap() <= 1);
        assert!(closed.is_ok() || shared.stats().spare >= 1);
        assert_eq!((shared.close(), shared.callback(work)), (Ok(()), Err(EnterError::Closed)));
        pool.end();
    });
}

/// What comes back meanwhile is not more than may stay spare, though whoever gives it sees few.
#[test]
fn no_more_stay_spare_than_may_when_the_others_were_looked_at() {
    model(1, || {
        set_clock(1);
        let pool = ModelPool::<false>::with_spare_max(Binding::Call, 4, 2);
        let shared = pool.get();
        let inside = shared.enter().unwrap();
        while shared.stats().spare < 3 {
            assert!(shared.make(None).is_ok(), "the limit allows it");
        }
        set_clock(1_000);
        drop(shared.enter_from_signal().unwrap());
        let other = spawn(move || shared.trim_unused(AGE));
        drop(inside);
        other.join().unwrap();
        assert!(shared.stats().spare <= 2, "{:?}", shared.stats());
        pool.end_at_rest();
    });
}
