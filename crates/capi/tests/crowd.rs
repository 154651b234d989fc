//! As many pools as handles can name, and one more.
#![cfg(all(unix, not(miri)))]

mod face;

use extram_capi::extram_code::*;
use extram_capi::*;
use face::{config, end, enter, in_a_child, leave, new, new_context, stats, try_enter, try_new, until};
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the header says.
const POOLS: usize = if cfg!(target_pointer_width = "64") { 1024 } else { 16 };

/// One test at a time: the places are the process's.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Pools until there is no place for another one.
fn as_many_as_there_are() -> Vec<*mut extram_pool> {
    let mut pools = Vec::new();
    loop {
        match try_new(&extram_config { max_ms: 1, ..config() }) {
            Ok(pool) => pools.push(pool),
            Err(error) => {
                assert_eq!(error, EXTRAM_TOO_MANY);
                return pools;
            }
        }
    }
}

#[test]
fn there_are_as_many_places_as_the_header_says() {
    let _turn = turn();
    for _ in 0..2 {
        let mut pools = as_many_as_there_are();
        assert_eq!(pools.len(), POOLS);
        end(pools.swap_remove(POOLS / 2));
        pools.push(new(&config()));
        assert_eq!(try_new(&config()), Err(EXTRAM_TOO_MANY));
        pools.into_iter().for_each(end);
    }
}

/// Scenario 39. A thread that is in all of them at once has one M in each, a nested call shares it, and the thread
/// may end inside.
#[test]
fn a_pool_among_many_is_a_pool() {
    let _turn = turn();
    let pools = as_many_as_there_are();
    let handles: Vec<usize> = pools.iter().map(|pool| pool.addr()).collect();
    let inside = std::thread::spawn(move || {
        let pools = handles.into_iter().map(std::ptr::without_provenance_mut);
        let entered: Vec<_> = pools.map(|pool| (pool, enter(pool).expect("in"))).collect();
        for (pool, m) in entered {
            // Not a wait for the one M that there may be.
            assert_eq!((try_enter(pool), stats(pool).in_use), (Ok(m), 1));
            assert_eq!(leave(pool, m), EXTRAM_OK);
        }
    });
    inside.join().expect("no assertion failed");
    assert!(pools.iter().all(|pool| stats(*pool).in_use == 0), "the thread has ended");
    pools.into_iter().for_each(end);
}

#[test]
fn a_pool_that_cannot_be_made_takes_no_place() {
    unsafe extern "C-unwind" fn cannot(_: *mut c_void, _: *mut *mut c_void) -> c_int {
        1
    }
    let _turn = turn();
    for _ in 0..2 * POOLS {
        assert_eq!(
            try_new(&extram_config { new_context: Some(cannot), ..config() }),
            Err(EXTRAM_CREATION_FAILED)
        );
    }
    end(new(&config()));
}

/// Other threads are making pools, and are not in the child.
#[test]
fn in_a_forked_child_the_places_of_others_come_back() {
    static MAKING: AtomicBool = AtomicBool::new(false);
    static GO_ON: AtomicBool = AtomicBool::new(false);
    unsafe extern "C-unwind" fn make(runtime: *mut c_void, context: *mut *mut c_void) -> c_int {
        MAKING.store(true, SeqCst);
        until(|| GO_ON.load(SeqCst));
        // SAFETY: as the pool called it.
        unsafe { new_context(runtime, context) }
    }
    let _turn = turn();
    let making = std::thread::spawn(|| new(&extram_config { new_context: Some(make), ..config() }).addr());
    until(|| MAKING.load(SeqCst));
    assert!(in_a_child(|| {
        let pools = as_many_as_there_are();
        let all = pools.len() == POOLS;
        pools.into_iter().for_each(end);
        all
    }));
    assert_eq!(as_many_as_there_are().into_iter().map(end).count(), POOLS - 1, "not here");
    GO_ON.store(true, SeqCst);
    end(std::ptr::without_provenance_mut(making.join().expect("no panic")));
}
