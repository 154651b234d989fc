//! Trimming: against threads that take, and against threads that wait for the slot.

use crate::Binding;
use crate::models::pool::{ModelPool, two_that_stay, work};
use crate::models::port::spawn;
use crate::models::{model, model_loads};

/// Edge: trim x enter/leave.
#[test]
fn no_context_is_used_after_trim_dropped_it() {
    model(3, || {
        let pool = ModelPool::<false>::new(Binding::Call, 2);
        let shared = pool.get();
        shared.prewarm(2).unwrap();
        let other = spawn(move || shared.callback(work).unwrap());
        let dropped = shared.trim(1);
        other.join().unwrap();
        assert!(dropped <= 1, "{dropped} dropped");
        assert!(shared.stats().spare >= 1);
        pool.end_at_rest();
    });
}

/// Edge: trim x trim.
#[test]
fn two_trims_leave_what_both_of_them_keep() {
    model(2, || {
        let pool = ModelPool::<false>::new(Binding::Call, 3);
        let shared = pool.get();
        shared.prewarm(3).unwrap();
        let other = spawn(move || shared.trim(1));
        let dropped = shared.trim(1) + other.join().unwrap();
        let stats = shared.stats();
        assert_eq!(stats.spare + dropped, 3, "{stats:?}");
        assert!(stats.spare >= 1, "{stats:?}");
        pool.end_at_rest();
    });
}

/// Whoever gives an M notes by its head how many are spare, which whoever gives the next one builds upon.
#[test]
fn what_is_noted_at_the_head_is_how_many_are_spare() {
    model_loads(2, || {
        let pool = ModelPool::<false>::with_spare_max(Binding::Call, 3, 3);
        let shared = pool.get();
        shared.prewarm(3).unwrap();
        let twice = move || (0..2).for_each(|_| shared.callback(work).unwrap());
        let other = spawn(twice);
        shared.callback(work).unwrap();
        other.join().unwrap();
        let has = |least| shared.list.has_at_least(&shared.table, least);
        assert!(has(3) && !has(4));
        pool.end_at_rest();
    });
}

/// The limit is reached while `trim` has its two Ms in hand, so a thread that waits then can only be
/// served by the slot that `trim` frees: somebody must notice.
#[test]
fn a_slot_that_trim_frees_is_filled_again_for_those_who_wait() {
    model(1, || {
        let pool = ModelPool::<false>::new(Binding::Call, 2);
        let shared = pool.get();
        shared.prewarm(2).unwrap();
        let others = two_that_stay(shared);
        shared.trim(1);
        for other in others {
            other.join().unwrap();
        }
        pool.end();
    });
}
