//! The duty to refill: nobody waits for ever, and hardly an M is made in vain.

use crate::list::{GaveUp, Taken};
use crate::models::model;
use crate::models::pool::{ModelPool, SharedPool, work};
use crate::models::port::{Shared, spawn};
use crate::{Binding, EnterError};

/// Enters and never leaves; `false` if refused.
fn stay(pool: &'static SharedPool) -> bool {
    match pool.enter() {
        Ok(inside) => {
            work(&inside);
            core::mem::forget(inside);
            true
        }
        Err(error) => {
            assert_eq!(error, EnterError::CreationFailed);
            false
        }
    }
}

/// `THREADS` threads and the calling one enter and never leave, not even by exiting; how many were let in.
fn all_stay<const THREADS: usize>(pool: &ModelPool<false>) -> u32 {
    let shared = pool.get();
    let others: [_; THREADS] = core::array::from_fn(|_| loom::thread::spawn(move || stay(shared)));
    let mut inside = stay(shared) as u32;
    for other in others {
        inside += other.join().unwrap() as u32;
    }
    inside
}

const UNLIMITED: u32 = u32::MAX;

#[test]
fn two_threads_that_never_leave_are_both_let_in_and_at_most_three_ms_made() {
    model(3, || {
        let pool = ModelPool::new(Binding::Call, UNLIMITED);
        assert_eq!(all_stay::<1>(&pool), 2);
        assert!((2..=3).contains(&pool.made()), "{} made for two", pool.made());
        pool.end();
    });
}

#[test]
fn three_threads_that_never_leave_are_all_let_in_and_at_most_four_ms_made() {
    model(1, || {
        let pool = ModelPool::new(Binding::Call, UNLIMITED);
        assert_eq!(all_stay::<2>(&pool), 3);
        assert!((3..=4).contains(&pool.made()), "{} made for three", pool.made());
        pool.end();
    });
}

/// An M that owes nothing comes to lie under one that a handler gave back owing: who takes the last one
/// owes a refill, whatever became of that M's own.
fn the_last_m_owes(binding: Binding) {
    let pool = ModelPool::<false>::new(binding, UNLIMITED);
    let shared = pool.get();
    let inside = shared.enter().unwrap();
    let handler = shared.enter_from_signal().expect("the first one's refill is spare");
    drop(inside);
    shared.unbind();
    drop(handler);
    assert!(stay(shared));
    assert!(loom::thread::spawn(move || stay(shared)).join().unwrap());
    assert!(loom::thread::spawn(move || stay(shared)).join().unwrap());
    pool.end();
}

#[test]
fn who_takes_the_last_m_makes_the_next_one() {
    model(2, || the_last_m_owes(Binding::Call));
}

#[test]
fn who_binds_the_last_m_makes_the_next_one() {
    model(2, || the_last_m_owes(Binding::Thread));
}

#[test]
fn when_no_m_can_be_made_one_thread_is_let_in_and_the_others_are_told() {
    model(1, || {
        let pool = ModelPool::failing(Binding::Call, UNLIMITED, 1..UNLIMITED);
        assert_eq!(all_stay::<2>(&pool), 1);
        assert_eq!(pool.made(), 1);
        pool.end();
    });
}

#[test]
fn when_making_fails_once_at_most_one_thread_is_told() {
    model(1, || {
        let pool = ModelPool::failing(Binding::Call, UNLIMITED, 1..2);
        let inside = all_stay::<1>(&pool);
        assert!((1..=2).contains(&inside), "{inside} of 2 inside");
        pool.end();
    });
}

#[test]
fn threads_that_leave_serve_each_other() {
    model(1, || {
        let pool = ModelPool::<false>::new(Binding::Call, UNLIMITED);
        let shared = pool.get();
        let others = [(); 2].map(|()| spawn(move || shared.callback(work).unwrap()));
        shared.callback(work).unwrap();
        for other in others {
            other.join().unwrap();
        }
        assert!(pool.made() <= 4, "{} made for three", pool.made());
        pool.end_at_rest();
    });
}

#[test]
fn under_a_limit_that_is_reached_threads_wait_for_ms_that_come_back() {
    model(1, || {
        let pool = ModelPool::<false>::new(Binding::Call, 1);
        let shared = pool.get();
        let others = [(); 2].map(|()| spawn(move || shared.callback(work).unwrap()));
        shared.callback(work).unwrap();
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(pool.made(), 1);
        pool.end_at_rest();
    });
}

/// The duty that could not be done must not sit idle with a thread that may never come back.
#[test]
fn an_m_whose_refill_failed_does_not_stay_with_its_thread() {
    model(3, || {
        let pool = ModelPool::<true>::failing(Binding::Thread, UNLIMITED, 1..2);
        let shared = pool.get();
        shared.callback(work).unwrap();
        let other = spawn(move || shared.callback(work).unwrap());
        other.join().unwrap();
        pool.end_at_rest();
    });
}

/// Two creators under a limit: the one has the last slot and fails, the other one found none left.
/// If the first counts on the second's claim, then the second sees the slot that came back.
#[test]
fn a_slot_that_came_back_is_seen_by_whoever_withdraws_a_void_claim_afterwards() {
    model(3, || {
        let pool = ModelPool::<false>::new(Binding::Call, 2);
        let shared = pool.get();
        assert!(matches!(shared.list.take::<Shared, _>(&shared.table), Taken::M { last: true, .. }));
        let void = shared.list.claim::<Shared>().expect("one is needed");
        let Ok(slot) = shared.table.reserve::<Shared>(2, |_| ()) else { panic!("one of two is taken") };
        let failing = shared.list.claim_extra::<Shared>().expect("it can be counted");
        let void = spawn(move || {
            shared.list.withdraw::<Shared>(void);
            shared.limit_reached()
        });
        shared.table.release::<Shared>(slot.id());
        let outcome = shared.list.give_up::<Shared>(failing);
        let reached = void.join().unwrap();
        assert!(outcome == GaveUp::KeepDuty || !reached, "{outcome:?}, and nobody sees the slot");
        pool.end();
    });
}
