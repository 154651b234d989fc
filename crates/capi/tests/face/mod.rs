//! The C face as the tests call it.
#![allow(dead_code, unreachable_pub, unused_imports)] // each test takes what it needs

mod kept;

use extram_capi::extram_code::*;
use extram_capi::*;
pub use kept::{keep, scaled};
use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::time::{Duration, Instant};

pub fn code(code: c_int) -> extram_code {
    let known = [
        EXTRAM_OK,
        EXTRAM_NOT_STARTED,
        EXTRAM_WOULD_BLOCK,
        EXTRAM_TIMED_OUT,
        EXTRAM_EXHAUSTED,
        EXTRAM_CLOSED,
        EXTRAM_BUSY,
        EXTRAM_NO_MEMORY,
        EXTRAM_INVALID,
        EXTRAM_CREATION_FAILED,
        EXTRAM_TOO_MANY,
    ];
    known[usize::try_from(code).expect("not negative")]
}

pub unsafe extern "C-unwind" fn new_context(_: *mut c_void, context: *mut *mut c_void) -> c_int {
    // SAFETY: the pool hands over a place to write to.
    unsafe { context.write(Box::into_raw(Box::new(7u32)).cast()) };
    0
}

pub unsafe extern "C-unwind" fn free_context(_: *mut c_void, context: *mut c_void) {
    // SAFETY: made above, freed once.
    drop(unsafe { Box::from_raw(context.cast::<u32>()) });
}

pub fn config() -> extram_config {
    extram_config {
        size: size_of::<extram_config>(),
        runtime: null_mut(),
        new_context: Some(new_context),
        free_context: Some(free_context),
        admit: None,
        retire: None,
        max_ms: 0,
        binding: EXTRAM_BIND_THREAD,
        try_admit: None,
        observe: None,
        spare_max: 0,
        stacks: 0,
    }
}

pub fn try_new(config: &extram_config) -> Result<*mut extram_pool, extram_code> {
    let mut pool = null_mut();
    // SAFETY: both point to what they should.
    match code(unsafe { extram_pool_new(config, &mut pool) }) {
        EXTRAM_OK => Ok(pool),
        error => {
            assert!(pool.is_null(), "written in spite of {error:?}");
            Err(error)
        }
    }
}

pub fn new(config: &extram_config) -> *mut extram_pool {
    try_new(config).expect("a pool")
}

pub fn enter(pool: *mut extram_pool) -> Result<*mut extram_m, extram_code> {
    let mut m = null_mut();
    // SAFETY: `m` is a place to write to.
    match code(unsafe { extram_enter(pool, &mut m) }) {
        EXTRAM_OK => Ok(m),
        error => {
            assert!(m.is_null(), "written in spite of {error:?}");
            Err(error)
        }
    }
}

pub fn leave(pool: *mut extram_pool, m: *mut extram_m) -> extram_code {
    code(extram_leave(pool, m))
}

pub fn stats(pool: *mut extram_pool) -> extram_stats {
    let mut stats = extram_stats { size: size_of::<extram_stats>(), ..Default::default() };
    // SAFETY: the size is right.
    assert_eq!(code(unsafe { extram_stats_get(pool, &mut stats) }), EXTRAM_OK);
    stats
}

pub fn end(pool: *mut extram_pool) {
    assert_eq!(code(extram_pool_close(pool)), EXTRAM_OK);
    free(pool);
}

/// Another test may be in a call with a handle of an earlier pool that had the same place: not for
/// long.
pub fn free(pool: *mut extram_pool) {
    let given_up = Instant::now() + Duration::from_secs(20);
    loop {
        match code(extram_pool_free(pool)) {
            EXTRAM_BUSY if Instant::now() < given_up => std::thread::yield_now(),
            freed => return assert_eq!(freed, EXTRAM_OK),
        }
    }
}

/// Enters as one of the functions does.
pub fn enter_by(f: impl FnOnce(*mut *mut extram_m) -> c_int) -> Result<*mut extram_m, extram_code> {
    let mut m = null_mut();
    match code(f(&mut m)) {
        EXTRAM_OK => Ok(m),
        error => {
            assert!(m.is_null(), "written in spite of {error:?}");
            Err(error)
        }
    }
}

pub fn try_enter(pool: *mut extram_pool) -> Result<*mut extram_m, extram_code> {
    // SAFETY: a place to write to.
    enter_by(|m| unsafe { extram_try_enter(pool, m) })
}

pub fn enter_timeout(pool: *mut extram_pool, limit: Duration) -> Result<*mut extram_m, extram_code> {
    // SAFETY: a place to write to.
    enter_by(|m| unsafe { extram_enter_timeout(pool, limit.as_nanos() as u64, m) })
}

pub fn enter_from_signal(pool: *mut extram_pool) -> Result<*mut extram_m, extram_code> {
    // SAFETY: a place to write to; the tests leave.
    enter_by(|m| unsafe { extram_enter_from_signal(pool, m) })
}

pub fn trim(pool: *mut extram_pool, keep: u32) -> Result<u32, extram_code> {
    // SAFETY: a place to write to.
    dropped(|place| unsafe { extram_trim(pool, keep, place) })
}

pub fn trim_unused(pool: *mut extram_pool, age: Duration) -> Result<u32, extram_code> {
    // SAFETY: a place to write to.
    dropped(|place| unsafe { extram_trim_unused(pool, age.as_millis() as u32, place) })
}

fn dropped(trim: impl FnOnce(&mut u32) -> c_int) -> Result<u32, extram_code> {
    let mut dropped = 0;
    match code(trim(&mut dropped)) {
        EXTRAM_OK => Ok(dropped),
        error => Err(error),
    }
}

/// Waits for something that another thread does; fails by a clock of its own.
#[track_caller]
pub fn until(mut what: impl FnMut() -> bool) {
    let given_up = Instant::now() + Duration::from_secs(60);
    while !what() {
        assert!(Instant::now() < given_up, "it does not come");
        std::thread::yield_now();
    }
}

/// What a forked child finds, which calls nothing but this library: `true` if it is as it should be.
/// A child that hangs is ended, and fails.
#[cfg(unix)]
pub fn in_a_child(f: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child calls nothing but `f` and `_exit`.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: a clock for this process, and its end.
            unsafe {
                libc::alarm(60);
                libc::_exit(if f() { 42 } else { 1 });
            }
        }
        child => {
            assert!(child > 0, "no process");
            let mut status = 0;
            // SAFETY: our child, and a place to write to.
            assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
            libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 42
        }
    }
}
