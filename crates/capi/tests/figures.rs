//! What the functions do besides returning a code: figures, times, `errno`, opening again.
#![cfg(unix)]

mod face;

use extram_capi::extram_code::*;
use extram_capi::*;
use face::{
    code, config, end, enter, enter_from_signal, enter_timeout, leave, new, new_context, stats, trim,
    trim_unused,
};
use face::{try_enter, until};
use std::ffi::{c_int, c_void};
use std::ptr::{null_mut, without_provenance_mut};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Without `size`.
fn figures(pool: *mut extram_pool) -> [u32; 7] {
    let now = stats(pool);
    [now.created, now.spare, now.in_use, now.bound_idle, now.waiting, now.creating, now.failed]
}

/// Counts its calls, fails and blocks as it is told.
struct Maker {
    calls: AtomicU32,
    fails: AtomicBool,
    blocks: AtomicBool,
}

unsafe extern "C-unwind" fn make(runtime: *mut c_void, context: *mut *mut c_void) -> c_int {
    // SAFETY: a `Maker` of the tests' own, which outlives its pool.
    let maker = unsafe { &*runtime.cast::<Maker>() };
    maker.calls.fetch_add(1, SeqCst);
    until(|| !maker.blocks.load(SeqCst));
    // SAFETY: as the pool called it.
    if maker.fails.load(SeqCst) { 1 } else { unsafe { new_context(runtime, context) } }
}

impl Maker {
    fn new() -> &'static Self {
        face::keep(Maker {
            calls: AtomicU32::new(0),
            fails: AtomicBool::new(false),
            blocks: AtomicBool::new(false),
        })
    }

    fn config(&'static self) -> extram_config {
        let runtime = (&raw const *self).cast_mut().cast();
        extram_config { runtime, new_context: Some(make), ..config() }
    }
}

/// Every field at a moment when it is not 0, and all others at that moment.
#[test]
fn each_figure_counts_what_it_says() {
    let maker = Maker::new();
    //                  created spare in_use bound_idle waiting creating failed
    let pool = new(&maker.config());
    assert_eq!(figures(pool), [1, 1, 0, 0, 0, 0, 0]);

    maker.blocks.store(true, SeqCst);
    let there = pool.addr();
    let owing = std::thread::spawn(move || {
        let pool = without_provenance_mut(there);
        (enter(pool).map(|m| leave(pool, m)), code(extram_unbind(pool)))
    });
    // It took the last one. (The figures are not of one moment.)
    until(|| figures(pool) == [1, 0, 1, 0, 0, 1, 0]);
    maker.blocks.store(false, SeqCst);
    assert_eq!(owing.join().expect("no panic"), (Ok(EXTRAM_OK), EXTRAM_OK));
    assert_eq!(figures(pool), [2, 2, 0, 0, 0, 0, 0]);

    let m = enter(pool).expect("in");
    assert_eq!(figures(pool), [2, 1, 1, 0, 0, 0, 0]);
    assert_eq!(leave(pool, m), EXTRAM_OK);
    assert_eq!(figures(pool), [2, 1, 0, 1, 0, 0, 0]);
    assert_eq!(code(extram_unbind(pool)), EXTRAM_OK);
    assert_eq!(figures(pool), [2, 2, 0, 0, 0, 0, 0]);

    let before = maker.calls.swap(0, SeqCst);
    assert_eq!(before, stats(pool).created, "one call for each");
    maker.fails.store(true, SeqCst);
    let spare = stats(pool).spare;
    for failed in 1..=3 {
        assert_eq!(code(extram_prewarm(pool, spare + 1)), EXTRAM_CREATION_FAILED);
        assert_eq!(figures(pool)[5..], [0, failed]);
        assert_eq!(maker.calls.load(SeqCst), failed);
    }
    assert_eq!(trim(pool, 1), Ok(spare - 1));
    assert_eq!((stats(pool).spare, stats(pool).in_use, stats(pool).failed), (1, 0, 3));
    end(pool);
}

#[test]
#[cfg_attr(miri, ignore = "it goes by a clock that does not know how slow it is")]
fn what_nobody_has_entered_with_for_so_long_is_dropped() {
    const AGE: Duration = Duration::from_secs(1);
    let pool = new(&extram_config { binding: EXTRAM_BIND_CALL, ..config() });
    assert_eq!(code(extram_prewarm(pool, 5)), EXTRAM_OK);
    let spare = stats(pool).spare;
    assert_eq!(trim_unused(pool, Duration::from_secs(3600)), Ok(0));
    std::thread::sleep(AGE * 2);
    let m = enter(pool).expect("in");
    assert_eq!(leave(pool, m), EXTRAM_OK);
    assert_eq!(trim_unused(pool, AGE), Ok(spare - 2));
    assert_eq!(trim_unused(pool, AGE), Ok(0));
    assert_eq!((stats(pool).spare, stats(pool).created), (2, 2));
    // In a closed pool there is nothing to drop.
    assert_eq!(code(extram_pool_close(pool)), EXTRAM_OK);
    assert_eq!(trim_unused(pool, Duration::ZERO), Ok(0));
    end(pool);
}

#[test]
fn waiting_threads_are_counted_each() {
    let pool = new(&extram_config { max_ms: 1, binding: EXTRAM_BIND_CALL, ..config() });
    let m = enter(pool).expect("in");
    let there = pool.addr();
    let waiters: Vec<_> = (1..=3)
        .map(|waiting| {
            let waiter = std::thread::spawn(move || {
                let pool = without_provenance_mut(there);
                leave(pool, enter(pool).expect("served"))
            });
            until(|| stats(pool).waiting == waiting);
            waiter
        })
        .collect();
    assert_eq!(figures(pool), [1, 0, 1, 0, 3, 0, 0]);
    assert_eq!(leave(pool, m), EXTRAM_OK);
    assert!(waiters.into_iter().all(|waiter| waiter.join().expect("no panic") == EXTRAM_OK));
    assert_eq!(figures(pool), [1, 1, 0, 0, 0, 0, 0]);
    end(pool);
}

/// A machine that is busy makes a wait longer: of several the shortest counts.
fn shortest(what: impl Fn()) -> Duration {
    let once = |_| {
        let begun = Instant::now();
        what();
        begun.elapsed()
    };
    (0..5).map(once).min().expect("five")
}

#[test]
#[cfg_attr(miri, ignore = "its time is not ours")]
fn a_time_out_is_neither_early_nor_twice_as_late() {
    let pool = new(&extram_config { max_ms: 1, binding: EXTRAM_BIND_CALL, ..config() });
    let m = enter(pool).expect("in");
    let there = pool.addr();
    let waits = std::thread::spawn(move || {
        let pool = without_provenance_mut(there);
        for limit in [Duration::from_millis(40), Duration::from_millis(150)] {
            let waited = shortest(|| assert_eq!(enter_timeout(pool, limit), Err(EXTRAM_TIMED_OUT)));
            assert!(waited >= limit, "{waited:?} of {limit:?}");
            assert!(waited < limit * 3 / 2, "{waited:?} of {limit:?}");
        }
        let none = shortest(|| assert_eq!(enter_timeout(pool, Duration::ZERO), Err(EXTRAM_TIMED_OUT)));
        let tried = shortest(|| assert_eq!(try_enter(pool), Err(EXTRAM_EXHAUSTED)));
        let signal = shortest(|| assert_eq!(enter_from_signal(pool), Err(EXTRAM_EXHAUSTED)));
        assert!(
            [none, tried, signal].iter().max() < Some(&Duration::from_millis(20)),
            "{none:?} {tried:?} {signal:?}"
        );
    });
    waits.join().expect("no assertion failed");
    // No limit at all: it waits for as long as it takes, which is longer than the test has patience.
    let waiter = std::thread::spawn(move || {
        let pool = without_provenance_mut(there);
        // SAFETY: a place to write to.
        let m = face::enter_by(|m| unsafe { extram_enter_timeout(pool, u64::MAX, m) });
        leave(pool, m.expect("served"))
    });
    until(|| stats(pool).waiting == 1);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(stats(pool).waiting, 1);
    assert_eq!(leave(pool, m), EXTRAM_OK);
    assert_eq!(waiter.join().expect("no panic"), EXTRAM_OK);
    end(pool);
}

#[cfg(not(target_os = "freebsd"))]
use libc::__errno_location as errno;
#[cfg(target_os = "freebsd")]
use libc::__error as errno;

/// Whatever they return. No function of the C library sets it to this.
const OWN: c_int = 12_345;

#[track_caller]
fn errno_stays<T>(f: impl FnOnce() -> T) -> T {
    // SAFETY: the thread's own.
    unsafe { *errno() = OWN };
    let done = f();
    // SAFETY: as above.
    assert_eq!(unsafe { *errno() }, OWN);
    done
}

#[test]
fn errno_is_as_before_after_every_call() {
    let limited = extram_config { max_ms: 1, binding: EXTRAM_BIND_CALL, ..config() };
    for config in [config(), limited] {
        let pool = errno_stays(|| new(&config));
        let m = errno_stays(|| enter(pool)).expect("in");
        for nested in [try_enter, enter_from_signal, enter] {
            assert_eq!(errno_stays(|| nested(pool)), Ok(m));
            assert_eq!(errno_stays(|| leave(pool, m)), EXTRAM_OK);
        }
        errno_stays(|| extram_context(m));
        errno_stays(|| extram_m_id(m));
        errno_stays(|| extram_strerror(1));
        errno_stays(|| stats(pool));
        assert_eq!(errno_stays(|| code(extram_unbind(pool))), EXTRAM_BUSY);
        assert_eq!(errno_stays(|| code(extram_pool_free(pool))), EXTRAM_BUSY);
        let there = pool.addr();
        if config.max_ms == 1 {
            // Waits, in vain.
            let other = std::thread::spawn(move || {
                let pool = without_provenance_mut(there);
                let timed_out = errno_stays(|| enter_timeout(pool, Duration::from_millis(5)));
                assert_eq!(timed_out, Err(EXTRAM_TIMED_OUT));
                assert_eq!(errno_stays(|| try_enter(pool)), Err(EXTRAM_EXHAUSTED));
            });
            other.join().expect("no assertion failed");
        }
        assert_eq!(errno_stays(|| leave(pool, m)), EXTRAM_OK);
        assert_eq!(errno_stays(|| leave(pool, m)), EXTRAM_INVALID);
        assert_eq!(errno_stays(|| code(extram_prewarm(pool, 1))), EXTRAM_OK);
        errno_stays(|| trim(pool, 0)).expect("trimmed");
        errno_stays(|| trim_unused(pool, Duration::ZERO)).expect("trimmed");
        let other = std::thread::spawn(move || {
            let pool = without_provenance_mut(there);
            if config.max_ms == 0 {
                // Its first entry, and its last.
                let m = errno_stays(|| enter(pool)).expect("in");
                assert_eq!(errno_stays(|| leave(pool, m)), EXTRAM_OK);
                assert_eq!(errno_stays(|| code(extram_unbind(pool))), EXTRAM_OK);
            }
        });
        other.join().expect("no assertion failed");
        assert_eq!(errno_stays(|| code(extram_pool_close(pool))), EXTRAM_OK);
        assert_eq!(errno_stays(|| enter(pool)), Err(EXTRAM_CLOSED));
        assert_eq!(errno_stays(|| code(extram_pool_reopen(pool))), EXTRAM_CLOSED);
        errno_stays(|| face::free(pool));
        assert_eq!(errno_stays(|| code(extram_pool_close(pool))), EXTRAM_INVALID);
    }
}

#[test]
fn a_close_that_came_to_nothing_is_taken_back() {
    let pool = new(&config());
    assert_eq!(code(extram_pool_reopen(pool)), EXTRAM_BUSY, "it is open");
    let m = enter(pool).expect("in");
    let there = pool.addr();
    let from_outside = move || {
        let outside = std::thread::spawn(move || {
            let pool = without_provenance_mut(there);
            enter(pool).map(|m| leave(pool, m))
        });
        outside.join().expect("no panic")
    };
    for _ in 0..3 {
        assert_eq!(code(extram_pool_close(pool)), EXTRAM_BUSY);
        assert_eq!(from_outside(), Err(EXTRAM_CLOSED));
        assert_eq!(code(extram_pool_reopen(pool)), EXTRAM_OK);
        assert_eq!(from_outside(), Ok(EXTRAM_OK));
    }
    assert_eq!(code(extram_pool_free(pool)), EXTRAM_BUSY);
    assert_eq!(leave(pool, m), EXTRAM_OK);
    assert_eq!(enter(pool).map(|m| leave(pool, m)), Ok(EXTRAM_OK));
    assert_eq!(code(extram_pool_close(pool)), EXTRAM_OK);
    assert_eq!(code(extram_pool_close(pool)), EXTRAM_OK, "once more does nothing");
    assert_eq!(code(extram_pool_reopen(pool)), EXTRAM_CLOSED, "to the end");
    assert_eq!(enter(pool), Err(EXTRAM_CLOSED));
    face::free(pool);
    assert_eq!(code(extram_pool_reopen(pool)), EXTRAM_INVALID);
}

/// What a thread has entered and not left when it ends.
#[test]
fn a_thread_that_ends_inside_is_left_for() {
    static RETIRED: AtomicU32 = AtomicU32::new(0);
    unsafe extern "C-unwind" fn retire(_: *mut c_void, m: *mut extram_m) {
        assert!(!extram_context(m).is_null());
        RETIRED.fetch_add(1, SeqCst);
    }
    for (round, binding) in [EXTRAM_BIND_THREAD, EXTRAM_BIND_CALL].into_iter().enumerate() {
        let pool = new(&extram_config { binding, retire: Some(retire), ..config() });
        let there = pool.addr();
        let ended = std::thread::spawn(move || {
            let pool = without_provenance_mut(there);
            (enter(pool).expect("in"), enter(pool).expect("nested")).0.addr()
        });
        let m = without_provenance_mut(ended.join().expect("no panic"));
        assert_eq!(stats(pool).in_use, 0);
        assert_eq!(RETIRED.load(SeqCst), round as u32 + 1, "once for all of them");
        assert_eq!(leave(pool, m), EXTRAM_INVALID);
        assert!(extram_context(m).is_null());
        end(pool);
    }
}

/// Nobody's business but the thread's: the last one that is left retires.
#[test]
fn nested_calls_are_left_in_any_order() {
    static RETIRED: AtomicU32 = AtomicU32::new(0);
    unsafe extern "C-unwind" fn retire(_: *mut c_void, _: *mut extram_m) {
        RETIRED.fetch_add(1, SeqCst);
    }
    let pool = new(&extram_config { retire: Some(retire), ..config() });
    let ms = [enter(pool), try_enter(pool), enter_from_signal(pool), enter_timeout(pool, Duration::ZERO)];
    assert!(ms.iter().all(|m| *m == ms[0] && m.is_ok()));
    for m in [ms[2], ms[0], ms[3], ms[1]] {
        assert_eq!((RETIRED.load(SeqCst), stats(pool).in_use), (0, 1));
        assert_eq!(leave(pool, m.expect("in")), EXTRAM_OK);
    }
    assert_eq!((RETIRED.load(SeqCst), stats(pool).in_use), (1, 0));
    end(pool);
}

/// `new_context`, called by `extram_prewarm` inside a call, prewarms: the call is not its to leave,
/// neither before nor after.
#[test]
fn prewarming_within_prewarming_keeps_the_call() {
    static POOL: AtomicUsize = AtomicUsize::new(0);
    static M: AtomicUsize = AtomicUsize::new(0);
    static LEVEL: AtomicU32 = AtomicU32::new(0);
    unsafe extern "C-unwind" fn make(runtime: *mut c_void, context: *mut *mut c_void) -> c_int {
        let (pool, m) = (POOL.load(SeqCst), M.load(SeqCst));
        if m != 0 && LEVEL.fetch_add(1, SeqCst) == 0 {
            let (pool, m) = (without_provenance_mut(pool), without_provenance_mut(m));
            assert_eq!(leave(pool, m), EXTRAM_INVALID);
            assert_eq!(code(extram_prewarm(pool, stats(pool).spare + 1)), EXTRAM_OK);
            assert_eq!(leave(pool, m), EXTRAM_INVALID);
            let nested = enter(pool).expect("nested");
            assert_eq!(code(extram_leave_to(pool, m, 0)), EXTRAM_INVALID, "with its own, but not only");
            assert_eq!(leave(pool, nested), EXTRAM_OK);
            assert_eq!(leave(pool, m), EXTRAM_INVALID);
        }
        // SAFETY: as the pool called it.
        unsafe { new_context(runtime, context) }
    }
    let pool = new(&extram_config { new_context: Some(make), ..config() });
    let m = enter(pool).expect("in");
    POOL.store(pool.addr(), SeqCst);
    M.store(m.addr(), SeqCst);
    assert_eq!(code(extram_prewarm(pool, stats(pool).spare + 2)), EXTRAM_OK);
    assert!(LEVEL.load(SeqCst) > 1);
    M.store(0, SeqCst);
    assert_eq!(
        [leave(pool, m), leave(pool, null_mut()), leave(pool, m)],
        [EXTRAM_OK, EXTRAM_INVALID, EXTRAM_INVALID]
    );
    end(pool);
}
