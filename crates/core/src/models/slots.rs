//! Slots that go from one pool to another.

use crate::models::pool::{Room, work};
use crate::models::port::spawn;
use crate::models::{model, model_loads};
use crate::{Binding, EnterError, StartError};
use std::vec::Vec;

/// A thread of the first pool is late: on its way in, or back to the M that it had bound, while the slots
/// change owners under it.
fn a_late_thread_of_the_first_pool(binding: Binding, calls: usize) {
    let room = Room::<1>::new();
    let (first, second) = (room.pool(binding), room.pool(binding));
    let (old, new) = (first.get(), second.get());
    old.start().unwrap();
    let late = spawn(move || {
        for _ in 0..calls {
            let called = old.callback(work);
            assert!(called.is_ok() || called == Err(EnterError::Closed), "{called:?}");
        }
    });
    // It may be inside, or being turned away, or ending.
    let closed = old.close().is_ok();
    assert_eq!(new.start(), if closed { Ok(()) } else { Err(StartError::SlotsInUse) });
    if closed {
        new.callback(work).expect("it is open");
        let stats = new.stats();
        assert_eq!((stats.created, stats.in_use), (1, 0), "{stats:?}");
    }
    late.join().unwrap();
    if closed {
        second.end_at_rest();
    } else {
        second.end();
    }
    first.end_at_rest();
    room.end();
}

/// Edge: first entry x close/start again.
#[test]
fn slots_change_owners_under_a_thread_that_comes_late() {
    model_loads(3, || a_late_thread_of_the_first_pool(Binding::Call, 1));
}

/// Edge: enter x start again.
#[test]
fn slots_change_owners_under_a_thread_that_comes_back_late() {
    model_loads(2, || a_late_thread_of_the_first_pool(Binding::Thread, 2));
}

/// The same, and in the new pool the slot is bound and idle when the late thread looks at it.
///
/// Edge: try_enter x start again.
#[test]
fn a_late_thread_does_not_take_back_an_idle_m_of_the_next_pool() {
    model_loads(2, || {
        let room = Room::<1>::new();
        let (first, second) = (room.pool(Binding::Thread), room.pool(Binding::Thread));
        let (old, new) = (first.get(), second.get());
        old.start().unwrap();
        old.callback(work).unwrap();
        let late = spawn(move || match old.try_enter() {
            Ok(inside) => work(&inside),
            Err(error) => assert!(matches!(error, EnterError::Closed | EnterError::Exhausted), "{error:?}"),
        });
        if old.close().is_ok() {
            new.start().unwrap();
            new.callback(work).unwrap();
            let stats = new.stats();
            assert_eq!((stats.created, stats.bound_idle), (1, 1), "{stats:?}");
        }
        late.join().unwrap();
        if old.close().is_ok() && new.close().is_ok() {
            assert_eq!((old.stats().created, new.stats().created), (0, 0));
        }
        second.end();
        first.end();
        room.end();
    });
}

/// What the last owner did with the slots comes before what the next one does.
///
/// Edge: close x start.
#[test]
fn a_close_against_the_start_of_the_next_owner() {
    model_loads(3, || {
        let room = Room::<2>::new();
        let (first, second) = (room.pool(Binding::Call), room.pool(Binding::Call));
        let (old, new) = (first.get(), second.get());
        old.start().unwrap();
        old.callback(work).unwrap();
        let closer = spawn(move || old.close());
        while let Err(refused) = new.start() {
            assert_eq!(refused, StartError::SlotsInUse);
            loom::thread::yield_now();
        }
        new.callback(work).unwrap();
        assert_eq!(closer.join().unwrap(), Ok(()));
        second.end_at_rest();
        first.end_at_rest();
        room.end();
    });
}

/// Each owner links the slots in its own way, and finds them as if nobody had used them.
///
/// Edge: trim x start again.
#[test]
fn slots_come_back_as_if_they_were_new() {
    model(1, || {
        let room = Room::<3>::new();
        let (first, second) = (room.pool(Binding::Call), room.pool(Binding::Call));
        for (pool, spare) in [(&first, 3), (&second, 2), (&first, 3), (&second, 3)] {
            let pool = pool.get();
            pool.start().unwrap();
            pool.prewarm(spare).unwrap();
            pool.trim(1);
            pool.prewarm(spare).unwrap();
            let mut ids: Vec<u32> = pool.ms().map(|m| m.id).collect();
            ids.sort_unstable();
            assert!(ids.into_iter().eq(1..=spare));
            assert_eq!(pool.close(), Ok(()));
        }
        first.end();
        second.end();
        room.end();
    });
}
