//! Signal handlers that call in, wherever they land.
#![cfg(all(unix, not(miri)))]

mod face;

use extram_capi::extram_code::*;
use extram_capi::*;
use face::{code, config, end, enter, enter_from_signal, leave, new, new_context, stats, until};
use std::ffi::{c_int, c_void};
use std::ptr::{null_mut, without_provenance_mut};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What the handler works on.
static POOL: AtomicPtr<extram_pool> = AtomicPtr::new(null_mut());
/// The M of the interrupted call, if the test knows it.
static OUTER: AtomicPtr<extram_m> = AtomicPtr::new(null_mut());
/// What `extram_enter_from_signal` returned last, and the M.
static CODE: AtomicU32 = AtomicU32::new(0);
static M: AtomicPtr<extram_m> = AtomicPtr::new(null_mut());
/// Handlers that were right in everything.
static RIGHT: AtomicU32 = AtomicU32::new(0);
/// Handlers that have come to their end.
static ENDED: AtomicU32 = AtomicU32::new(0);
static MADE: AtomicU32 = AtomicU32::new(0);
/// It may be nested in a call that the test does not tell of, whose M it has then.
static STORM: AtomicBool = AtomicBool::new(false);

/// One test at a time: the signal is the process's. No assertion in here: a panic cannot leave a handler.
extern "C" fn handler(_: c_int) {
    let pool = POOL.load(SeqCst);
    let made = MADE.load(SeqCst);
    let mut m = null_mut();
    // SAFETY: a place to write to; left below.
    let entered = unsafe { extram_enter_from_signal(pool, &mut m) };
    CODE.store(entered as u32, SeqCst);
    M.store(m, SeqCst);
    let mut figures = extram_stats { size: size_of::<extram_stats>(), ..Default::default() };
    // SAFETY: a place to write to.
    let mut right = unsafe { extram_stats_get(pool, &mut figures) } == EXTRAM_OK as c_int;
    if entered == EXTRAM_OK as c_int {
        right &= figures.in_use > 0;
        // SAFETY: what `new_context` made.
        right &= unsafe { *extram_context(m).cast::<u32>() } == 7 && extram_m_id(m) != 0;
        let outer = OUTER.load(SeqCst);
        if !outer.is_null() && outer != m {
            // It is being entered or left.
            right &= extram_leave(pool, outer) == EXTRAM_INVALID as c_int && !extram_context(outer).is_null();
        }
        right &= extram_leave(pool, m) == EXTRAM_OK as c_int;
        if outer != m && !STORM.load(SeqCst) {
            right &= extram_leave(pool, m) == EXTRAM_INVALID as c_int && extram_context(m).is_null();
        }
    } else {
        right &= m.is_null();
    }
    right &= MADE.load(SeqCst) == made;
    RIGHT.fetch_add(u32::from(right), SeqCst);
    ENDED.fetch_add(1, SeqCst);
}

unsafe extern "C-unwind" fn make(runtime: *mut c_void, context: *mut *mut c_void) -> c_int {
    MADE.fetch_add(1, SeqCst);
    // SAFETY: as the pool called it.
    unsafe { new_context(runtime, context) }
}

fn turn(config: extram_config) -> (MutexGuard<'static, ()>, *mut extram_pool) {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: the handler calls nothing that a handler may not.
    unsafe { libc::signal(libc::SIGUSR1, handler as *const () as libc::sighandler_t) };
    let pool = new(&extram_config { new_context: Some(make), ..config });
    POOL.store(pool, SeqCst);
    OUTER.store(null_mut(), SeqCst);
    (turn, pool)
}

/// A signal to this thread: what it was told, and the M.
#[track_caller]
fn raise() -> Result<*mut extram_m, extram_code> {
    let before = RIGHT.load(SeqCst);
    // SAFETY: the handler is installed.
    unsafe { libc::raise(libc::SIGUSR1) };
    assert_eq!(RIGHT.load(SeqCst), before + 1, "something was not right in the handler");
    match code(CODE.load(SeqCst) as c_int) {
        EXTRAM_OK => Ok(M.load(SeqCst)),
        error => Err(error),
    }
}

/// Nothing is bound and nothing made, even if it took the last M: the one that enters next does that.
#[test]
fn outside_it_takes_a_spare_one_and_gives_it_back() {
    for binding in [EXTRAM_BIND_THREAD, EXTRAM_BIND_CALL] {
        let (_turn, pool) = turn(extram_config { binding, ..config() });
        for _ in 0..3 {
            raise().expect("the spare one");
            let now = stats(pool);
            assert_eq!((now.created, now.spare, now.in_use, now.bound_idle), (1, 1, 0, 0));
        }
        let m = enter(pool).expect("in");
        assert_eq!(stats(pool).created, 2);
        assert_eq!(leave(pool, m), EXTRAM_OK);
        end(pool);
    }
}

/// The same called by a thread, outside of a handler.
#[test]
fn it_never_binds_or_makes() {
    let (_turn, pool) = turn(config());
    let made = MADE.load(SeqCst);
    let m = enter_from_signal(pool).expect("the spare one");
    let now = stats(pool);
    assert_eq!((now.created, now.spare, now.in_use, MADE.load(SeqCst)), (1, 0, 1, made));
    assert_eq!(leave(pool, m), EXTRAM_OK);
    let now = stats(pool);
    assert_eq!((now.created, now.spare, now.bound_idle, MADE.load(SeqCst)), (1, 1, 0, made));
    end(pool);
}

#[test]
fn inside_it_is_a_nested_call() {
    for (binding, max_ms) in [(EXTRAM_BIND_THREAD, 0), (EXTRAM_BIND_THREAD, 1), (EXTRAM_BIND_CALL, 1)] {
        let (_turn, pool) = turn(extram_config { binding, max_ms, ..config() });
        let m = enter(pool).expect("in");
        OUTER.store(m, SeqCst);
        let nested = enter(pool).expect("nested");
        assert_eq!(raise(), Ok(m));
        assert_eq!(leave(pool, nested), EXTRAM_OK);
        assert_eq!(raise(), Ok(m));
        assert!(!extram_context(m).is_null(), "the interrupted call goes on");
        assert_eq!([leave(pool, m), leave(pool, m)], [EXTRAM_OK, EXTRAM_INVALID]);
        OUTER.store(null_mut(), SeqCst);
        // Bound and idle, or spare.
        raise().expect("it is back");
        assert_eq!(stats(pool).in_use, 0);
        end(pool);
    }
}

#[test]
fn where_none_is_spare_it_is_turned_away_at_once() {
    for (max_ms, refused) in [(1, EXTRAM_EXHAUSTED), (2, EXTRAM_WOULD_BLOCK)] {
        let (_turn, pool) = turn(extram_config { max_ms, binding: EXTRAM_BIND_CALL, ..config() });
        // As a handler does: it makes none.
        let m = enter_from_signal(pool).expect("the only one");
        let other = std::thread::spawn(|| raise().map(<*mut _>::addr));
        let (begun, told) = (Instant::now(), other.join().expect("no assertion failed"));
        assert_eq!(told, Err(refused));
        assert!(begun.elapsed() < Duration::from_secs(10));
        assert_eq!(leave(pool, m), EXTRAM_OK);
        end(pool);
    }
}

/// It interrupts a call that is being entered or left: that one's M is not to be had, and cannot be
/// left.
#[test]
fn in_the_middle_of_entering_and_leaving_it_has_an_m_of_its_own() {
    /// The handler's own call is admitted and retired, too.
    static ONCE: AtomicBool = AtomicBool::new(false);
    static RAISED: AtomicU32 = AtomicU32::new(0);
    unsafe extern "C-unwind" fn passing(_: *mut c_void, m: *mut extram_m) {
        if !ONCE.swap(false, SeqCst) {
            return;
        }
        OUTER.store(m, SeqCst);
        let other = raise().expect("a spare one");
        assert_ne!(other, m);
        assert!(!extram_context(m).is_null() && extram_context(other).is_null());
        assert_eq!(leave(POOL.load(SeqCst), m), EXTRAM_INVALID);
        OUTER.store(null_mut(), SeqCst);
        RAISED.fetch_add(1, SeqCst);
    }
    for binding in [EXTRAM_BIND_THREAD, EXTRAM_BIND_CALL] {
        let (_turn, pool) =
            turn(extram_config { binding, admit: Some(passing), retire: Some(passing), ..config() });
        assert_eq!(code(extram_prewarm(pool, 3)), EXTRAM_OK);
        // The second time, where it stays, with the M that it has.
        for _ in 0..2 {
            let created = stats(pool).created;
            ONCE.store(true, SeqCst);
            let m = enter(pool).expect("in");
            assert!(!ONCE.swap(true, SeqCst), "it landed in admit");
            assert_eq!(stats(pool).in_use, 1);
            assert_eq!([leave(pool, m), leave(pool, m)], [EXTRAM_OK, EXTRAM_INVALID]);
            assert!(!ONCE.load(SeqCst), "it landed in retire");
            assert_eq!((stats(pool).in_use, stats(pool).created), (0, created));
        }
        end(pool);
    }
    assert_eq!(RAISED.load(SeqCst), 8);
}

/// The call that is left is over, and the one that is admitted to make another context is none for handlers
/// while it is admitted and retired.
#[test]
fn where_the_only_context_is_replaced_it_is_turned_away() {
    static ARMED: AtomicBool = AtomicBool::new(false);
    static REFUSED: AtomicU32 = AtomicU32::new(0);
    unsafe extern "C-unwind" fn passing(_: *mut c_void, _: *mut extram_m) {
        if ARMED.load(SeqCst) {
            assert_eq!(raise(), Err(EXTRAM_EXHAUSTED));
            REFUSED.fetch_add(1, SeqCst);
        }
    }
    for binding in [EXTRAM_BIND_THREAD, EXTRAM_BIND_CALL] {
        let (_turn, pool) = turn(extram_config {
            binding,
            max_ms: 1,
            admit: Some(passing),
            retire: Some(passing),
            ..config()
        });
        let m = enter(pool).expect("in");
        ARMED.store(true, SeqCst);
        assert_eq!(code(extram_discard(pool, m)), EXTRAM_OK);
        ARMED.store(false, SeqCst);
        assert_eq!(REFUSED.swap(0, SeqCst), 3, "retired; admitted and retired");
        raise().expect("it is back");
        end(pool);
    }
}

/// Wherever it lands, in whatever function. What it finds is right or it is turned away.
#[test]
fn a_storm_of_handlers() {
    let storm = face::scaled(1000);
    for (binding, max_ms) in [(EXTRAM_BIND_THREAD, 0), (EXTRAM_BIND_CALL, 0), (EXTRAM_BIND_THREAD, 2)] {
        let (_turn, pool) = turn(extram_config { binding, max_ms, ..config() });
        STORM.store(true, SeqCst);
        let (there, done, sent) = (pool.addr(), AtomicBool::new(false), AtomicU32::new(0));
        let (right, ended) = (RIGHT.load(SeqCst), ENDED.load(SeqCst));
        let (struck, thread) = (AtomicU32::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            let caller = scope.spawn(|| {
                // SAFETY: asks who it is.
                thread.store(unsafe { libc::pthread_self() } as usize, SeqCst);
                let pool = without_provenance_mut(there);
                while !done.load(SeqCst) {
                    let m = enter(pool).expect("in");
                    let nested = face::try_enter(pool).expect("nested");
                    assert_eq!(nested, m);
                    assert!(!extram_context(m).is_null());
                    assert_eq!([leave(pool, m), leave(pool, nested)], [EXTRAM_OK; 2]);
                    if sent.load(SeqCst) % 3 == 0 {
                        assert_eq!(code(extram_unbind(pool)), EXTRAM_OK);
                    }
                    if sent.load(SeqCst) % 16 == 0 && max_ms == 0 {
                        assert_eq!(code(extram_prewarm(pool, 2)), EXTRAM_OK);
                        face::trim(pool, 0).expect("trimmed");
                    }
                    assert_eq!(code(extram_pool_free(pool)), EXTRAM_BUSY, "it is open");
                }
            });
            until(|| thread.load(SeqCst) != 0);
            for round in 1..=storm {
                // SAFETY: the thread is not joined yet.
                unsafe { libc::pthread_kill(thread.load(SeqCst) as libc::pthread_t, libc::SIGUSR1) };
                sent.store(round, SeqCst);
                // Not all of them into one: a signal that is pending is not sent twice.
                until(|| ENDED.load(SeqCst) - ended == round || caller.is_finished());
                if caller.is_finished() {
                    break;
                }
                struck.store(round, SeqCst);
            }
            done.store(true, SeqCst);
            // The scope alone does not wait for what the thread does when it exits.
            caller.join().expect("no assertion failed");
        });
        assert_eq!(struck.load(SeqCst), storm);
        assert_eq!(RIGHT.load(SeqCst) - right, storm, "something was not right in a handler");
        STORM.store(false, SeqCst);
        assert_eq!(stats(pool).in_use, 0);
        end(pool);
    }
}
