//! Every misuse that a caller in C can commit gets a code, and changes nothing.

mod face;

use extram_capi::extram_code::*;
use extram_capi::*;
use face::{code, config, end, enter, leave, new, new_context, stats, try_new};
use std::ffi::{CStr, c_int, c_void};
use std::ptr::{dangling_mut, null, null_mut, without_provenance_mut};
use std::time::Duration;

/// What is not a pool, in several ways.
fn not_pools() -> Vec<*mut extram_pool> {
    let gone = new(&config());
    end(gone);
    let pool = new(&config());
    let m = enter(pool).expect("in");
    assert_eq!(leave(pool, m), EXTRAM_OK);
    // The pool stays, so that its M's handle names a living pool.
    static DATA: u64 = 5;
    let data = (&raw const DATA).cast_mut().cast();
    vec![null_mut(), dangling_mut(), gone, m.cast(), without_provenance_mut(usize::MAX), data]
}

#[test]
fn every_function_refuses_what_is_not_a_pool() {
    let mut m = null_mut();
    let mut figures = extram_stats { size: size_of::<extram_stats>(), ..Default::default() };
    let mut dropped = 77;
    for pool in not_pools() {
        // SAFETY: the other arguments are good.
        let codes = unsafe {
            [
                extram_pool_close(pool),
                extram_pool_reopen(pool),
                extram_pool_free(pool),
                extram_enter(pool, &mut m),
                extram_try_enter(pool, &mut m),
                extram_enter_timeout(pool, 1, &mut m),
                extram_enter_from_signal(pool, &mut m),
                extram_leave(pool, m),
                extram_unbind(pool),
                extram_prewarm(pool, 1),
                extram_trim(pool, 0, &mut dropped),
                extram_trim_unused(pool, 0, &mut dropped),
                extram_stats_get(pool, &mut figures),
            ]
        };
        assert_eq!(codes.map(code), [EXTRAM_INVALID; 13], "{pool:?}");
        assert!(m.is_null());
        assert_eq!((dropped, figures.created), (77, 0));
    }
}

#[test]
fn every_null_is_refused() {
    let pool = new(&config());
    let null_m = null_mut::<*mut extram_m>();
    // SAFETY: null is allowed.
    let codes = unsafe {
        [
            extram_pool_new(null(), &mut null_mut()),
            extram_pool_new(&config(), null_mut()),
            extram_enter(pool, null_m),
            extram_try_enter(pool, null_m),
            extram_enter_timeout(pool, 1, null_m),
            extram_enter_from_signal(pool, null_m),
            extram_leave(pool, null_mut()),
            extram_trim(pool, 0, null_mut()),
            extram_trim_unused(pool, 0, null_mut()),
            extram_stats_get(pool, null_mut()),
        ]
    };
    assert_eq!(codes.map(code), [EXTRAM_INVALID; 10]);
    assert!(extram_context(null()).is_null());
    assert_eq!(extram_m_id(null()), 0);
    // Nobody is inside.
    assert_eq!((stats(pool).in_use, stats(pool).created), (0, 1));
    end(pool);
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    let size = size_of::<extram_config>();
    let bad = [
        (extram_config { size: 0, ..config() }, "config->size"),
        (extram_config { size: size - 1, ..config() }, "config->size"),
        (extram_config { size: size + 8, ..config() }, "config->size"),
        (extram_config { binding: 2, ..config() }, "config->binding"),
        (extram_config { new_context: None, ..config() }, "config->new_context"),
    ];
    // SAFETY: null, or a configuration; a string that lives for ever.
    let problem = |config| unsafe { CStr::from_ptr(extram_config_problem(config)) }.to_str().expect("ASCII");
    for (bad, what) in &bad {
        assert_eq!(try_new(bad), Err(EXTRAM_INVALID), "{bad:?}");
        assert!(problem(bad).starts_with(what), "{}", problem(bad));
    }
    assert_eq!(problem(null()), "config is NULL");
    // SAFETY: a configuration.
    assert!(unsafe { extram_config_problem(&config()) }.is_null());
    // A caller with a shorter structure: nothing behind its end is read.
    let short = Box::new(4usize);
    let mut pool = null_mut();
    // SAFETY: readable for as many bytes as its size says.
    let refused = unsafe { extram_pool_new((&raw const *short).cast(), &mut pool) };
    assert_eq!(code(refused), EXTRAM_INVALID);
    let mut short = Box::new(9usize);
    let pool = new(&config());
    // SAFETY: as above.
    assert_eq!(code(unsafe { extram_stats_get(pool, (&raw mut *short).cast()) }), EXTRAM_INVALID);
    end(pool);
}

#[test]
fn a_call_is_left_once_by_its_thread_in_its_pool() {
    let (pool, other) = (new(&config()), new(&config()));
    let m = enter(pool).expect("in");
    // SAFETY: what `new_context` made.
    assert_eq!(unsafe { *extram_context(m).cast::<u32>() }, 7);
    assert_eq!(extram_m_id(m), 1);
    assert_eq!(leave(other, m), EXTRAM_INVALID);
    let (pool_there, m_there) = (pool.addr(), m.addr());
    let there = std::thread::spawn(move || {
        let m = without_provenance_mut(m_there);
        assert!(extram_context(m).is_null());
        assert_eq!(extram_m_id(m), 0);
        leave(without_provenance_mut(pool_there), m)
    });
    assert_eq!(there.join().expect("no panic"), EXTRAM_INVALID);

    let again = enter(pool).expect("nested");
    assert_eq!(again, m);
    assert_eq!(code(extram_unbind(pool)), EXTRAM_BUSY);
    assert_eq!(code(extram_pool_close(pool)), EXTRAM_BUSY);
    assert_eq!(enter(pool), Ok(m), "who is inside may go deeper while the pool is closing");
    assert_eq!([leave(pool, m), leave(pool, m)], [EXTRAM_OK; 2]);
    assert_eq!(code(extram_pool_free(pool)), EXTRAM_BUSY);
    assert!(!extram_context(m).is_null());
    assert_eq!([leave(pool, m), leave(pool, m)], [EXTRAM_OK, EXTRAM_INVALID]);
    assert!(extram_context(m).is_null());
    assert_eq!(enter(pool), Err(EXTRAM_CLOSED));
    end(pool);
    assert_eq!(leave(pool, m), EXTRAM_INVALID);

    assert_eq!(code(extram_unbind(other)), EXTRAM_OK);
    assert_eq!(code(extram_pool_free(other)), EXTRAM_BUSY, "not closed");
    end(other);
    assert_eq!(code(extram_pool_free(other)), EXTRAM_INVALID);
}

#[test]
fn a_stale_handle_does_not_name_the_next_tenant() {
    let first = new(&config());
    let m = enter(first).expect("in");
    assert_eq!(leave(first, m), EXTRAM_OK);
    end(first);
    // The lowest free place is let first, so this one again and again.
    let mut seen = Vec::new();
    let rounds = face::scaled(3000);
    for _ in 0..rounds {
        let next = new(&config());
        assert_ne!(next, first);
        assert_eq!(enter(first), Err(EXTRAM_INVALID));
        let mine = enter(next).expect("in");
        assert_eq!(leave(next, m), EXTRAM_INVALID);
        assert_eq!(leave(next, mine), EXTRAM_OK);
        seen.push(next);
        end(next);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), rounds as usize);
}

#[test]
fn the_limit_and_the_time_out() {
    let pool = new(&extram_config { max_ms: 1, binding: EXTRAM_BIND_CALL, ..config() });
    let m = enter(pool).expect("in");
    let there = pool.addr();
    let codes = std::thread::spawn(move || {
        let (pool, mut m) = (without_provenance_mut(there), null_mut());
        // SAFETY: `m` is a place to write to.
        unsafe {
            [
                extram_try_enter(pool, &mut m),
                extram_enter_timeout(pool, 2_000_000, &mut m),
                extram_enter_from_signal(pool, &mut m),
                extram_prewarm(pool, 0),
            ]
            .map(|c| if m.is_null() { code(c) } else { panic!("written") })
        }
    });
    // Prewarming waits for the M, as entering does.
    while stats(pool).waiting == 0 {
        std::thread::yield_now();
    }
    // Long enough for the time-out to be over.
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(leave(pool, m), EXTRAM_OK);
    let codes = codes.join().expect("no panic");
    assert_eq!(codes, [EXTRAM_EXHAUSTED, EXTRAM_TIMED_OUT, EXTRAM_EXHAUSTED, EXTRAM_OK]);
    assert_eq!(code(extram_prewarm(pool, 2)), EXTRAM_EXHAUSTED);
    end(pool);
}

#[test]
fn prewarm_and_trim_count() {
    let pool = new(&config());
    assert_eq!(code(extram_prewarm(pool, 10)), EXTRAM_OK);
    // A pool keeps what it made, bound or spare.
    let now = stats(pool);
    assert_eq!((now.created, now.waiting, now.creating), (now.spare + now.bound_idle, 0, 0));
    assert!(now.spare >= 10, "{now:?}");
    let mut dropped = 0;
    // SAFETY: a place to write to.
    assert_eq!(code(unsafe { extram_trim(pool, 4, &mut dropped) }), EXTRAM_OK);
    assert_eq!((stats(pool).spare, dropped), (4, now.spare - 4));
    end(pool);
}

/// Tries to leave, close and free from inside the functions of the configuration.
mod inside {
    use super::*;
    use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering::SeqCst};

    static POOL: AtomicPtr<extram_pool> = AtomicPtr::new(null_mut());
    static M: AtomicPtr<extram_m> = AtomicPtr::new(null_mut());
    static TRIED: AtomicU32 = AtomicU32::new(0);

    fn misbehave(pool: *mut extram_pool, m: *mut extram_m) {
        assert_eq!(leave(pool, m), EXTRAM_INVALID);
        let nested = enter(pool).expect("nested");
        assert_eq!(nested, m);
        assert_eq!(leave(pool, nested), EXTRAM_OK);
        assert_eq!(leave(pool, m), EXTRAM_INVALID);
        assert_eq!(code(extram_pool_free(pool)), EXTRAM_BUSY);
        TRIED.fetch_add(1, SeqCst);
    }

    unsafe extern "C-unwind" fn admit(_: *mut c_void, m: *mut extram_m) {
        M.store(m, SeqCst);
        assert!(!extram_context(m).is_null());
        misbehave(POOL.load(SeqCst), m);
    }

    unsafe extern "C-unwind" fn retire(_: *mut c_void, m: *mut extram_m) {
        misbehave(POOL.load(SeqCst), m);
    }

    unsafe extern "C-unwind" fn make(runtime: *mut c_void, context: *mut *mut c_void) -> c_int {
        let (pool, m) = (POOL.load(SeqCst), M.load(SeqCst));
        if !pool.is_null() {
            misbehave(pool, m);
        }
        // SAFETY: as the pool called it.
        unsafe { new_context(runtime, context) }
    }

    #[test]
    fn a_function_of_the_configuration_cannot_leave_the_call_it_serves() {
        let config =
            extram_config { new_context: Some(make), admit: Some(admit), retire: Some(retire), ..config() };
        let pool = new(&config);
        POOL.store(pool, SeqCst);
        let m = enter(pool).expect("in");
        // admit, and the refill.
        assert_eq!(TRIED.load(SeqCst), 2);
        // Prewarming from inside, whose `new_context` tries to leave our call.
        assert_eq!(code(extram_prewarm(pool, 3)), EXTRAM_OK);
        assert_eq!(TRIED.load(SeqCst), 4);
        assert_eq!([leave(pool, m), leave(pool, m)], [EXTRAM_OK, EXTRAM_INVALID]);
        assert_eq!(TRIED.load(SeqCst), 5);
        POOL.store(null_mut(), SeqCst);
        end(pool);
    }
}

/// Pools in memory of the caller's.
mod storage {
    use super::*;

    fn try_init(storage: &mut [u8], config: &extram_config) -> Result<*mut extram_pool, extram_code> {
        let mut pool = null_mut();
        // SAFETY: the storage outlives the pool, and all point to what they should.
        let done = unsafe { extram_pool_init(storage.as_mut_ptr().cast(), storage.len(), config, &mut pool) };
        match code(done) {
            EXTRAM_OK => Ok(pool),
            error => {
                assert!(pool.is_null(), "written in spite of {error:?}");
                Err(error)
            }
        }
    }

    #[test]
    fn room_for_three_is_room_for_three_wherever_it_begins() {
        let size = extram_pool_size(3);
        assert!(size <= 8 * (EXTRAM_POOL_WORDS + 3 * EXTRAM_M_WORDS));
        let mut memory = vec![0xa5; size + 100];
        // Every alignment; fewer places where each byte takes its time.
        for begin in (0..100).step_by(if cfg!(miri) { 9 } else { 1 }) {
            let storage = &mut memory[begin..begin + size];
            let pool =
                try_init(storage, &extram_config { binding: EXTRAM_BIND_CALL, ..config() }).expect("room");
            assert_eq!(code(extram_prewarm(pool, 4)), EXTRAM_EXHAUSTED);
            assert_eq!(stats(pool).created, 3);
            let m = enter(pool).expect("in");
            // SAFETY: what `new_context` made.
            assert_eq!(unsafe { *extram_context(m).cast::<u32>() }, 7);
            assert_eq!(leave(pool, m), EXTRAM_OK);
            end(pool);
            assert_eq!(enter(pool), Err(EXTRAM_INVALID));
            assert!(memory[begin + size..].iter().all(|byte| *byte == 0xa5), "written behind the storage");
            assert!(memory[..begin].iter().all(|byte| *byte == 0xa5), "written before the storage");
            // What the next pool finds is not zero.
            memory.fill(0xa5);
        }
    }

    #[test]
    fn no_room_is_refused() {
        let mut memory = vec![0; extram_pool_size(8)];
        let one = extram_pool_size(1);
        for (size, max_ms) in [(0, 0), (1, 0), (one - 1, 0), (one - 1, 1), (one, 2), (one, u32::MAX)] {
            let refused = try_init(&mut memory[..size], &extram_config { max_ms, ..config() });
            assert_eq!(refused, Err(EXTRAM_NO_MEMORY), "{size} bytes, {max_ms} Ms");
        }
        assert_eq!(extram_pool_size(0), one);
        end(try_init(&mut memory[..one], &config()).expect("room"));
        // The limit counts, not the room.
        let pool = try_init(&mut memory, &extram_config { max_ms: 2, ..config() }).expect("room");
        assert_eq!(code(extram_prewarm(pool, 3)), EXTRAM_EXHAUSTED);
        assert_eq!(stats(pool).created, 2);
        end(pool);
    }

    #[test]
    fn nulls_and_a_configuration_that_makes_no_sense_are_refused() {
        let mut memory = vec![0u8; extram_pool_size(2)];
        let (storage, size) = (memory.as_mut_ptr().cast::<c_void>(), memory.len());
        let mut pool = null_mut();
        // SAFETY: null is allowed.
        let codes = unsafe {
            [
                extram_pool_init(null_mut(), size, &config(), &mut pool),
                extram_pool_init(storage, size, null(), &mut pool),
                extram_pool_init(storage, size, &config(), null_mut()),
                extram_pool_init(storage, size, &extram_config { size: 3, ..config() }, &mut pool),
                extram_pool_init(storage, size, &extram_config { binding: 9, ..config() }, &mut pool),
            ]
        };
        assert_eq!(codes.map(code), [EXTRAM_INVALID; 5]);
        assert!(pool.is_null());
        assert!(memory.iter().all(|byte| *byte == 0));
    }
}

#[test]
fn a_context_that_cannot_be_made() {
    unsafe extern "C-unwind" fn cannot(_: *mut c_void, _: *mut *mut c_void) -> c_int {
        1
    }
    assert_eq!(
        try_new(&extram_config { new_context: Some(cannot), ..config() }),
        Err(EXTRAM_CREATION_FAILED)
    );
}

#[test]
fn every_code_has_a_sentence() {
    // SAFETY: a string that lives for ever.
    let text = |code| unsafe { CStr::from_ptr(extram_strerror(code)) }.to_str().expect("ASCII");
    let mut seen: Vec<_> = (0..=EXTRAM_TOO_MANY as c_int).map(text).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!((seen.len(), EXTRAM_CREATION_FAILED as c_int, EXTRAM_TOO_MANY as c_int), (11, 9, 10));
    for unknown in [-1, 11, c_int::MAX, c_int::MIN] {
        assert_eq!(text(unknown), "unknown code");
    }
}
