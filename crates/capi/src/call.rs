//! Calls: entering, what the M carries, leaving.

use crate::Native;
use crate::boundary::{address, coded, coded_slowly};
use crate::code::extram_code::{self, EXTRAM_INVALID, EXTRAM_OK, EXTRAM_TOO_MANY};
use crate::handle::{Place, extram_m, extram_pool};
use crate::pool::{find, told, writable};
use crate::registry::{self, AtWork, Pool};
use crate::runtime::Foreign;
use crate::{quick, seat};
use core::ffi::{c_int, c_void};
use core::time::Duration;
use extram_core::quiet::Left;
use extram_core::sync::Ordering;
use extram_core::{EnterError, Entered, M, raw};

/// Enters one way or another and hands the M out as a handle; the call is C's to leave.
///
/// # Safety
///
/// `m` is null or points to what its type says. `enter` is one of the ways of this file.
#[inline]
unsafe fn enter(
    pool: *mut extram_pool,
    m: *mut *mut extram_m,
    enter: impl FnOnce(&'static Pool) -> Result<&'static M<Foreign>, EnterError>,
) -> c_int {
    coded(|| {
        // SAFETY: by the caller's promise.
        let handle = unsafe { writable(m) }?;
        let at_work = find(pool)?;
        let entered = enter(at_work.pool)?;
        let name = at_work.place.m(entered.id());
        if name.is_null() {
            // SAFETY: entered a moment ago and told to nobody.
            unsafe { raw::leave(at_work.pool, entered) }?;
            return Err(EXTRAM_TOO_MANY);
        }
        seat::take(pool, &at_work, entered, name);
        // SAFETY: by the caller's promise; checked for null.
        unsafe { handle.write(name) };
        Ok(())
    })
}

/// An ordinary call, which C leaves.
#[inline]
fn kept(
    pool: &'static Pool,
    entered: Result<Entered<Foreign, Native>, EnterError>,
) -> Result<&'static M<Foreign>, EnterError> {
    // SAFETY: C gets a name for the M and no reference. It is found again by `raw::held`, on this
    // thread and while the call is not left.
    entered.map(|entered| unsafe { raw::keep(pool, entered) })
}

/// Lends the calling thread an M, waiting for one as long as it takes. A thread that is inside
/// already gets its own again, one level deeper. Each entry is left once, with extram_leave; calls that
/// a thread has not left when it ends are left then. Not from a signal handler.
///
/// Whoever takes the last spare M makes the next one before it is inside, and where no M is left the
/// caller makes one: that takes as long as new_context does. extram_prewarm makes Ms in advance.
///
/// EXTRAM_CLOSED, but nested calls get their M; EXTRAM_CREATION_FAILED if an M could not be made, and at
/// once for callers who come after that while Ms are in use, until one comes back or extram_prewarm makes
/// one; where no M is left at all each caller tries again itself, as often as it comes;
/// EXTRAM_TOO_MANY if more calls are nested, or more threads wait, than can be counted. *m is
/// written on EXTRAM_OK only.
///
/// # Safety
///
/// `m` is null or points to what its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn extram_enter(pool: *mut extram_pool, m: *mut *mut extram_m) -> c_int {
    // SAFETY: by the caller's promise.
    unsafe {
        if quick::enter(pool, m) {
            return EXTRAM_OK as c_int;
        }
        enter_otherwise(pool, m)
    }
}

/// `extern "C"`, here and below: that does not unwind, so the compiler can go there by a jump, and needs no
/// frame of its own on the short way.
///
/// # Safety
///
/// As for [`extram_enter`].
#[inline(never)]
unsafe extern "C" fn enter_otherwise(pool: *mut extram_pool, m: *mut *mut extram_m) -> c_int {
    // SAFETY: by the caller's promise.
    unsafe { enter(pool, m, |pool| kept(pool, pool.enter())) }
}

/// As extram_enter, but waits for no other thread: EXTRAM_WOULD_BLOCK if no M is spare, EXTRAM_EXHAUSTED if
/// max_ms is reached as well. It may make one, as extram_enter does. Not from a signal handler.
///
/// # Safety
///
/// `m` is null or points to what its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn extram_try_enter(pool: *mut extram_pool, m: *mut *mut extram_m) -> c_int {
    // SAFETY: by the caller's promise.
    unsafe { enter(pool, m, |pool| kept(pool, pool.try_enter())) }
}

/// As extram_enter, but waits for this long at most, and then returns EXTRAM_TIMED_OUT. The time that
/// new_context and admit take is not counted. Not from a signal handler.
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
    unsafe { enter(pool, m, |pool| kept(pool, pool.enter_timeout(Duration::from_nanos(nanoseconds)))) }
}

/// As extram_try_enter, for a signal handler: never waits, makes an M, allocates or binds. Where the
/// handler interrupts an ordinary call, its own is nested in that, with the same M; while that call is
/// being entered or left, and inside another handler's, it takes another M. Leave before the handler
/// returns.
///
/// Where extram_depth is above 1 the context is that of the interrupted call, in the middle of whatever
/// that was doing: touch only what is safe then. Else try_admit (or admit), retire and observe run in the
/// handler.
///
/// # Safety
///
/// `m` is null or points to what its type says. The call is left before a handler returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn extram_enter_from_signal(pool: *mut extram_pool, m: *mut *mut extram_m) -> c_int {
    // SAFETY: by the caller's promise, which includes that the handler leaves.
    unsafe { enter(pool, m, |pool| raw::enter_from_signal(pool)) }
}

/// Leaves a call, on the thread that entered; in a signal handler only what that handler entered, with
/// extram_enter_from_signal. Nested calls have one M, so they may be left in any order: the last one to be
/// left is the outermost.
///
/// EXTRAM_INVALID, and nothing has changed, if the calling thread has no call with m in this pool, or
/// none that may be left now. A call may not be left before the function that entered has returned, or
/// while it is being left already (in admit, new_context and retire), nor in new_context while
/// extram_prewarm runs inside it. EXTRAM_INVALID also if retire, being written in Rust, panicked: then
/// the call is over.
#[unsafe(no_mangle)]
pub extern "C" fn extram_leave(pool: *mut extram_pool, m: *mut extram_m) -> c_int {
    match quick::leave(pool, m) {
        Left::Ended => EXTRAM_OK as c_int,
        Left::NotYet => quick::leave_on(m),
        Left::Not => leave_otherwise(pool, m),
    }
}

#[inline(never)]
extern "C" fn leave_otherwise(pool: *mut extram_pool, m: *mut extram_m) -> c_int {
    coded(|| {
        let (at_work, m) = to_leave(pool, m)?;
        // SAFETY: the reference is not used any more, and the thread is inside (`to_leave`).
        unsafe { raw::leave_held(at_work.pool, m) }.map_err(extram_code::from)
    })
}

/// The call that is to be left, if the calling thread may.
#[inline(always)]
fn to_leave(pool: *mut extram_pool, m: *mut extram_m) -> Result<(AtWork, &'static M<Foreign>), extram_code> {
    let (at_work, m) = match seat::taken(m) {
        Some(seated) => {
            let place = Place::around(m);
            if place.pool() != pool {
                return Err(EXTRAM_INVALID);
            }
            // SAFETY: Invariant Seat, and the handle is that of the M.
            (unsafe { registry::seated(place) }, seated)
        }
        None => to_leave_otherwise(pool, m)?,
    };
    if m.depth() <= m.context().floor() { Err(EXTRAM_INVALID) } else { Ok((at_work, m)) }
}

#[inline(never)]
fn to_leave_otherwise(
    pool: *mut extram_pool,
    m: *mut extram_m,
) -> Result<(AtWork, &'static M<Foreign>), extram_code> {
    let (place, id) = Place::of_m(m).ok_or(EXTRAM_INVALID)?;
    if place.pool() != pool {
        return Err(EXTRAM_INVALID);
    }
    let at_work = registry::find(place).ok_or(EXTRAM_INVALID)?;
    let m = held(&at_work, id).ok_or(EXTRAM_INVALID)?;
    Ok((at_work, m))
}

/// Leaves every call with m that is deeper than this: for after a longjmp, or an exception of a language
/// that knows no extram_leave. depth is what extram_depth returned where it lands. 0 leaves all.
/// EXTRAM_OK also if none is deeper.
///
/// EXTRAM_INVALID as extram_leave, and where a deeper call may not be left now (while extram_prewarm
/// runs in it, in admit and in retire): then none is left.
#[unsafe(no_mangle)]
pub extern "C" fn extram_leave_to(pool: *mut extram_pool, m: *mut extram_m, depth: u32) -> c_int {
    coded(|| {
        let (at_work, m) = to_leave(pool, m)?;
        let deeper = m.depth().saturating_sub(depth);
        if depth < m.context().floor() || deeper > raw::calls(m) {
            return Err(EXTRAM_INVALID);
        }
        for _ in 0..deeper {
            // SAFETY: the reference is not used after the last one: the range was counted before.
            unsafe { raw::leave(at_work.pool, m) }?;
        }
        Ok(())
    })
}

/// Leaves a call as extram_leave does, and the context is not lent again: for one that is broken. It
/// is freed when the last call with m has been left; until then it stays with those that are inside.
///
/// Another one is made when it is needed: at once, by the calling thread, if no M is spare then; for
/// that the thread is admitted and retired once more, and extram_context is the old one in both. If no
/// other can be made, observe and those who wait are told, and who enters first when no M is left tries
/// again. Not from a signal handler.
///
/// extram_each_m shows m with the old context until that is taken out, and never while it is being
/// freed. Both happen after retire, on a thread that is not admitted.
///
/// EXTRAM_INVALID as extram_leave; and if a function of the configuration, being written in Rust,
/// panicked: then the call is over, and the context is freed all the same.
#[unsafe(no_mangle)]
pub extern "C" fn extram_discard(pool: *mut extram_pool, m: *mut extram_m) -> c_int {
    coded_slowly(|| {
        let (at_work, m) = to_leave(pool, m)?;
        // SAFETY: the reference is not used any more.
        unsafe { raw::discard(at_work.pool, m) }?;
        told(&at_work)
    })
}

/// The M of that number, if the calling thread is inside a call with it.
#[inline]
fn held(at_work: &AtWork, id: u32) -> Option<&'static M<Foreign>> {
    // SAFETY: each caller uses the M on this thread, before it leaves.
    unsafe { raw::held(at_work.pool, id) }
}

/// What new_context made for the M. NULL if the calling thread is not inside a call with it. From
/// any context.
#[unsafe(no_mangle)]
pub extern "C" fn extram_context(m: *const extram_m) -> *mut c_void {
    match seat::taken(m) {
        // Relaxed: written before the thread got the M.
        Some(seated) => seated.context().pointer.load(Ordering::Relaxed),
        None => context_otherwise(m),
    }
}

#[inline(never)]
extern "C" fn context_otherwise(m: *const extram_m) -> *mut c_void {
    let pointer = of_held_otherwise(m, |m| m.context().pointer.load(Ordering::Relaxed));
    pointer.unwrap_or(core::ptr::null_mut())
}

/// What is asked of an M that the calling thread is inside a call with; `None` if it is in none.
#[inline]
pub(crate) fn of_held<T>(m: *const extram_m, f: fn(&'static M<Foreign>) -> T) -> Option<T> {
    match seat::taken(m) {
        Some(seated) => Some(f(seated)),
        None => of_held_otherwise(m, f),
    }
}

#[inline(never)]
fn of_held_otherwise<T>(m: *const extram_m, f: fn(&'static M<Foreign>) -> T) -> Option<T> {
    let (place, id) = Place::of_m(m)?;
    let at_work = registry::find(place)?;
    held(&at_work, id).map(f)
}

/// The M's number, from 1. 0 if the calling thread is not inside a call with it. From any context.
#[unsafe(no_mangle)]
pub extern "C" fn extram_m_id(m: *const extram_m) -> u32 {
    of_held(m, M::id).unwrap_or(0)
}

/// How many calls of the calling thread are inside with m: 1 in a callback, 2 in a callback of a
/// callback. 0 if none is. From any context.
#[unsafe(no_mangle)]
pub extern "C" fn extram_depth(m: *const extram_m) -> u32 {
    of_held(m, M::depth).unwrap_or(0)
}

/// The stack that the calling thread came in on with m: its lowest address, and one past the highest.
/// Both 0 where it is not known: the configuration does not ask for it (stacks), the system does not
/// tell, or calls from several stacks were left out of order. From any context.
///
/// EXTRAM_INVALID if the calling thread is not inside a call with it.
///
/// # Safety
///
/// `low` and `high` are null or point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn extram_stack(m: *const extram_m, low: *mut address, high: *mut address) -> c_int {
    coded(|| {
        // SAFETY: by the caller's promise.
        let (low, high) = unsafe { (writable(low)?, writable(high)?) };
        let stack = of_held(m, M::stack).ok_or(EXTRAM_INVALID)?.unwrap_or(0..0);
        // SAFETY: by the caller's promise; checked for null.
        unsafe {
            low.write(stack.start);
            high.write(stack.end);
        }
        Ok(())
    })
}

/// Stores a word with the M. Whoever holds the M finds it there until the context goes, and extram_each_m
/// shows it. Nothing happens if the calling thread is not inside a call with m. From any context.
#[unsafe(no_mangle)]
pub extern "C" fn extram_set_user(m: *mut extram_m, user: *mut c_void) {
    // Relaxed: for the thread itself; for others a hint.
    if let Some(place) = of_held(m, |m| &m.context().user) {
        place.store(user, Ordering::Relaxed);
    }
}

/// What extram_set_user stored; NULL at first, and if the calling thread is not inside a call with m.
/// From any context.
#[unsafe(no_mangle)]
pub extern "C" fn extram_user(m: *const extram_m) -> *mut c_void {
    of_held(m, |m| m.context().user.load(Ordering::Relaxed)).unwrap_or(core::ptr::null_mut())
}
