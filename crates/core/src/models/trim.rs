//! Trimming: against threads that take, and against threads that wait for the slot.

use crate::m::Stage;
use crate::models::pool::{ModelPool, SharedPool, two_that_stay, work};
use crate::models::port::{Shared, set_clock, spawn};
use crate::models::{model, model_loads};
use crate::{Binding, EnterError};
use core::time::Duration;

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

/// As many go as are unused, but for one. Those that stay count as used when those that were used were.
#[test]
fn as_many_go_as_are_unused_but_for_one() {
    model(0, || {
        let pool = with_unused(u32::MAX, 5);
        let shared = pool.get();
        drop([(); 2].map(|()| shared.enter_from_signal().unwrap()));
        assert_eq!((unused(shared), shared.trim_unused(AGE), shared.trim_unused(AGE)), (3, 2, 0));
        assert_eq!((unused(shared), shared.stats().spare, shared.trim_unused(AGE * 2)), (1, 3, 0));
        set_clock(1_400);
        assert_eq!((unused(shared), shared.trim_unused(AGE)), (1, 0));
        set_clock(2_000);
        assert_eq!((unused(shared), shared.trim_unused(AGE), shared.trim_unused(AGE)), (3, 2, 0));
        pool.end_at_rest();
    });
}

/// Edge: trim x enter/leave.
#[test]
fn no_context_is_used_after_it_was_dropped_as_unused() {
    model(2, || {
        let pool = with_unused(u32::MAX, 3);
        let shared = pool.get();
        let other = spawn(move || shared.callback(work).unwrap());
        let dropped = shared.trim_unused(AGE);
        other.join().unwrap();
        let stats = shared.stats();
        assert!(dropped <= 1, "{dropped} dropped");
        assert!(stats.spare >= 1, "{stats:?}");
        // What is left the other one has taken before it was looked at, or was to go when that had come back.
        shared.trim_unused(AGE);
        assert!(unused(shared) <= 1);
        pool.end_at_rest();
    });
}

/// Each of them has judged how many go.
///
/// Edge: trim x trim.
#[test]
fn two_that_drop_what_is_unused_leave_one() {
    model(1, || {
        let pool = with_unused(4, 4);
        let shared = pool.get();
        let other = spawn(move || shared.trim_unused(AGE));
        let dropped = shared.trim_unused(AGE) + other.join().unwrap();
        let stats = shared.stats();
        assert_eq!(stats.spare + dropped, 4, "{stats:?}");
        assert!((1..=2).contains(&stats.spare), "{stats:?}");
        pool.end_at_rest();
    });
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
fn no_more_stay_spare_than_may(preemptions: usize, dropping: fn(&'static SharedPool)) {
    model(preemptions, move || {
        set_clock(1);
        let pool = ModelPool::<false>::with_spare_max(Binding::Call, 4, 2);
        let shared = pool.get();
        let inside = shared.enter().unwrap();
        while shared.stats().spare < 3 {
            assert!(shared.make(None).is_ok(), "the limit allows it");
        }
        set_clock(1_000);
        drop(shared.enter_from_signal().unwrap());
        let other = spawn(move || dropping(shared));
        drop(inside);
        other.join().unwrap();
        assert!(shared.stats().spare <= 2, "{:?}", shared.stats());
        pool.end_at_rest();
    });
}

#[test]
fn no_more_stay_spare_than_may_after_a_trim() {
    no_more_stay_spare_than_may(1, |pool| _ = pool.trim(2));
}

#[test]
fn no_more_stay_spare_than_may_after_a_trim_by_age() {
    no_more_stay_spare_than_may(1, |pool| _ = pool.trim_unused(AGE));
}
