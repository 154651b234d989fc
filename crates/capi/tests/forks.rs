//! Forked children, in which one thread is left.
#![cfg(all(unix, not(miri)))]

mod face;

use extram_capi::extram_code::*;
use extram_capi::*;
use face::{code, config, end, enter, in_a_child, leave, new, stats, until};
use std::ffi::{c_char, c_int, c_void};
use std::ptr::{null_mut, without_provenance_mut};
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering::SeqCst};

/// A child of `fork` can free what was in use in its parent by threads that did not come along.
#[test]
fn a_forked_child_is_not_held_up_by_its_parents_threads() {
    let pool = new(&extram_config { max_ms: 1, binding: EXTRAM_BIND_CALL, ..config() });
    let m = enter(pool).expect("in");
    let there = pool.addr();
    let waiter = std::thread::spawn(move || enter(without_provenance_mut(there)).map(<*mut _>::addr));
    until(|| stats(pool).waiting == 1);
    assert!(in_a_child(|| leave(pool, m) == EXTRAM_OK
        && code(extram_pool_close(pool)) == EXTRAM_OK
        && code(extram_pool_free(pool)) == EXTRAM_OK
        && enter(pool) == Err(EXTRAM_INVALID)));
    // Here the waiter is still being waited for.
    assert_eq!(code(extram_pool_close(pool)), EXTRAM_BUSY);
    assert_eq!(leave(pool, m), EXTRAM_OK);
    assert_eq!(waiter.join().expect("no panic"), Err(EXTRAM_CLOSED));
    end(pool);
}

/// Wherever in `extram_pool_free`, `extram_enter` or `extram_stats_get` the others are: in the child
/// the pool is there or gone, and what is there can be freed.
#[test]
fn a_pool_that_others_free_and_ask_for_can_be_freed_in_the_child() {
    let pool = new(&config());
    assert_eq!(code(extram_pool_close(pool)), EXTRAM_OK);
    let (there, done, begun) = (pool.addr(), AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let call = || {
            let pool = without_provenance_mut(there);
            while !done.load(SeqCst) {
                // Found closed, as long as this thread keeps it: see below.
                assert!([Err(EXTRAM_CLOSED), Err(EXTRAM_INVALID)].contains(&enter(pool)));
                begun.store(true, SeqCst);
            }
        };
        let free = || {
            let mut freed = false;
            while !done.load(SeqCst) {
                freed |= code(extram_pool_free(without_provenance_mut(there))) == EXTRAM_OK;
            }
            freed
        };
        let (_, freeing) = (scope.spawn(call), scope.spawn(free));
        until(|| begun.load(SeqCst));
        for _ in 0..100 {
            assert!(in_a_child(|| {
                let freed = code(extram_pool_free(pool));
                [EXTRAM_OK, EXTRAM_INVALID].contains(&freed) && enter(pool) == Err(EXTRAM_INVALID)
            }));
        }
        done.store(true, SeqCst);
        if !freeing.join().expect("no panic") {
            face::free(pool);
        }
    });
}

/// A thread may fork in what it is shown the Ms, or told the state, of a pool by: in the child that pool
/// is not freed before it has been shown, whichever way the thread says that it is at work on it.
#[test]
fn a_walk_goes_on_in_the_child_that_was_forked_in_it() {
    static POOLS: [AtomicPtr<extram_pool>; 2] = [const { AtomicPtr::new(null_mut()) }; 2];
    fn stay() -> bool {
        let pools = POOLS.each_ref().map(|pool| pool.load(SeqCst));
        pools.map(|pool| code(extram_pool_close(pool))) == [EXTRAM_OK; 2]
            && pools.map(|pool| code(extram_pool_free(pool))) == [EXTRAM_BUSY; 2]
    }
    fn held_up() -> c_int {
        c_int::from(in_a_child(stay))
    }
    extern "C-unwind" fn innermost(_: *mut c_void, _: *const extram_m_info) -> c_int {
        held_up()
    }
    extern "C-unwind" fn told(_: *mut c_void, _: *const c_char, _: usize) -> c_int {
        held_up()
    }
    // The thread's note names the first pool, so this is counted.
    extern "C-unwind" fn outer(_: *mut c_void, _: *const extram_m_info) -> c_int {
        let second = POOLS[1].load(SeqCst);
        // SAFETY: functions of those types.
        unsafe {
            let shown = extram_each_m(second, Some(innermost), null_mut());
            c_int::from(shown == 1 && extram_dump(second, Some(told), null_mut()) == 1)
        }
    }
    for pool in &POOLS {
        pool.store(new(&extram_config { binding: EXTRAM_BIND_CALL, ..config() }), SeqCst);
    }
    let pools = POOLS.each_ref().map(|pool| pool.load(SeqCst));
    let there = pools.map(|pool| pool.addr());
    // SAFETY: a function of that type.
    let shown = unsafe { extram_each_m(pools[0], Some(outer), null_mut()) };
    assert_eq!(shown, 1, "each way was tried, in a child");
    for pool in there {
        end(without_provenance_mut(pool));
    }
}
