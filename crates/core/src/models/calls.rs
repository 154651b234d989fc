//! Calls in a pool that does not bind, which after a thread's first one go the short way.

use crate::models::model;
use crate::models::pool::{ModelPool, work};
use crate::models::port::spawn;
use crate::{Binding, EnterError};

/// Both threads work on the only M.
#[test]
fn what_one_call_did_with_an_m_happens_before_the_next_call() {
    model(2, || {
        let pool = ModelPool::<false>::new(Binding::Call, 1);
        let shared = pool.get();
        let twice = move || (0..2).for_each(|_| shared.callback(work).unwrap());
        let other = spawn(twice);
        twice();
        other.join().unwrap();
        assert_eq!(pool.made(), 1);
        pool.end_at_rest();
    });
}

/// As many as are needed, plus one, are made, and each call has one for itself.
#[test]
fn calls_without_a_limit_share_what_is_there() {
    model(2, || {
        let pool = ModelPool::<false>::new(Binding::Call, u32::MAX);
        let shared = pool.get();
        let twice = move || (0..2).for_each(|_| shared.callback(work).unwrap());
        let other = spawn(twice);
        twice();
        other.join().unwrap();
        assert!(pool.made() <= 3, "{} made", pool.made());
        pool.end_at_rest();
    });
}

/// The short way out against `close`.
#[test]
fn close_against_a_thread_that_calls_again() {
    model(3, || {
        let pool = ModelPool::<false>::new(Binding::Call, 1);
        let shared = pool.get();
        shared.callback(work).unwrap();
        let closer = spawn(move || shared.close());
        let called = shared.callback(work);
        // Busy or not: a thread that is being turned away is a guest.
        let _ = closer.join().unwrap();
        assert!(called.is_ok() || called == Err(EnterError::Closed), "{called:?}");
        assert_eq!(shared.close(), Ok(()));
        pool.end();
    });
}
