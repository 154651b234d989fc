//! Calls: entering, what the M carries, leaving.

use crate::boundary::{coded, guarded};
use crate::code::extram_code::{self, EXTRAM_EXHAUSTED, EXTRAM_INVALID};
use crate::handle::{Place, extram_m, extram_pool};
use crate::pool::{find, writable};
use crate::registry::{self, Entered, Pool};
use core::ffi::{c_int, c_void};
use core::sync::atomic::Ordering;
use core::time::Duration;
use extram_core::EnterError;

/// Enters one way or another and hands the M out; the guard is C's to keep, as the handle.
///
/// # Safety
///
/// `m` is null or points to what its type says.
#[inline]
unsafe fn enter(
    pool: *mut extram_pool,
    m: *mut *mut extram_m,
    enter: impl FnOnce(&'static Pool) -> Result<Entered, EnterError>,
) -> c_int {
    coded(|| {
        // SAFETY: by the caller's promise.
        let handle = unsafe { writable(m) }?;
        let at_work = find(pool)?;
        let entered = enter(at_work.pool)?;
        let name = at_work.place.m(entered.id());
        if name.is_null() {
            return Err(EXTRAM_EXHAUSTED);
        }
        if entered.is_outermost() {
            // Relaxed: for this thread and its handlers.
            entered.context().floor.store(0, Ordering::Relaxed);
        }
        core::mem::forget(entered);
        // SAFETY: by the caller's promise; checked for null.
        unsafe { handle.write(name) };
        Ok(())
    })
}

/// Lends the calling thread an M, waiting for one as long as it takes. A thread that is inside
/// already gets its own again, one level deeper. Each entry is left once, with extram_leave. Not
/// from a signal handler.
///
/// EXTRAM_CLOSED, or EXTRAM_NO_MEMORY if an M could not be made. *m is written on EXTRAM_OK only.
///
/// # Safety
///
/// `m` is null or points to what its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn extram_enter(pool: *mut extram_pool, m: *mut *mut extram_m) -> c_int {
    // SAFETY: by the caller's promise.
    unsafe { enter(pool, m, |pool| pool.enter()) }
}

/// The same, and never waits for an M: EXTRAM_WOULD_BLOCK if none is spare, EXTRAM_EXHAUSTED if
/// moreover max_ms is reached. Not from a signal handler.
///
/// # Safety
///
/// `m` is null or points to what its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn extram_try_enter(pool: *mut extram_pool, m: *mut *mut extram_m) -> c_int {
    // SAFETY: by the caller's promise.
    unsafe { enter(pool, m, |pool| pool.try_enter()) }
}

/// The same as extram_enter, waiting for this long at most: EXTRAM_TIMED_OUT. Not from a signal
/// handler.
///
/// # Safety
///
/// `m` is null or points to what its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn extram_enter_timeout(
    pool: *mut extram_pool,
    nanoseconds: u64,
    m: *mut *mut extram_m,
) -> c_int {
    // SAFETY: by the caller's promise.
    unsafe { enter(pool, m, |pool| pool.enter_timeout(Duration::from_nanos(nanoseconds))) }
}

/// The same as extram_try_enter for a signal handler: never waits, makes, allocates or binds.
/// Leave in the same handler.
///
/// # Safety
///
/// `m` is null or points to what its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn extram_enter_from_signal(pool: *mut extram_pool, m: *mut *mut extram_m) -> c_int {
    // SAFETY: by the caller's promise.
    unsafe { enter(pool, m, |pool| pool.enter_from_signal()) }
}

/// Leaves the innermost call. From the context that entered.
///
/// EXTRAM_INVALID, and nothing has changed, if m is not the M of the calling thread's innermost
/// call in this pool, or the call is not admitted yet or being left already (in admit, new_context
/// and retire).
#[unsafe(no_mangle)]
pub extern "C" fn extram_leave(pool: *mut extram_pool, m: *mut extram_m) -> c_int {
    coded(|| {
        let (place, id) = Place::of_m(m).ok_or(EXTRAM_INVALID)?;
        if Place::of_pool(pool) != Some(place) {
            return Err(EXTRAM_INVALID);
        }
        let at_work = registry::find(place).ok_or(EXTRAM_INVALID)?;
        let m = at_work.pool.held(id).ok_or(EXTRAM_INVALID)?;
        // Relaxed: written by this thread.
        if m.depth() <= m.context().floor.load(Ordering::Relaxed) {
            return Err(EXTRAM_INVALID);
        }
        at_work.pool.leave(m).map_err(extram_code::from)
    })
}

/// What new_context made for the M. NULL if the calling thread is not inside a call with it. From
/// any context.
#[unsafe(no_mangle)]
pub extern "C" fn extram_context(m: *const extram_m) -> *mut c_void {
    guarded(core::ptr::null_mut(), || {
        let held = Place::of_m(m).and_then(|(place, id)| {
            let at_work = registry::find(place)?;
            Some(at_work.pool.held(id)?.context().pointer)
        });
        held.unwrap_or(core::ptr::null_mut())
    })
}

/// The M's number, from 1. 0 if the calling thread is not inside a call with it. From any context.
#[unsafe(no_mangle)]
pub extern "C" fn extram_m_id(m: *const extram_m) -> u32 {
    guarded(0, || {
        let held = Place::of_m(m).and_then(|(place, id)| {
            let at_work = registry::find(place)?;
            at_work.pool.held(id).map(extram_core::M::id)
        });
        held.unwrap_or(0)
    })
}
