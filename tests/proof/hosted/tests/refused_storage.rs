//! A system that has no thread-local keys left. The only test of its process, because it takes
//! all of it.
#![cfg(unix)]

use extram::Pool;
use extram_hosted::{Witness, close, in_turn, rest, started};
use std::sync::atomic::Ordering::SeqCst;

/// Scenarios 24 and 39.
#[test]
fn when_the_system_has_no_keys_left_calls_nest_and_ms_come_home_in_every_pool() {
    let mut keys = Vec::new();
    let mut key = 0;
    // SAFETY: a place for the key; no destructor.
    while unsafe { libc::pthread_key_create(&mut key, None) } == 0 {
        keys.push(key);
    }
    assert!(keys.len() > 100, "the system gives keys, up to a limit");
    // The library has its own since it was loaded, and needs no other for however many pools.
    let pools: Vec<_> = (0..70).map(|_| started(Pool::new(Witness::default()).limit(1))).collect();
    for pool in &pools {
        in_turn(1, 0, |_| {
            let outer = pool.enter().unwrap();
            let inner = pool.enter().unwrap();
            assert_eq!(outer.id(), inner.id(), "a nested call shares the M, or would wait for ever");
            drop((outer, inner));
            rest(pool, 1);
            let outer = pool.enter().unwrap();
            pool.enter().unwrap().discard();
            assert_eq!(pool.runtime().dropped.load(SeqCst), 0, "it goes with the outer call");
            drop(outer);
            assert_eq!(pool.runtime().dropped.load(SeqCst), 1);
            rest(pool, 0);
            drop(pool.enter().unwrap());
        });
        rest(pool, 0);
    }
    for key in keys {
        // SAFETY: made above.
        unsafe { libc::pthread_key_delete(key) };
    }
    pools.into_iter().for_each(close);
}
