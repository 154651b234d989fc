//! Calls without guards, for a face whose callers have none, such as C's.
//!
//! A raw call is left by hand. If its thread ends inside, the exit hook leaves it: nobody else will.
//! In a pool these functions may be mixed with guards; what a guard holds, only that guard gives back.

use crate::enter::Manner;
use crate::own::Own;
use crate::port::Port;
use crate::{EnterError, Entered, LeaveError, M, Pool, Runtime};

#[cfg(not(loom))]
#[doc(hidden)]
pub use crate::lone::Lone;

/// Makes a guard's call a raw one.
///
/// # Safety
///
/// The M is used by the calling thread alone, and only until this call is [left](leave), or the thread
/// ends.
#[inline]
pub unsafe fn keep<R: Runtime, P: Port>(pool: &'static Pool<R, P>, entered: Entered<R, P>) -> &'static M<R> {
    let m = entered.into_m();
    m.call().make_raw();
    if P::HAS_EXIT_HOOK && m.call().raw() == 1 && !m.call().is_bound::<P>() {
        // So that it comes home if the thread ends inside.
        let _ = P::tls_look(&pool.local).1 || P::exit_hook(&pool.local);
    }
    m
}

/// [`Pool::enter_from_signal`], but on the thread's own M where a call is inside and admitted.
///
/// # Errors
///
/// As there.
///
/// # Safety
///
/// As for [`keep`]. The call is left before the handler returns, and the context may be used by the
/// handler while the interrupted call is using it.
pub unsafe fn enter_from_signal<R: Runtime, P: Port>(
    pool: &'static Pool<R, P>,
) -> Result<&'static M<R>, EnterError> {
    // First whether the thread is inside: an idle M may be another's by now, with a call of its own.
    if let Own::M { m, .. } = pool.own()
        && pool.is_inside_own(m)
        && m.call().nest_admitted()
    {
        m.call().make_raw();
        pool.ask_stack(m, crate::enter::stack_pointer(), P::stack_bounds_in_signal);
        return Ok(m);
    }
    let m = pool.enter_anew(&Manner::HANDLER, crate::enter::stack_pointer())?;
    m.call().make_raw();
    Ok(m)
}

/// Leaves a raw call.
///
/// # Errors
///
/// [`LeaveError::NotHeld`] if the calling thread is in no raw call with the M. Nothing has changed.
///
/// # Safety
///
/// `m` is an M of that pool. Its raw calls that are left have been entered by raw calls, and the M is
/// not used by the one that is left.
#[inline]
pub unsafe fn leave<R: Runtime, P: Port>(
    pool: &'static Pool<R, P>,
    m: &'static M<R>,
) -> Result<(), LeaveError> {
    if !is_held::<R, P>(m) {
        return Err(LeaveError::NotHeld);
    }
    // SAFETY: by the caller's promise.
    unsafe { leave_held(pool, m) }
}

/// [`leave`] for a caller that knows that the calling thread is inside a call with the M.
///
/// # Errors
///
/// [`LeaveError::NotHeld`] if none of the calls is raw. Nothing has changed.
///
/// # Safety
///
/// As for [`leave`], and the calling thread is inside a call with the M.
#[inline]
pub unsafe fn leave_held<R: Runtime, P: Port>(
    pool: &'static Pool<R, P>,
    m: &'static M<R>,
) -> Result<(), LeaveError> {
    if !m.call().unmake_raw() {
        return Err(LeaveError::NotHeld);
    }
    pool.leave_call(m);
    Ok(())
}

/// How many of the calls with an M that the calling thread is inside can be [left](leave): not one that is
/// being entered or left, nor a guard's.
#[inline]
pub fn calls<R: Runtime>(m: &M<R>) -> u32 {
    m.call().raw()
}

/// Whether the call with an M that the calling thread is inside has been admitted. It stays so until
/// [`Runtime::retire`] is called for the M on this thread.
#[inline]
pub fn is_admitted<R: Runtime>(m: &M<R>) -> bool {
    m.call().is_admitted()
}

/// Leaves a raw call, and the M's context is not lent again: [`Entered::discard`].
///
/// # Errors
///
/// As for [`leave`].
///
/// # Safety
///
/// As for [`leave`].
pub unsafe fn discard<R: Runtime, P: Port>(
    pool: &'static Pool<R, P>,
    m: &'static M<R>,
) -> Result<(), LeaveError> {
    if !is_held::<R, P>(m) || m.call().raw() == 0 {
        return Err(LeaveError::NotHeld);
    }
    pool.may_part();
    m.mark_broken();
    // SAFETY: by the caller's promise.
    unsafe { leave(pool, m) }
}

/// The M of that number, if the calling thread is inside a call with it; for numbers that may be stale
/// or invented.
///
/// # Safety
///
/// The M is used by the calling thread alone, while it is inside.
#[inline]
pub unsafe fn held<R: Runtime, P: Port>(pool: &'static Pool<R, P>, id: u32) -> Option<&'static M<R>> {
    if !pool.table.numbers().contains(&id) {
        return None;
    }
    let m = pool.table.get(id);
    is_held::<R, P>(m).then_some(m)
}

/// Whether the calling thread is inside a call with the M, which may be any.
#[inline]
fn is_held<R: Runtime, P: Port>(m: &M<R>) -> bool {
    // An M that went back still has the token of whoever had it last, so whether somebody is inside is
    // looked at first: another holder wrote its token before it began its call (Call).
    m.call().is_inside() && m.hold().token() == P::thread_token()
}

/// [`Pool::dump`], for a face that has no use for the core library's formatting.
///
/// # Errors
///
/// Those of `out`.
pub fn dump<R: Runtime, P: Port>(
    pool: &'static Pool<R, P>,
    out: &mut dyn FnMut(&str) -> core::fmt::Result,
) -> core::fmt::Result {
    pool.write_all(out)
}

/// The calling thread's own M, if it is inside a call.
///
/// # Safety
///
/// As for [`held`].
pub unsafe fn inside<R: Runtime, P: Port>(pool: &'static Pool<R, P>) -> Option<&'static M<R>> {
    let Own::M { m, .. } = pool.own() else { return None };
    is_held::<R, P>(m).then_some(m)
}
