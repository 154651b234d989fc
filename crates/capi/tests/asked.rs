//! What a program was compiled with, and from where it asks: an answer each, never a crash.

mod face;

use extram_capi::extram_code::*;
use extram_capi::extram_event_kind::*;
use extram_capi::*;
use face::{code, config, end, enter, enter_timeout, leave, new, try_new};
use std::ffi::{c_char, c_int, c_void};
use std::mem::offset_of;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering::SeqCst};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

/// A header that ends where an earlier version ended, or goes on.
#[test]
fn a_header_of_another_version_is_told_by_its_sizes() {
    let earlier = [
        offset_of!(extram_config, try_admit),
        offset_of!(extram_config, observe),
        offset_of!(extram_config, spare_max),
        offset_of!(extram_config, stacks),
    ];
    for size in earlier.into_iter().chain([size_of::<extram_config>() + 8]) {
        assert_eq!(try_new(&extram_config { size, ..config() }), Err(EXTRAM_INVALID), "{size}");
    }
    let pool = new(&config());
    for size in [0, offset_of!(extram_stats, failed), size_of::<extram_stats>() + 8] {
        let mut stats = extram_stats { size, created: 99, ..Default::default() };
        // SAFETY: a place to write to.
        assert_eq!(code(unsafe { extram_stats_get(pool, &mut stats) }), EXTRAM_INVALID);
        assert_eq!((stats.size, stats.created), (size, 99), "nothing is written");
    }
    end(pool);
    // What a program compares before it makes its first pool.
    let header = EXTRAM_VERSION_MAJOR << 16 | EXTRAM_VERSION_MINOR << 8 | EXTRAM_VERSION_PATCH;
    assert_eq!(extram_version(), header);
}

static POOL: AtomicPtr<extram_pool> = AtomicPtr::new(null_mut());
static SEEN: AtomicU32 = AtomicU32::new(0);
static WRITTEN: AtomicU32 = AtomicU32::new(0);
static CODES: [AtomicU32; 4] = [const { AtomicU32::new(99) }; 4];

unsafe extern "C-unwind" fn visit(_: *mut c_void, info: *const extram_m_info) -> c_int {
    // SAFETY: for the time of the call.
    SEEN.fetch_add(u32::from(unsafe { (*info).id } != 0), SeqCst);
    0
}

unsafe extern "C-unwind" fn write(_: *mut c_void, _: *const c_char, length: usize) -> c_int {
    WRITTEN.fetch_add(length as u32, SeqCst);
    0
}

extern "C" fn handler(_: c_int) {
    let pool = POOL.load(SeqCst);
    // SAFETY: the functions may be called, and touch nothing but atomics.
    let codes = unsafe {
        [
            extram_each_m(pool, Some(visit), null_mut()),
            extram_each_m(pool, None, null_mut()),
            extram_dump(pool, Some(write), null_mut()),
            extram_each_m(null_mut(), Some(visit), null_mut()),
        ]
    };
    for (place, code) in CODES.iter().zip(codes) {
        place.store(code as u32, SeqCst);
    }
}

#[cfg(unix)]
const SIGNAL: c_int = libc::SIGUSR2;
#[cfg(windows)]
const SIGNAL: c_int = libc::SIGTERM;

#[test]
#[cfg_attr(miri, ignore = "it has no signals")]
fn a_walk_from_a_handler_is_a_walk() {
    let pool = new(&config());
    POOL.store(pool, SeqCst);
    let asked = || {
        // SAFETY: the handler calls nothing that a handler may not. Each time, for Windows forgets it.
        unsafe { libc::signal(SIGNAL, handler as *const () as libc::sighandler_t) };
        // SAFETY: the handler above, on this thread.
        assert_eq!(unsafe { libc::raise(SIGNAL) }, 0);
        CODES.iter().map(|code| code.swap(99, SeqCst) as i32).map(code).collect::<Vec<_>>()
    };
    let answers = [EXTRAM_OK, EXTRAM_INVALID, EXTRAM_OK, EXTRAM_INVALID];
    assert_eq!(asked(), answers);
    assert!(SEEN.swap(0, SeqCst) == 1 && WRITTEN.swap(0, SeqCst) > 0);
    let m = enter(pool).expect("in");
    assert_eq!(asked(), answers);
    assert_eq!(SEEN.load(SeqCst), 2, "and the one that was made for others");
    assert!(!extram_context(m).is_null());
    assert_eq!(leave(pool, m), EXTRAM_OK);
    end(pool);
    assert_eq!(asked(), [EXTRAM_INVALID; 4], "the pool is gone");
}

/// Why a wait came to nothing is told with it.
#[test]
fn a_refusal_has_its_reason() {
    static TOLD: Mutex<Vec<(u32, c_int)>> = Mutex::new(Vec::new());
    unsafe extern "C-unwind" fn observe(_: *mut c_void, event: *const extram_event) {
        // SAFETY: for the time of the call.
        let event = unsafe { *event };
        if event.kind == EXTRAM_EVENT_REFUSED as u32 {
            assert!(event.m == 0 && event.time_ns != 0);
            TOLD.lock().expect("no panic").push((event.kind, event.code));
        }
    }
    let pool = new(&extram_config { max_ms: 1, observe: Some(observe), ..config() });
    let m = enter(pool).expect("in");
    let there = pool.addr();
    let other = |wait: fn(*mut extram_pool) -> Result<*mut extram_m, extram_code>| {
        let (sender, receiver) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            sender.send(wait(std::ptr::without_provenance_mut(there)).map(|_| ())).expect("somebody listens");
        });
        (thread, receiver)
    };
    let (thread, refused) = other(|pool| enter_timeout(pool, Duration::ZERO));
    assert_eq!(refused.recv(), Ok(Err(EXTRAM_TIMED_OUT)));
    thread.join().expect("no panic");
    let (thread, refused) = other(enter);
    face::until(|| face::stats(pool).waiting == 1);
    assert_eq!(code(extram_pool_close(pool)), EXTRAM_BUSY);
    assert_eq!(refused.recv(), Ok(Err(EXTRAM_CLOSED)));
    thread.join().expect("no panic");
    let reasons: Vec<_> = TOLD.lock().expect("no panic").iter().map(|told| told.1).collect();
    assert_eq!(reasons, [EXTRAM_TIMED_OUT as c_int, EXTRAM_CLOSED as c_int]);
    assert_eq!(leave(pool, m), EXTRAM_OK);
    end(pool);
}
