//! The life of a pool: closing, starting and reopening against each other, and against threads that
//! end and handlers that come.

use crate::models::pool::{ModelPool, Moment, Room, read, work};
use crate::models::port::spawn;
use crate::models::{model, model_loads};
use crate::{Binding, Busy, EnterError, StartError};
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use std::sync::Arc;

const UNLIMITED: u32 = u32::MAX;

/// Once with all orders of loads, once with more preemptions.
fn both(f: fn()) {
    model_loads(1, f);
    model(2, f);
}

/// A thread is bound and ends, while the pool is closed and started again. The next owner of its M meets
/// nothing of it, and the exit hook nothing of the next start.
fn a_bound_thread_exits_while_the_pool_starts_again<const BARRIER: bool>(limit: u32) {
    let pool = ModelPool::<BARRIER>::new(Binding::Thread, limit);
    let shared = pool.get();
    let other = spawn(move || shared.callback(work));
    if shared.close().is_ok() {
        shared.start().expect("it is closed");
        shared.callback(work).expect("it is open");
    }
    let called = other.join().unwrap();
    assert!(called.is_ok() || called == Err(EnterError::Closed), "{called:?}");
    let _ = shared.reopen();
    shared.callback(work).expect("it is open, and nobody else is there");
    assert!(shared.unbind());
    let stats = shared.stats();
    assert_eq!(stats.bound_idle, 0, "the other one has ended: {stats:?}");
    pool.end_at_rest();
}

/// Edge: thread exit x start/close/start again, close x leave/start again.
#[test]
fn the_exit_of_a_thread_bound_the_plain_way_against_close_and_start() {
    both(|| a_bound_thread_exits_while_the_pool_starts_again::<true>(UNLIMITED));
}

/// Edge: thread exit x no barrier/start again.
#[test]
fn the_exit_of_a_thread_bound_the_shared_way_against_close_and_start() {
    both(|| a_bound_thread_exits_while_the_pool_starts_again::<false>(UNLIMITED));
}

/// Edge: thread exit x close.
#[test]
fn the_exit_of_a_thread_whose_m_may_be_taken_back_against_close_and_start() {
    both(|| a_bound_thread_exits_while_the_pool_starts_again::<false>(1));
}

/// The pool is reopened while a thread ends whose M `close` had revoked: the M comes home.
///
/// Edge: reopen x leave, thread exit x close.
#[test]
fn the_exit_of_a_bound_thread_against_reopening() {
    both(|| {
        let pool = ModelPool::<true>::new(Binding::Thread, UNLIMITED);
        let shared = pool.get();
        shared.prewarm(2).unwrap();
        let inside = shared.enter_from_signal().unwrap();
        let other = spawn(move || shared.callback(work));
        // No preemption: loom has them left for what matters.
        thread::yield_now();
        assert_eq!(shared.close(), Err(Busy));
        assert_eq!(shared.reopen(), Ok(()));
        // Perhaps with the M that the other one had.
        shared.callback(work).expect("it is open");
        shared.unbind();
        let called = other.join().unwrap();
        assert!(called.is_ok() || called == Err(EnterError::Closed), "{called:?}");
        let stats = shared.stats();
        assert_eq!(stats.bound_idle, 0, "its thread has ended: {stats:?}");
        drop(inside);
        pool.end_at_rest();
    });
}

/// A start meets a close, a start and a close that is refused. What it looked at first comes back.
///
/// Edge: start x start/close/start again, close x start/start again.
#[test]
fn a_start_against_one_who_closes_starts_and_closes() {
    model_loads(3, || {
        let pool = ModelPool::<false>::new(Binding::Call, UNLIMITED);
        let shared = pool.get();
        let inside = shared.enter().unwrap();
        assert_eq!(shared.close(), Err(Busy));
        drop(inside);
        let other = spawn(move || shared.start());
        let closed = shared.close();
        let inside = shared.start().is_ok().then(|| shared.enter().unwrap());
        let again = shared.close();
        let started = other.join().unwrap();
        assert!(started.is_ok() || started == Err(StartError::AlreadyStarted), "{started:?}");
        assert!(closed.is_ok() || started.is_ok(), "busy, and nobody was inside");
        if let Some(inside) = inside {
            assert_eq!((again, started), (Err(Busy), Err(StartError::AlreadyStarted)));
            work(&inside);
        }
        assert_eq!(shared.close(), Ok(()));
        assert_eq!(shared.stats().created, 0);
        pool.end();
    });
}

/// Whoever was let in knows that the pool was started: from then on it is closed, if anything.
///
/// Edge: start x enter, first entry x start, close x enter.
#[test]
fn a_thread_that_was_let_in_is_not_told_that_the_pool_never_started() {
    model(2, || {
        let room = Room::<1>::new();
        let pool = room.pool(Binding::Call);
        let shared = pool.get();
        let other = spawn(move || {
            let called = [(); 2].map(|()| shared.callback(work));
            let ends = [Ok(()), Err(EnterError::Closed)];
            match called[0] {
                Err(EnterError::NotStarted) => {}
                Ok(()) | Err(EnterError::Closed) => assert!(ends.contains(&called[1]), "{called:?}"),
                _ => panic!("{called:?}"),
            }
        });
        shared.start().unwrap();
        // No preemption, see above.
        thread::yield_now();
        let _ = shared.close();
        other.join().unwrap();
        assert_eq!(shared.close(), Ok(()));
        pool.end();
        room.end();
    });
}

/// Another thread's close is seen to be over: the pool may go, though that one has not said so yet.
///
/// Edge: close x close.
#[test]
fn a_second_closer_may_free_the_pool() {
    model_loads(3, || {
        let (first, theirs) = (thread::current().id(), Arc::new(AtomicBool::new(false)));
        let foreign = {
            let theirs = Arc::clone(&theirs);
            move |moment| {
                if moment == Moment::Dropping && thread::current().id() != first {
                    // Relaxed: nothing but that it is so.
                    theirs.store(true, Ordering::Relaxed);
                }
            }
        };
        let pool = ModelPool::<true>::with(Binding::Thread, UNLIMITED, foreign);
        let shared = pool.get();
        let other = spawn(move || shared.close());
        if shared.close().is_ok() && theirs.load(Ordering::Relaxed) {
            pool.end();
            assert_eq!(other.join().unwrap(), Ok(()));
        } else {
            let _ = other.join().unwrap();
            assert_eq!(shared.close(), Ok(()));
            pool.end();
        }
    });
}

/// A thread whose first call is under way when the pool is closed may come too late to be revoked. Once
/// `close` has returned, its next call is turned away all the same.
fn a_call_after_close<const BARRIER: bool>(limit: u32) {
    let pool = ModelPool::<BARRIER>::new(Binding::Thread, limit);
    let shared = pool.get();
    let closed = Arc::new(AtomicBool::new(false));
    let other = {
        let closed = Arc::clone(&closed);
        thread::spawn(move || {
            let called = shared.callback(work);
            assert!(called.is_ok() || called == Err(EnterError::Closed), "{called:?}");
            while !closed.load(Ordering::Acquire) {
                thread::yield_now();
            }
            shared.callback(work)
        })
    };
    // No preemption, see above.
    thread::yield_now();
    let _ = shared.close();
    closed.store(true, Ordering::Release);
    assert_eq!(other.join().unwrap(), Err(EnterError::Closed));
    assert_eq!(shared.close(), Ok(()));
    pool.end();
}

/// Edge: first entry x close, enter x close.
#[test]
fn the_call_after_a_close_is_turned_away_where_ms_are_bound_the_plain_way() {
    model(3, || a_call_after_close::<true>(UNLIMITED));
}

/// Edge: going idle x close.
#[test]
fn the_call_after_a_close_is_turned_away_where_ms_are_bound_the_shared_way() {
    model(3, || a_call_after_close::<false>(UNLIMITED));
}

#[test]
fn the_call_after_a_close_is_turned_away_under_a_limit() {
    model(3, || a_call_after_close::<false>(1));
}

/// Nothing of a closed pool is touched when a thread ends that used it.
fn the_pool_is_freed_while_a_thread_ends<const BARRIER: bool>(limit: u32) {
    let pool = ModelPool::<BARRIER>::new(Binding::Thread, limit);
    let shared = pool.get();
    let called = Arc::new(AtomicBool::new(false));
    let other = {
        let called = Arc::clone(&called);
        spawn(move || {
            shared.callback(work).expect("the pool is open");
            // Release: the last call is over. What is left is the exit hook.
            called.store(true, Ordering::Release);
        })
    };
    while !called.load(Ordering::Acquire) {
        thread::yield_now();
    }
    if shared.close().is_ok() {
        pool.end();
        other.join().unwrap();
    } else {
        // It was in its hook.
        other.join().unwrap();
        assert_eq!(shared.close(), Ok(()));
        pool.end();
    }
}

/// Edge: close x leave, thread exit x close.
#[test]
fn a_pool_is_freed_while_a_thread_ends_that_was_bound_the_plain_way() {
    model_loads(2, || the_pool_is_freed_while_a_thread_ends::<true>(UNLIMITED));
}

/// Edge: thread exit x no barrier.
#[test]
fn a_pool_is_freed_while_a_thread_ends_that_was_bound_the_shared_way() {
    model_loads(2, || the_pool_is_freed_while_a_thread_ends::<false>(UNLIMITED));
}

fn a_handler_calls<const BARRIER: bool>(binding: Binding) {
    let pool = ModelPool::<BARRIER>::new(binding, UNLIMITED);
    let shared = pool.get();
    let other = spawn(move || {
        let inside = shared.enter_from_signal()?;
        work(&inside);
        Ok(())
    });
    let closed = shared.close();
    let called = other.join().unwrap();
    assert!(called.is_ok() || called == Err(EnterError::Closed), "{called:?}");
    assert!(closed == Ok(()) || shared.close() == Ok(()));
    assert_eq!(shared.stats().created, 0);
    pool.end();
}

/// Edge: close x handler, enter_from_signal x close.
#[test]
fn close_against_a_handler_where_ms_are_bound_the_plain_way() {
    model_loads(3, || a_handler_calls::<true>(Binding::Thread));
}

#[test]
fn close_against_a_handler_where_ms_are_bound_the_shared_way() {
    model_loads(3, || a_handler_calls::<false>(Binding::Thread));
}

#[test]
fn close_against_a_handler_where_ms_are_not_bound() {
    model_loads(3, || a_handler_calls::<false>(Binding::Call));
}

/// The guard outlives its handler, and the thread too.
///
/// Edge: close x guard forgotten, enter_from_signal x guard forgotten.
#[test]
fn a_guard_that_a_handler_leaks_keeps_its_m_from_close() {
    model_loads(3, || {
        let pool = ModelPool::<true>::new(Binding::Thread, UNLIMITED);
        let shared = pool.get();
        let other = spawn(move || {
            let inside = shared.enter_from_signal().ok()?;
            Some(core::mem::ManuallyDrop::new(inside).id())
        });
        let closed = shared.close();
        let leaked = other.join().unwrap();
        if leaked.is_some() {
            assert_eq!((closed, shared.close()), (Err(Busy), Err(Busy)));
            shared.ms().filter(|m| m.depth > 0).for_each(|m| read(&m));
            assert_eq!(shared.stats().in_use, 1);
        } else {
            assert_eq!(shared.close(), Ok(()));
        }
        pool.end();
    });
}
