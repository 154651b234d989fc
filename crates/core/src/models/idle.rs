//! Idle bound Ms under a limit: they are taken back for those who wait.

use crate::models::model;
use crate::models::pool::{ModelPool, work};
use crate::models::port::spawn;
use crate::{Binding, EnterError};

/// Its thread lives on and never comes back, so only taking the M back helps.
#[test]
fn an_idle_m_is_taken_back_for_a_waiter() {
    model(3, || {
        let pool = ModelPool::<false>::new(Binding::Thread, 1);
        let shared = pool.get();
        shared.callback(work).unwrap();
        let other = spawn(move || shared.callback(work).unwrap());
        other.join().unwrap();
        assert_eq!(pool.made(), 1);
        pool.end_at_rest();
    });
}

/// Invariant Idle: the holder goes idle just when the other one is counted.
///
/// Edge: going idle x enter, waiting x leave.
#[test]
fn no_m_goes_idle_past_a_waiter() {
    model(3, || {
        let pool = ModelPool::<false>::new(Binding::Thread, 1);
        let shared = pool.get();
        let inside = shared.enter().unwrap();
        let other = spawn(move || shared.callback(work).unwrap());
        work(&inside);
        drop(inside);
        other.join().unwrap();
        pool.end_at_rest();
    });
}

/// The same with a thread that comes back to its idle M while another one wants it.
///
/// Edge: enter x enter, thread exit x enter.
#[test]
fn a_thread_that_comes_back_and_a_waiter_are_both_served() {
    model(2, || {
        let pool = ModelPool::<false>::new(Binding::Thread, 1);
        let shared = pool.get();
        shared.callback(work).unwrap();
        let other = spawn(move || shared.callback(work).unwrap());
        shared.callback(work).unwrap();
        other.join().unwrap();
        assert_eq!(pool.made(), 1);
        pool.end_at_rest();
    });
}

#[test]
fn two_waiters_are_both_served_by_one_m_that_goes_idle() {
    model(2, || {
        let pool = ModelPool::<false>::new(Binding::Thread, 1);
        let shared = pool.get();
        let inside = shared.enter().unwrap();
        // loom's own: their exit does not bring the M home.
        let others = [(); 2].map(|()| loom::thread::spawn(move || shared.callback(work).unwrap()));
        work(&inside);
        drop(inside);
        for other in others {
            other.join().unwrap();
        }
        pool.end_at_rest();
    });
}

/// A new M goes idle for the first time while somebody waits. (Whoever waits while it is being made
/// takes a third thread, and loom longer than anybody has: see tests/proof/faults.)
#[test]
fn a_new_m_does_not_go_idle_past_a_waiter() {
    model(1, || {
        let pool = ModelPool::<false>::new(Binding::Thread, 2);
        let shared = pool.get();
        let stays = shared.enter().unwrap();
        let others = [(); 2].map(|()| spawn(move || shared.callback(work).unwrap()));
        for other in others {
            other.join().unwrap();
        }
        drop(stays);
        pool.end_at_rest();
    });
}

/// Edge: unbind x enter.
#[test]
fn unbinding_and_taking_back_do_not_both_give_the_m() {
    model(3, || {
        let pool = ModelPool::<false>::new(Binding::Thread, 1);
        let shared = pool.get();
        shared.callback(work).unwrap();
        let other = spawn(move || shared.callback(work).unwrap());
        shared.unbind();
        other.join().unwrap();
        pool.end_at_rest();
    });
}

#[test]
fn a_thread_that_never_waits_takes_an_idle_m_back_too() {
    model(3, || {
        let pool = ModelPool::<false>::new(Binding::Thread, 1);
        let shared = pool.get();
        shared.callback(work).unwrap();
        let other = spawn(move || match shared.try_enter() {
            Ok(inside) => work(&inside),
            Err(error) => assert_eq!(error, EnterError::Exhausted),
        });
        match shared.try_enter() {
            Ok(inside) => work(&inside),
            Err(error) => assert_eq!(error, EnterError::Exhausted),
        }
        other.join().unwrap();
        pool.end_at_rest();
    });
}
