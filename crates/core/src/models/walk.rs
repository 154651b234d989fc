//! Observing: against threads that make Ms.

use crate::Binding;
use crate::models::model;
use crate::models::pool::{ModelPool, read};
use crate::models::port::spawn;

const UNLIMITED: u32 = u32::MAX;

/// loom would see a read that is not ordered after the making of the context.
///
/// Edge: walk x enter, making x walk.
#[test]
fn a_context_that_an_observer_finds_is_complete() {
    model(3, || {
        let pool = ModelPool::<false>::new(Binding::Call, UNLIMITED);
        let shared = pool.get();
        // Takes the first M and makes the second; nobody writes to either context.
        let other = spawn(move || drop(shared.enter().unwrap()));
        // Not counted as a preemption, so that loom has some left for what matters.
        loom::thread::yield_now();
        shared.ms().for_each(|m| read(&m));
        other.join().unwrap();
        assert_eq!(shared.stats().created, 2);
        pool.end_at_rest();
    });
}

/// The third M lies in the table's second segment. First the figures, which look at fewer words.
///
/// Edge: walk x trim, prewarm x walk.
#[test]
fn an_observer_follows_the_table_as_it_grows() {
    model(2, || {
        let pool = ModelPool::<false>::new(Binding::Call, UNLIMITED);
        let shared = pool.get();
        let other = spawn(move || shared.prewarm(3));
        loom::thread::yield_now();
        assert!(shared.stats().created <= 3);
        shared.ms().for_each(|m| read(&m));
        assert_eq!(other.join().unwrap(), Ok(()));
        assert_eq!(shared.stats().created, 3);
        pool.end_at_rest();
    });
}
