//! Ms that stay with threads which C made, and come back when those exit.
#![cfg(unix)]

use extram::{Binding, Pool};
use extram_hosted::{Witness, call, close, crew, in_turn, rest, scaled, started};
use std::sync::Barrier;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;

/// Scenario 16.
#[test]
fn a_bound_thread_keeps_its_m() {
    let pool = started(Pool::new(Witness::default()));
    in_turn(1, 0, |_| {
        let id = call(pool);
        assert!((0..100).all(|_| call(pool) == id));
    });
    rest(pool, 0);
    close(pool);
}

/// Scenario 16.
#[test]
fn two_threads_in_step_see_only_their_own() {
    let pool = started(Pool::new(Witness::default()));
    let step = Barrier::new(2);
    let ids = [AtomicU32::new(0), AtomicU32::new(0)];
    let made = crew(2, 0, |index| {
        for _ in 0..100 {
            step.wait();
            let entered = pool.enter().unwrap();
            let before = ids[index as usize].swap(entered.id(), SeqCst);
            assert!(before == 0 || before == entered.id());
            // Both are inside.
            step.wait();
        }
    });
    assert_eq!(made, 2);
    assert_ne!(ids[0].load(SeqCst), ids[1].load(SeqCst));
    rest(pool, 0);
    close(pool);
}

/// Scenario 17.
#[test]
fn the_next_thread_uses_the_same_m() {
    let pool = started(Pool::new(Witness::default()));
    let before = AtomicU32::new(0);
    in_turn(100, 64 << 10, |_| {
        let id = call(pool);
        let before = before.swap(id, SeqCst);
        assert!(before == 0 || before == id);
    });
    assert_eq!(rest(pool, 0), 2);
    close(pool);
}

/// Scenario 18.
#[test]
fn a_hundred_thousand_threads_need_as_many_ms_as_the_busiest_moment() {
    for binding in [Binding::Thread, Binding::Call] {
        let pool = started(Pool::new(Witness::default()).binding(binding));
        let all = Barrier::new(8);
        assert_eq!(crew(8, 0, |_| drop((pool.enter().unwrap(), all.wait()))), 8);
        let busiest = rest(pool, 0);
        assert!((8..=9).contains(&busiest), "{busiest}");
        let threads = scaled(50_000);
        assert_eq!(in_turn(threads, 64 << 10, |_| _ = call(pool)), threads);
        assert_eq!(rest(pool, 0), busiest);
        close(pool);
    }
}
