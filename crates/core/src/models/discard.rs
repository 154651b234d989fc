//! Contexts that are not lent again: against threads that take, that wait, and that close.

use crate::models::model;
use crate::models::pool::{ModelPool, ModelRuntime, two_that_stay, work};
use crate::models::port::{ModelPort, spawn};
use crate::{Binding, Busy, EnterError, Pool};
use core::time::Duration;

const UNLIMITED: u32 = u32::MAX;

fn discard<const BARRIER: bool>(pool: &'static Pool<ModelRuntime, ModelPort<BARRIER>>) {
    let inside = pool.enter().expect("an M is spare, or will be");
    work(&inside);
    inside.discard();
}

/// Until nobody is inside.
fn close_in_the_end<const BARRIER: bool>(pool: &'static Pool<ModelRuntime, ModelPort<BARRIER>>) {
    while pool.close().is_err() {
        loom::thread::yield_now();
    }
}

/// The same, and the pool goes at once: whoever was inside touches nothing of it any more.
fn close_and_free<const BARRIER: bool>(pool: ModelPool<BARRIER>) {
    close_in_the_end(pool.get());
    assert!(!pool.get().list.glance().has_spare(), "an M comes home after the end");
    pool.end();
}

/// The one M there may be is the one that is discarded: whoever waits gets its slot with another context.
///
/// Edge: discard x enter.
#[test]
fn who_waits_for_the_only_m_gets_it_with_another_context() {
    model(3, || {
        let pool = ModelPool::<false>::new(Binding::Call, 1);
        let shared = pool.get();
        let other = spawn(move || shared.callback(work));
        discard(shared);
        assert_eq!(other.join().unwrap(), Ok(()));
        assert_eq!(pool.made(), 2);
        pool.end_at_rest();
    });
}

/// Another one is spare: the slot of the one that is discarded is free, and nobody who waits is forgotten.
///
/// Edge: discard x enter/leave.
#[test]
fn a_slot_that_a_discarded_m_leaves_is_filled_for_who_waits() {
    model(1, || {
        let pool = ModelPool::<false>::new(Binding::Call, 2);
        let shared = pool.get();
        shared.prewarm(2).unwrap();
        let others = two_that_stay(shared);
        discard(shared);
        for other in others {
            other.join().unwrap();
        }
        pool.end();
    });
}

/// Edge: discard x leave.
#[test]
fn two_discard_at_a_time() {
    model(3, || {
        let pool = ModelPool::<false>::new(Binding::Call, 2);
        let shared = pool.get();
        shared.prewarm(2).unwrap();
        let other = spawn(move || discard(shared));
        discard(shared);
        other.join().unwrap();
        assert_eq!(shared.callback(work), Ok(()));
        pool.end_at_rest();
    });
}

/// Those who wait are told, and whoever comes after that makes the M that nobody has.
///
/// Edge: discard x new_context fails.
#[test]
fn when_no_context_can_be_made_in_its_place_waiters_are_told_and_a_newcomer_makes_one() {
    model(3, || {
        // The first M is attempt 0.
        let pool = ModelPool::<false>::failing(Binding::Call, 1, 1..2);
        let shared = pool.get();
        let other = spawn(move || shared.callback(work));
        discard(shared);
        match other.join().unwrap() {
            Ok(()) | Err(EnterError::CreationFailed) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(shared.callback(work), Ok(()), "an M was left, or a newcomer makes it");
        pool.end_at_rest();
    });
}

fn against_close<const BARRIER: bool>(binding: Binding) {
    model(3, move || {
        let pool = ModelPool::<BARRIER>::new(binding, UNLIMITED);
        let shared = pool.get();
        let inside = shared.enter().unwrap();
        let other = spawn(move || close_and_free(pool));
        work(&inside);
        inside.discard();
        other.join().unwrap();
    });
}

/// Edge: discard x close.
#[test]
fn discard_against_close_of_an_m_for_one_call() {
    against_close::<false>(Binding::Call);
}

/// Edge: discard x close.
#[test]
fn discard_against_close_of_an_m_bound_the_plain_way() {
    against_close::<true>(Binding::Thread);
}

/// Edge: discard x close/no barrier.
#[test]
fn discard_against_close_of_an_m_bound_the_shared_way() {
    against_close::<false>(Binding::Thread);
}

/// The only M there may be, for a thread whose time is up when it is discarded: one that was on its way is
/// not lost.
///
/// Edge: discard x time-out.
#[test]
fn discarding_the_only_m_against_a_thread_whose_time_is_up() {
    model(3, || {
        let pool = ModelPool::<false>::new(Binding::Call, 1);
        let shared = pool.get();
        let inside = shared.enter().unwrap();
        let other = spawn(move || shared.enter_timeout(Duration::ZERO).map(|inside| work(&inside)));
        work(&inside);
        inside.discard();
        let waited = other.join().unwrap();
        assert!(matches!(waited, Ok(()) | Err(EnterError::TimedOut)), "{waited:?}");
        assert_eq!(shared.callback(work), Ok(()));
        pool.end_at_rest();
    });
}

/// Of two Ms one is discarded, if the other is spare, and spare ones are trimmed: one is left, or made again.
///
/// Edge: discard x trim.
#[test]
fn discarding_against_a_trim() {
    model(3, || {
        let pool = ModelPool::<false>::new(Binding::Call, 2);
        let shared = pool.get();
        shared.prewarm(2).unwrap();
        let inside = shared.enter().unwrap();
        let other = spawn(move || shared.trim(1));
        work(&inside);
        inside.discard();
        other.join().unwrap();
        let stats = shared.stats();
        assert!(stats.spare >= 1, "{stats:?}");
        assert_eq!(shared.callback(work), Ok(()));
        pool.end_at_rest();
    });
}

/// Threads that leave drop what is more than may stay spare: one always stays, nobody uses a context that
/// has been dropped, and nobody waits for ever.
///
/// Edge: discard x leave.
#[test]
fn two_leave_where_one_may_stay_spare() {
    model(2, || {
        let pool = ModelPool::<false>::with_spare_max(Binding::Call, 2, 1);
        let shared = pool.get();
        assert!(shared.make(None).is_ok(), "one more than may stay");
        let other = spawn(move || shared.callback(work).unwrap());
        shared.callback(work).unwrap();
        other.join().unwrap();
        let stats = shared.stats();
        assert_eq!(stats.spare, 1, "{stats:?}");
        pool.end_at_rest();
    });
}

/// Each of two takes one of the last two, finds no second one and gives it back.
#[test]
fn two_that_drop_what_is_too_much_leave_one() {
    model(3, || {
        let pool = ModelPool::<false>::with_spare_max(Binding::Call, 2, 1);
        let shared = pool.get();
        assert!(shared.make(None).is_ok(), "one more than may stay");
        let drops = move || shared.give_within(None);
        let other = spawn(drops);
        drops();
        other.join().unwrap();
        assert_eq!(shared.stats().spare, 1);
        pool.end_at_rest();
    });
}

/// A surplus context is dropped while another thread closes: not after `close` said that it is done.
///
/// Edge: discard x close.
#[test]
fn a_surplus_context_is_dropped_before_the_pool_goes() {
    model(3, || {
        let pool = ModelPool::<false>::with_spare_max(Binding::Call, UNLIMITED, 1);
        let shared = pool.get();
        let inside = shared.enter().unwrap();
        let other = spawn(move || close_and_free(pool));
        work(&inside);
        drop(inside);
        other.join().unwrap();
    });
}

/// Who makes the M for others is preempted when it is published, and another thread uses it, discards it and
/// cannot make another: the next newcomer does.
///
/// Edge: making x leave, discard x new_context fails.
#[test]
fn whoever_adopts_does_not_forget_a_failure_that_came_after() {
    model(3, || {
        // The refill of the first M, and what was to replace it; the same once more with the adopter's.
        let pool = ModelPool::<false>::failing_at(Binding::Call, u32::MAX, 0b110110);
        let shared = pool.get();
        shared.enter().unwrap().discard();
        let other = spawn(move || {
            if let Ok(inside) = shared.enter() {
                inside.discard();
            }
        });
        let called = shared.callback(work);
        assert!(matches!(called, Ok(()) | Err(EnterError::CreationFailed)), "{called:?}");
        other.join().unwrap();
        assert_eq!(shared.callback(work), Ok(()), "{:?}", shared.stats());
        pool.end();
    });
}

/// At the limit: the one M is in use when the pool is reopened, and its holder, who found the pool closed,
/// discards it.
///
/// Edge: reopen x leave, discard x close.
#[test]
fn reopening_against_a_thread_that_discards_the_only_m() {
    reopening_against_discard(0..0);
}

/// And the first attempt to make another fails, whosever it is: the next newcomer makes one.
#[test]
fn reopening_that_fails_against_a_thread_that_discards_the_only_m() {
    reopening_against_discard(1..2);
}

fn reopening_against_discard(failing: core::ops::Range<u32>) {
    model(3, move || {
        let pool = ModelPool::<false>::failing(Binding::Call, 1, failing.clone());
        let shared = pool.get();
        let inside = shared.enter().unwrap();
        assert_eq!(shared.close(), Err(Busy));
        let other = spawn(move || shared.reopen());
        inside.discard();
        if other.join().unwrap().is_ok() {
            // It may be this one's attempt that fails.
            let called = shared.callback(work).or_else(|_| shared.callback(work));
            assert_eq!(called, Ok(()), "{:?}", shared.stats());
        }
        pool.end();
    });
}
