//! A system that has no thread-local storage left. The only test of its process, because it takes
//! all of it.
#![cfg(unix)]

use extram::Pool;
use extram_hosted::{Witness, alone, call, close, crew, in_turn, rest, started};

/// Scenario 24.
#[test]
fn without_thread_local_storage_a_call_works_unbound() {
    let mut keys = Vec::new();
    let mut key = 0;
    // SAFETY: a place for the key; no destructor.
    while unsafe { libc::pthread_key_create(&mut key, None) } == 0 {
        keys.push(key);
    }
    assert!(keys.len() > 100, "the system gives keys, up to a limit");
    let pool = started(Pool::new(Witness::default()));
    for _ in 0..100 {
        call(pool);
        rest(pool, 0);
    }
    assert_eq!(crew(8, 0, |_| (0..1000).for_each(|_| _ = call(pool))), 8);
    rest(pool, 0);
    // The thread does not find its M again: a nested call gets another one, which is right too.
    let outer = pool.enter().unwrap();
    let inner = pool.enter().unwrap();
    assert_ne!(outer.id(), inner.id());
    alone(&outer, || alone(&inner, || ()));
    drop(inner);
    drop(outer);
    in_turn(10, 0, |_| _ = call(pool));
    rest(pool, 0);
    close(pool);

    // With storage again, a pool binds again.
    for key in keys {
        // SAFETY: made above.
        unsafe { libc::pthread_key_delete(key) };
    }
    pool.start().unwrap();
    call(pool);
    rest(pool, 1);
    close(pool);
}
