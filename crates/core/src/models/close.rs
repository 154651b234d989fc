//! Closing: against waiters, against threads that come back, against threads that exit.

use crate::models::model;
use crate::models::pool::{ModelPool, work};
use crate::models::port::spawn;
use crate::{Binding, Busy, EnterError};

const UNLIMITED: u32 = u32::MAX;

#[test]
fn close_turns_a_waiter_away_and_succeeds_once_the_m_is_back() {
    model(3, || {
        let pool = ModelPool::<false>::new(Binding::Call, 1);
        let shared = pool.get();
        let inside = shared.enter().expect("the first M is spare");
        let waiter = spawn(move || shared.callback(work));
        assert_eq!(shared.close(), Err(Busy));
        assert_eq!(waiter.join().unwrap(), Err(EnterError::Closed));
        work(&inside);
        drop(inside);
        assert_eq!(shared.close(), Ok(()));
        pool.end();
    });
}

#[test]
fn close_against_a_thread_that_enters_and_leaves() {
    model(3, || {
        let pool = ModelPool::<false>::new(Binding::Call, UNLIMITED);
        let shared = pool.get();
        let other = spawn(move || shared.callback(work));
        let closed = shared.close();
        let called = other.join().unwrap();
        assert!(called.is_ok() || called == Err(EnterError::Closed), "{called:?}");
        assert!(closed.is_ok() || called.is_ok(), "busy, and nobody was inside");
        assert_eq!(shared.close(), Ok(()));
        pool.end();
    });
}

/// The context of a bound M must not be dropped under a callback: loom would see two accesses that
/// are not ordered.
fn a_bound_thread_re_enters<const BARRIER: bool>() {
    model(3, || {
        let pool = ModelPool::<BARRIER>::new(Binding::Thread, UNLIMITED);
        let shared = pool.get();
        shared.callback(work).expect("the pool is open");
        let closer = spawn(move || shared.close());
        let called = shared.callback(work);
        let closed = closer.join().unwrap();
        assert!(called.is_ok() || called == Err(EnterError::Closed), "{called:?}");
        // Bound the plain way, a thread that is turned away counts as inside until it has seen why.
        assert!(closed.is_ok() || called.is_ok() || BARRIER, "busy, and nobody was inside");
        assert_eq!(shared.close(), Ok(()));
        assert_eq!(shared.callback(work), Err(EnterError::Closed));
        pool.end();
    });
}

#[test]
fn close_against_re_entry_of_an_m_bound_the_plain_way() {
    a_bound_thread_re_enters::<true>();
}

#[test]
fn close_against_re_entry_of_an_m_bound_the_shared_way() {
    a_bound_thread_re_enters::<false>();
}

fn a_bound_thread_exits<const BARRIER: bool>() {
    model(3, || {
        let pool = ModelPool::<BARRIER>::new(Binding::Thread, UNLIMITED);
        let shared = pool.get();
        let other = spawn(move || shared.callback(work));
        let _ = shared.close();
        let called = other.join().unwrap();
        assert!(called.is_ok() || called == Err(EnterError::Closed), "{called:?}");
        assert_eq!(shared.close(), Ok(()));
        pool.end();
    });
}

#[test]
fn close_against_the_exit_of_a_thread_bound_the_plain_way() {
    a_bound_thread_exits::<true>();
}

#[test]
fn close_against_the_exit_of_a_thread_bound_the_shared_way() {
    a_bound_thread_exits::<false>();
}

/// `unbind` and `close` both want the idle M.
#[test]
fn close_against_unbinding() {
    model(3, || {
        let pool = ModelPool::<true>::new(Binding::Thread, UNLIMITED);
        let shared = pool.get();
        shared.callback(work).expect("the pool is open");
        let closer = spawn(move || shared.close());
        shared.unbind();
        let _ = closer.join().unwrap();
        assert_eq!(shared.close(), Ok(()));
        pool.end();
    });
}

/// Close has to wait for the one who is inside, and a newcomer does not get the M that is spare.
#[test]
fn a_pool_that_is_being_closed_gives_out_no_spare_m() {
    model(3, || {
        let pool = ModelPool::<false>::new(Binding::Call, 2);
        let shared = pool.get();
        shared.prewarm(2).unwrap();
        let inside = shared.enter().expect("two Ms are spare");
        assert_eq!(shared.close(), Err(Busy));
        let newcomer = spawn(move || shared.callback(work));
        assert_eq!(newcomer.join().unwrap(), Err(EnterError::Closed));
        drop(inside);
        assert_eq!(shared.close(), Ok(()));
        pool.end();
    });
}

/// Another thread calls once, and its exit does not bring home what it has bound.
fn close_against_one_call(pool: ModelPool<true>) {
    let shared = pool.get();
    // loom's own thread: it has no exit hook.
    let other = loom::thread::spawn(move || shared.callback(work));
    let _ = shared.close();
    let _ = other.join().unwrap();
    assert_eq!(shared.close(), Ok(()));
    pool.end();
}

/// A thread that came in with an M that owed nothing has bound it the plain way, and leaves for the
/// first time.
#[test]
fn close_against_a_first_call_that_owes_nothing() {
    model(3, || {
        let pool = ModelPool::<true>::new(Binding::Thread, UNLIMITED);
        pool.get().callback(work).expect("the pool is open");
        assert!(pool.get().unbind());
        close_against_one_call(pool);
    });
}

/// The thread leaves with a duty that could not be done, on an M that is revoked meanwhile.
#[test]
fn close_against_a_call_whose_refill_failed() {
    model(3, || close_against_one_call(ModelPool::failing(Binding::Thread, UNLIMITED, 1..3)));
}
