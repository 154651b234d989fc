//! Foreign code at its worst: a context whose drop calls in, a creation that panics.

use crate::list::{GaveUp, Waited};
use crate::models::model_loads;
use crate::models::nodes::Extra;
use crate::models::pool::{ModelPool, Moment, SharedPool, work};
use crate::models::port::{Shared, set_clock, spawn};
use crate::{Binding, EnterError, Event, StartError};
use core::cell::Cell;
use core::time::Duration;
use loom::thread;
use std::boxed::Box;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::vec;

const UNLIMITED: u32 = u32::MAX;

std::thread_local! {
    /// The pool of the model that runs, for the functions of its runtime.
    static POOL: Cell<Option<&'static SharedPool>> = const { Cell::new(None) };
}

/// Two Ms are spare, and `trim` drops the context of one. One M is on the list all the while, or with
/// somebody who brings it back, so what the drop does may be as long as it likes.
fn trim_against_a_newcomer(limit: u32, dropping: fn(&'static SharedPool)) {
    against_a_newcomer(limit, dropping, |pool| pool.trim(1));
}

fn against_a_newcomer(limit: u32, dropping: fn(&'static SharedPool), trim: fn(&'static SharedPool) -> u32) {
    set_clock(1);
    let pool = ModelPool::<false>::with(Binding::Call, limit, move |moment| {
        if moment == Moment::Dropping {
            POOL.get().into_iter().for_each(dropping);
        }
    });
    let shared = pool.get();
    shared.prewarm(2).unwrap();
    POOL.set(Some(shared));
    let other = spawn(move || shared.callback(work));
    let dropped = trim(shared);
    assert_eq!(other.join().unwrap(), Ok(()));
    POOL.set(None);
    assert!(dropped <= 1, "{dropped} dropped");
    pool.end_at_rest();
}

/// A finalizer that calls in is let in, as the newcomer is.
#[test]
fn a_context_that_trim_drops_calls_in_against_a_newcomer_under_a_limit() {
    model_loads(1, || trim_against_a_newcomer(2, |pool| pool.callback(work).unwrap()));
}

/// Edge: trim x enter, enter x trim, enter x in drop.
#[test]
fn a_context_that_trim_drops_calls_in_against_a_newcomer() {
    model_loads(1, || trim_against_a_newcomer(UNLIMITED, |pool| pool.callback(work).unwrap()));
}

/// The same by age: nothing is in hand while the context is dropped.
#[test]
fn an_unused_context_that_is_dropped_calls_in_against_a_newcomer_under_a_limit() {
    model_loads(1, || {
        against_a_newcomer(
            2,
            |pool| pool.callback(work).unwrap(),
            |pool| {
                set_clock(1_000);
                pool.trim_unused(Duration::from_millis(500))
            },
        );
    });
}

/// Nobody else is there, so it is on the list.
#[test]
fn one_m_is_on_the_list_while_trim_drops_a_context() {
    model_loads(1, || {
        trim_against_a_newcomer(2, |pool| {
            let stats = pool.stats();
            assert!(stats.spare + stats.in_use > 0 && stats.waiting == 0, "{stats:?}");
        });
    });
}

/// A thread that has to make an M for two who wait, and unwinds: both are told, or served by the M that
/// comes back; nobody waits for ever, and nothing is counted any more.
///
/// Edge: waiting x new_context panics.
#[test]
fn a_creation_that_unwinds_ends_the_waits_of_two() {
    model_loads(1, || {
        let extra = Extra::new(1, 0);
        let claim = extra.claim_extra();
        let waiters = [(); 2].map(|()| {
            let extra = Rc::clone(&extra);
            thread::spawn(move || match extra.enter(None) {
                Waited::M(id) => {
                    extra.node(id).work();
                    extra.give(id);
                }
                ended => assert_eq!(ended, Waited::Failed),
            })
        });
        extra.list.abandon::<Shared>(Some(claim));
        extra.node(1).work();
        extra.give(1);
        for waiter in waiters {
            waiter.join().unwrap();
        }
        extra.assert_at_rest(vec![1]);
    });
}

/// Those who wait already are told, all of them, and newcomers are turned away until an M comes back.
#[test]
fn when_the_only_creator_unwinds_nobody_is_left_waiting() {
    model_loads(1, || {
        let extra = Extra::new(1, 0);
        let claim = extra.claim_extra();
        let waiters = [(); 2].map(|()| {
            let extra = Rc::clone(&extra);
            thread::spawn(move || extra.enter(None))
        });
        while extra.list.glance().waiting() < 2 {
            thread::yield_now();
        }
        extra.list.abandon::<Shared>(Some(claim));
        assert_eq!(extra.enter(Some(Duration::ZERO)), Waited::Failed, "who would make one?");
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), Waited::Failed);
        }
        // Another creator is at work, and whoever comes waits for that.
        extra.give(1);
        let taken = extra.take().unwrap();
        let (claim, other) = (extra.claim().expect("none is spare"), extra.claim_extra());
        extra.list.abandon::<Shared>(Some(claim));
        assert_eq!(extra.enter(Some(Duration::ZERO)), Waited::TimedOut);
        assert_eq!(extra.list.give_up::<Shared>(other), GaveUp::KeepDuty);
        extra.give(taken.0);
        extra.assert_at_rest(vec![1]);
    });
}

/// A pool, and what makes its next creation unwind.
fn unwinding(binding: Binding, limit: u32) -> (ModelPool<false>, Arc<AtomicBool>) {
    unwinding_when(|moment| moment == Moment::Making, binding, limit)
}

fn unwinding_when(
    when: fn(Moment) -> bool,
    binding: Binding,
    limit: u32,
) -> (ModelPool<false>, Arc<AtomicBool>) {
    let unwind = Arc::new(AtomicBool::new(false));
    let foreign = {
        let unwind = Arc::clone(&unwind);
        move |moment| {
            if when(moment) && unwind.swap(false, Ordering::Relaxed) {
                resume_unwind(Box::new("as asked"));
            }
        }
    };
    (ModelPool::with(binding, limit, foreign), unwind)
}

/// Calls, and says whether it was let in; `None` if it unwound.
fn caller(pool: &'static SharedPool) -> impl Fn() -> Option<bool> + 'static {
    move || match catch_unwind(AssertUnwindSafe(|| pool.callback(work))) {
        Err(_) => None,
        Ok(Ok(())) => Some(true),
        Ok(Err(error)) => {
            assert_eq!(error, EnterError::CreationFailed);
            Some(false)
        }
    }
}

/// One creation unwinds, on whichever thread that is. It costs the thread its call, and those who wait at
/// that moment theirs.
fn two_callers(binding: Binding, limit: u32) {
    let (pool, unwind) = unwinding(binding, limit);
    unwind.store(true, Ordering::Relaxed);
    let call = caller(pool.get());
    let other = spawn(caller(pool.get()));
    let called = [call(), other.join().unwrap()];
    assert!(called.contains(&None), "{called:?}");
    assert_eq!(call(), Some(true));
    pool.end_at_rest();
}

/// Edge: making x new_context panics, enter x new_context panics.
#[test]
fn two_callers_and_a_creation_that_unwinds() {
    model_loads(2, || two_callers(Binding::Call, UNLIMITED));
}

/// Two wait when it unwinds.
///
/// Edge: prewarm x new_context panics, waiting x new_context panics.
#[test]
fn two_waiters_and_a_creation_that_unwinds() {
    model_loads(1, || {
        let (pool, unwind) = unwinding(Binding::Call, UNLIMITED);
        let shared = pool.get();
        let (inside, handler) = (shared.enter().unwrap(), shared.enter_from_signal().unwrap());
        let others = [(); 2].map(|()| spawn(caller(shared)));
        while shared.stats().waiting < 2 {
            loom::thread::yield_now();
        }
        unwind.store(true, Ordering::Relaxed);
        assert!(catch_unwind(AssertUnwindSafe(|| shared.prewarm(1))).is_err());
        for other in others {
            assert_eq!(other.join().unwrap(), Some(false), "nobody would make an M for it");
        }
        drop((inside, handler));
        assert_eq!(caller(shared)(), Some(true));
        pool.end_at_rest();
    });
}

/// Where an M stays with its thread, and where the slot that comes back is the last one.
#[test]
fn two_bound_callers_and_a_creation_that_unwinds_under_a_limit() {
    model_loads(2, || two_callers(Binding::Thread, 2));
}

/// `prewarm` has claimed an M on which others rely.
///
/// Edge: prewarm x new_context panics.
#[test]
fn a_prewarm_that_unwinds_against_a_caller() {
    model_loads(2, || {
        let (pool, unwind) = unwinding(Binding::Call, 3);
        let shared = pool.get();
        unwind.store(true, Ordering::Relaxed);
        let other = spawn(caller(shared));
        let prewarmed = catch_unwind(AssertUnwindSafe(|| shared.prewarm(2)));
        let called = other.join().unwrap();
        assert!(prewarmed.is_err() != called.is_none(), "one of them unwinds: {prewarmed:?} {called:?}");
        if let Ok(prewarmed) = prewarmed {
            assert!(prewarmed.is_ok() || prewarmed == Err(StartError::CreationFailed), "{prewarmed:?}");
        }
        assert_eq!(caller(shared)(), Some(true));
        pool.end_at_rest();
    });
}

/// The M is there when `observe` is told, so it is given, and the claim met.
///
/// Edge: making x observe panics.
#[test]
fn an_m_is_given_though_telling_of_it_unwinds() {
    model_loads(1, || {
        let made = |moment| matches!(moment, Moment::Observing(Event::Made { .. }));
        let (pool, unwind) = unwinding_when(made, Binding::Call, UNLIMITED);
        unwind.store(true, Ordering::Relaxed);
        let other = spawn(caller(pool.get()));
        let called = [caller(pool.get())(), other.join().unwrap()];
        assert!(called.contains(&None) && !called.contains(&Some(false)), "{called:?}");
        assert!(pool.get().stats().created >= 2);
        pool.end_at_rest();
    });
}
