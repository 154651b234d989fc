//! What a thread remembers of its last calls ([the seat](../src/seat.rs)) is never more than the truth: the
//! short way answers as the long one does, whatever came in between.

mod face;

use extram_capi::extram_code::*;
use extram_capi::*;
use face::{code, config, end, enter, leave, new, stats};
use std::ptr::null_mut;
use std::sync::Barrier;

/// Goes all the way round, and checks what the M says.
fn call(pool: *mut extram_pool) -> usize {
    let m = enter(pool).expect("in");
    assert_eq!((extram_depth(m), stats(pool).in_use), (1, 1));
    assert!(!extram_context(m).is_null());
    assert_eq!(leave(pool, m), EXTRAM_OK);
    outside(pool, m);
    m.addr()
}

/// The thread is not inside a call with the M.
fn outside(pool: *mut extram_pool, m: *mut extram_m) {
    assert_eq!((extram_m_id(m), extram_depth(m)), (0, 0));
    assert!(extram_context(m).is_null() && extram_user(m).is_null());
    assert_eq!(leave(pool, m), EXTRAM_INVALID);
    assert_eq!(code(extram_leave_to(pool, m, 0)), EXTRAM_INVALID);
    assert_eq!(code(extram_discard(pool, m)), EXTRAM_INVALID);
}

#[test]
fn two_pools_in_turn_and_in_each_other() {
    let (one, other) = (new(&config()), new(&config()));
    for _ in 0..3 {
        assert_ne!(call(one), call(other));
    }
    for _ in 0..3 {
        let outer = enter(one).expect("in");
        assert_eq!(extram_m_id(outer), 1);
        let inner = enter(other).expect("in the other, too");
        assert_eq!(leave(one, inner), EXTRAM_INVALID, "the other's");
        assert_eq!(leave(other, outer), EXTRAM_INVALID, "the one's");
        assert!(!extram_context(outer).is_null() && !extram_context(inner).is_null());
        let again = enter(one).expect("nested");
        assert_eq!((again, extram_depth(outer)), (outer, 2));
        assert_eq!(leave(one, outer), EXTRAM_OK);
        assert_eq!(leave(other, inner), EXTRAM_OK);
        outside(other, inner);
        assert_eq!((extram_depth(outer), leave(one, outer)), (1, EXTRAM_OK));
        outside(one, outer);
    }
    end(one);
    end(other);
}

#[test]
fn an_m_that_was_given_back_is_not_the_threads_any_more() {
    let pool = new(&config());
    let mine = call(pool);
    assert_eq!(code(extram_unbind(pool)), EXTRAM_OK);
    let (taken, done) = (Barrier::new(2), Barrier::new(2));
    let there = pool.addr();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let pool = std::ptr::without_provenance_mut(there);
            // The list is a stack, so it is the one that was given back.
            let m = enter(pool).expect("in");
            assert_eq!(m.addr(), mine);
            taken.wait();
            done.wait();
            assert_eq!((extram_depth(m), leave(pool, m)), (1, EXTRAM_OK));
        });
        taken.wait();
        outside(pool, std::ptr::without_provenance_mut(mine));
        let m = enter(pool).expect("another");
        assert_ne!(m.addr(), mine);
        assert_eq!((extram_depth(m), leave(pool, m)), (1, EXTRAM_OK));
        done.wait();
        other.join().expect("no panic");
    });
    end(pool);
}

#[test]
fn the_next_pool_in_the_place_of_one_that_was_freed_is_another() {
    let mut before = null_mut();
    for _ in 0..5 {
        let pool = new(&config());
        assert_ne!(pool, before);
        let mut m = null_mut();
        // SAFETY: a place to write to.
        assert_eq!(code(unsafe { extram_enter(before, &mut m) }), EXTRAM_INVALID);
        call(pool);
        call(pool);
        end(pool);
        // SAFETY: as above.
        assert_eq!(code(unsafe { extram_enter(pool, &mut m) }), EXTRAM_INVALID);
        assert!(m.is_null());
        before = pool;
    }
}

#[test]
fn a_closed_pool_lets_nobody_in_and_one_that_is_reopened_does() {
    let pool = new(&config());
    call(pool);
    let m = enter(pool).expect("in");
    let there = pool.addr();
    let closing =
        std::thread::spawn(move || code(extram_pool_close(std::ptr::without_provenance_mut(there))));
    assert_eq!(closing.join().expect("no panic"), EXTRAM_BUSY);
    assert_eq!(enter(pool), Ok(m), "nested calls get in");
    assert_eq!((leave(pool, m), leave(pool, m)), (EXTRAM_OK, EXTRAM_OK));
    outside(pool, m);
    assert_eq!(enter(pool), Err(EXTRAM_CLOSED));
    assert_eq!(code(extram_pool_reopen(pool)), EXTRAM_OK);
    call(pool);
    call(pool);
    end(pool);
}

#[test]
fn calls_end_in_other_ways_than_by_leaving() {
    let pool = new(&config());
    call(pool);
    let m = enter(pool).expect("in");
    for _ in 0..4 {
        assert_eq!(enter(pool), Ok(m));
    }
    assert_eq!(code(extram_leave_to(pool, m, 2)), EXTRAM_OK);
    assert_eq!(extram_depth(m), 2);
    assert_eq!(code(extram_leave_to(pool, m, 0)), EXTRAM_OK);
    outside(pool, m);
    let m = enter(pool).expect("in");
    assert_eq!(code(extram_discard(pool, m)), EXTRAM_OK);
    outside(pool, m);
    call(pool);
    call(pool);
    end(pool);
}

/// The hook at the end of the thread leaves for it. What runs after that is outside.
#[cfg(unix)]
#[test]
#[cfg_attr(miri, ignore = "the order of destructors is not its own")]
fn a_thread_that_ends_inside_is_outside_in_its_last_destructors() {
    static POOL: std::sync::atomic::AtomicPtr<extram_pool> = std::sync::atomic::AtomicPtr::new(null_mut());
    static LOOKED: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    thread_local! {
        static M: Cell<*mut extram_m> = const { Cell::new(null_mut()) };
    }
    use std::cell::Cell;
    use std::sync::atomic::Ordering::SeqCst;

    /// In the second round of destructors of keys, after the hook in the first.
    extern "C" fn round(value: *mut libc::c_void) {
        let (key, rounds) = (value.addr() >> 8, value.addr() & 0xff);
        if rounds < 3 {
            let next = std::ptr::without_provenance::<libc::c_void>(key << 8 | (rounds + 1));
            // SAFETY: the key lives as long as the process.
            unsafe { libc::pthread_setspecific(key as libc::pthread_key_t, next) };
            return;
        }
        let m = M.with(Cell::get);
        outside(POOL.load(SeqCst), m);
        LOOKED.fetch_add(1, SeqCst);
    }
    let pool = new(&config());
    POOL.store(pool, SeqCst);
    let mut key = 0;
    // SAFETY: a place for the key.
    assert_eq!(unsafe { libc::pthread_key_create(&mut key, Some(round)) }, 0);
    let there = pool.addr();
    let thread = std::thread::spawn(move || {
        let pool = std::ptr::without_provenance_mut(there);
        call(pool);
        M.set(enter(pool).expect("in"));
        let value = std::ptr::without_provenance::<libc::c_void>((key as usize) << 8 | 1);
        // SAFETY: as above.
        unsafe { libc::pthread_setspecific(key, value) };
    });
    thread.join().expect("no panic");
    assert_eq!(LOOKED.load(SeqCst), 1);
    assert_eq!(stats(pool).in_use, 0, "left by the hook");
    end(pool);
}
