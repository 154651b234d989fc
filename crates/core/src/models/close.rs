//! Closing: against waiters, against threads that come back, against threads that exit.

use crate::models::pool::{ModelPool, work};
use crate::models::port::spawn;
use crate::models::{model, model_loads};
use crate::{Binding, Busy, EnterError, StartError};

const UNLIMITED: u32 = u32::MAX;

/// Edge: waiting x close.
#[test]
fn close_turns_a_waiter_away_and_succeeds_once_the_m_is_back() {
    model_loads(3, || {
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
    model_loads(3, || {
        let pool = ModelPool::<false>::new(Binding::Call, UNLIMITED);
        let shared = pool.get();
        let other = spawn(move || shared.callback(work));
        // Busy or not: a thread that is being turned away is a guest.
        let _ = shared.close();
        let called = other.join().unwrap();
        assert!(called.is_ok() || called == Err(EnterError::Closed), "{called:?}");
        assert_eq!(shared.close(), Ok(()));
        pool.end();
    });
}

/// The context of a bound M must not be dropped under a callback: loom would see two accesses that
/// are not ordered.
fn a_bound_thread_re_enters<const BARRIER: bool>() {
    model_loads(3, || {
        let pool = ModelPool::<BARRIER>::new(Binding::Thread, UNLIMITED);
        let shared = pool.get();
        shared.callback(work).expect("the pool is open");
        let closer = spawn(move || shared.close());
        let called = shared.callback(work);
        // Busy or not: a thread that is being turned away is a guest, or counts as inside.
        let _ = closer.join().unwrap();
        assert!(called.is_ok() || called == Err(EnterError::Closed), "{called:?}");
        assert_eq!(shared.close(), Ok(()));
        assert_eq!(shared.callback(work), Err(EnterError::Closed));
        pool.end();
    });
}

/// Edge: enter x close, close x enter.
#[test]
fn close_against_re_entry_of_an_m_bound_the_plain_way() {
    a_bound_thread_re_enters::<true>();
}

/// Edge: enter x no barrier.
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
///
/// Edge: unbind x close, close x leave.
#[test]
fn close_against_unbinding() {
    model_loads(3, || {
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

/// A thread gives its idle M back and closes the pool, while another one enters with that M.
///
/// Edge: unbind x enter.
#[test]
fn unbinding_and_closing_against_a_first_call() {
    model(3, || {
        let pool = ModelPool::<true>::new(Binding::Thread, UNLIMITED);
        let shared = pool.get();
        shared.callback(work).expect("the pool is open");
        let other = loom::thread::spawn(move || shared.callback(work));
        shared.unbind();
        let _ = shared.close();
        let called = other.join().unwrap();
        assert!(called.is_ok() || called == Err(EnterError::Closed), "{called:?}");
        assert_eq!(shared.close(), Ok(()));
        pool.end();
    });
}

/// Close has to wait for the one who is inside, and a newcomer does not get the M that is spare.
#[test]
fn a_pool_that_is_being_closed_gives_out_no_spare_m() {
    model_loads(3, || {
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
    // No preemption: loom has them left for what matters.
    loom::thread::yield_now();
    let closed = shared.close();
    let _ = other.join().unwrap();
    assert!(closed.is_err() || !shared.list.glance().has_spare(), "an M came home after the end");
    assert_eq!(shared.close(), Ok(()));
    pool.end();
}

/// A thread that came in with an M that owed nothing has bound it the plain way, and leaves for the
/// first time.
///
/// Edge: leaving x close.
#[test]
fn close_against_a_first_call_that_owes_nothing() {
    model_loads(3, || {
        let pool = ModelPool::<true>::new(Binding::Thread, UNLIMITED);
        pool.get().callback(work).expect("the pool is open");
        assert!(pool.get().unbind());
        close_against_one_call(pool);
    });
}

/// The thread leaves with a duty that could not be done, on an M that is revoked meanwhile.
///
/// Edge: making x close.
#[test]
fn close_against_a_call_whose_refill_failed() {
    model_loads(2, || close_against_one_call(ModelPool::failing(Binding::Thread, UNLIMITED, 1..3)));
}

/// Of two closers one may be told that the other is at it; contexts are dropped once, and the pool is
/// closed in the end.
///
/// Edge: close x close.
#[test]
fn two_closers() {
    model_loads(3, || {
        let pool = ModelPool::<true>::new(Binding::Thread, UNLIMITED);
        let shared = pool.get();
        shared.callback(work).expect("the pool is open");
        let other = spawn(move || shared.close());
        let closed = [shared.close(), other.join().unwrap()];
        assert!(closed.contains(&Ok(())), "{closed:?}");
        assert_eq!(shared.close(), Ok(()));
        assert_eq!(shared.stats().created, 0);
        pool.end();
    });
}

/// Edge: start x close, close x start.
#[test]
fn a_close_against_a_start() {
    model_loads(2, || {
        let pool = ModelPool::<false>::new(Binding::Call, UNLIMITED);
        let shared = pool.get();
        let other = spawn(move || shared.close());
        // It is running, or being closed, or started again.
        let started = shared.start();
        let closed = other.join().unwrap();
        assert!(started.is_ok() || started == Err(StartError::AlreadyStarted), "{started:?}");
        assert!(closed.is_ok() || started.is_err(), "busy, and nobody was inside");
        if started.is_ok() || closed.is_err() {
            shared.callback(work).expect("it is open");
        } else {
            assert_eq!(shared.callback(work), Err(EnterError::Closed));
        }
        assert_eq!(shared.close(), Ok(()));
        pool.end();
    });
}

/// Edge: start x start.
#[test]
fn of_two_starts_one_is_refused() {
    model_loads(2, || {
        let pool = ModelPool::<false>::new(Binding::Call, UNLIMITED);
        let shared = pool.get();
        assert_eq!(shared.close(), Ok(()));
        let other = spawn(move || shared.start());
        let started = [shared.start(), other.join().unwrap()];
        let refused = Err(StartError::AlreadyStarted);
        assert!(started.contains(&Ok(())) && started.contains(&refused), "{started:?}");
        shared.callback(work).expect("it is open");
        assert_eq!(shared.close(), Ok(()));
        pool.end();
    });
}

/// A thread that comes after the pool was opened again waits beside one that was turned away before, and
/// does not take what that one is to be told for its own.
#[test]
fn who_comes_after_a_reopening_is_not_turned_away() {
    model(2, || {
        let pool = ModelPool::<false>::new(Binding::Call, 1);
        let shared = pool.get();
        let inside = shared.enter().expect("the first M is spare");
        let before = spawn(move || shared.callback(work));
        assert_eq!(shared.close(), Err(Busy));
        assert_eq!(shared.reopen(), Ok(()));
        let after = spawn(move || shared.callback(work));
        work(&inside);
        drop(inside);
        let _ = before.join().unwrap();
        assert_eq!(after.join().unwrap(), Ok(()));
        pool.end_at_rest();
    });
}

fn reopening_against_a_call<const BARRIER: bool>() {
    model_loads(2, || {
        let pool = ModelPool::<BARRIER>::new(Binding::Thread, UNLIMITED);
        let shared = pool.get();
        let id = shared.callback(|m| m.id()).expect("the pool is open");
        let inside = shared.enter_from_signal().expect("the second M is spare");
        assert_eq!(shared.close(), Err(Busy));
        let other = spawn(move || shared.reopen());
        let called = shared.callback(work);
        assert!(called.is_ok() || called == Err(EnterError::Closed), "{called:?}");
        assert_eq!(other.join().unwrap(), Ok(()));
        let again = shared.callback(|m| m.id()).expect("it is open again");
        if BARRIER && called.is_ok() {
            assert_eq!(again, id, "the thread has kept its M");
        }
        drop(inside);
        assert_eq!(shared.close(), Ok(()));
        pool.end();
    });
}

/// Edge: reopen x enter.
#[test]
fn reopening_against_re_entry_of_an_m_bound_the_plain_way() {
    reopening_against_a_call::<true>();
}

#[test]
fn reopening_against_re_entry_of_an_m_bound_the_shared_way() {
    reopening_against_a_call::<false>();
}

/// A slot that `close` took from a thread is used again only when that thread has come the slow way.
///
/// Edge: enter x start again.
#[test]
fn a_thread_that_is_late_in_coming_back_meets_no_m_of_the_next_start() {
    model_loads(1, || {
        let pool = ModelPool::<true>::new(Binding::Thread, UNLIMITED);
        let shared = pool.get();
        let other = loom::thread::spawn(move || {
            let _ = shared.callback(work);
            let _ = shared.callback(work);
        });
        // No preemption: loom has them left for what matters.
        loom::thread::yield_now();
        if shared.close().is_ok() {
            shared.start().expect("it is closed");
            shared.callback(work).expect("it is open");
        }
        other.join().unwrap();
        assert_eq!(shared.close(), Ok(()));
        pool.end();
    });
}

/// A creator that has the last slot fails while the pool is closed: it owes nothing then, and whoever
/// reopens has found the limit reached.
#[test]
fn reopening_against_a_creator_that_fails() {
    model_loads(2, || {
        let pool = ModelPool::<false>::failing(Binding::Call, 1, 1..3);
        let shared = pool.get();
        // The only M goes.
        shared.enter().unwrap().discard();
        let other = spawn(move || _ = shared.callback(work));
        let closed = shared.close();
        if closed.is_err() {
            while shared.reopen().is_err() {}
        }
        other.join().unwrap();
        if closed.is_err() {
            while shared.callback(work).is_err() {}
            assert_eq!(shared.close(), Ok(()));
        }
        pool.end();
    });
}
