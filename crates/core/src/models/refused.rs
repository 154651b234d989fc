//! Waits that end without an M, against a `close` after which the pool is freed.
//!
//! The waiter is in its call before the closer begins: nobody may call a pool that may be gone.

use crate::list::GaveUp;
use crate::models::model_loads;
use crate::models::pool::{ModelPool, Moment, SharedPool, work};
use crate::models::port::{Shared, spawn};
use crate::{Binding, Busy, EnterError, Event};
use core::time::Duration;
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

/// What the runtime of a pool uses, and its owner frees.
struct Memory(UnsafeCell<()>);

// SAFETY: the model's question: loom reports a use that is not ordered before the freeing.
unsafe impl Send for Memory {}
// SAFETY: the same.
unsafe impl Sync for Memory {}

/// The only M is in use, and a thread calls and waits; `meanwhile` happens, the M comes back, and the pool
/// is closed. Once that has succeeded, the thread touches neither the pool nor the runtime: its
/// `observe(Refused)` is over.
fn a_wait_against_close(
    preemptions: usize,
    call: fn(&'static SharedPool) -> Result<(), EnterError>,
    meanwhile: fn(&'static SharedPool),
    ends: &'static [Result<(), EnterError>],
) {
    model_loads(preemptions, move || {
        let (memory, in_call) = (Arc::new(Memory(UnsafeCell::new(()))), Arc::new(AtomicBool::new(false)));
        let foreign = {
            let (memory, in_call) = (Arc::clone(&memory), Arc::clone(&in_call));
            move |moment| match moment {
                // Release: whoever has seen it knows that the call has begun.
                Moment::Observing(Event::Waiting) => in_call.store(true, Ordering::Release),
                Moment::Observing(_) => memory.0.with(|_| ()),
                _ => {}
            }
        };
        let pool = ModelPool::<false>::with(Binding::Call, 1, foreign);
        let shared = pool.get();
        let inside = shared.enter().unwrap();
        let waiter = spawn(move || call(shared));
        while !in_call.load(Ordering::Acquire) {
            loom::thread::yield_now();
        }
        meanwhile(shared);
        drop(inside);
        let free = || {
            memory.0.with_mut(|_| ());
            pool.end();
        };
        let ended = if shared.close().is_ok() {
            free();
            waiter.join().unwrap()
        } else {
            let ended = waiter.join().unwrap();
            assert_eq!(shared.close(), Ok(()));
            free();
            ended
        };
        assert!(ends.contains(&ended), "{ended:?}");
    });
}

fn patient(pool: &'static SharedPool) -> Result<(), EnterError> {
    pool.callback(work)
}

/// Edge: enter_timeout x close, close x time-out.
#[test]
fn a_wait_that_times_out() {
    let hasty = |pool: &'static SharedPool| pool.enter_timeout(Duration::ZERO).map(|inside| work(&inside));
    a_wait_against_close(3, hasty, |_| {}, &[Ok(()), Err(EnterError::TimedOut), Err(EnterError::Closed)]);
}

/// Edge: waiting x close, close x enter.
#[test]
fn a_wait_that_close_ends() {
    let close = |pool: &'static SharedPool| assert_eq!(pool.close(), Err(Busy));
    a_wait_against_close(3, patient, close, &[Err(EnterError::Closed)]);
}

/// If the pool is open again when it hears of that it begins anew, and may be served.
///
/// Edge: reopen x enter.
#[test]
fn a_wait_that_close_ends_before_the_pool_is_opened_again() {
    let close_and_reopen = |pool: &'static SharedPool| {
        // Counted.
        while pool.stats().waiting == 0 {
            loom::thread::yield_now();
        }
        assert_eq!(pool.close(), Err(Busy));
        assert_eq!(pool.reopen(), Ok(()));
    };
    // Three take ten minutes.
    a_wait_against_close(2, patient, close_and_reopen, &[Ok(()), Err(EnterError::Closed)]);
}

/// Somebody had a claim, and failed to meet it.
#[test]
fn a_wait_that_a_failed_creation_ends() {
    let fail = |pool: &'static SharedPool| {
        let claim = pool.list.claim_extra::<Shared>().expect("it can be counted");
        while pool.stats().waiting == 0 {
            loom::thread::yield_now();
        }
        assert_eq!(pool.list.give_up::<Shared>(claim), GaveUp::Told);
    };
    a_wait_against_close(3, patient, fail, &[Err(EnterError::CreationFailed)]);
}
