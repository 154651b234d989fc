//! The call of a bound thread in a pool whose runtime has nothing to say to it: for a face that knows
//! that [`admit`](crate::Runtime::admit), [`retire`](crate::Runtime::retire) and
//! [`observe`](crate::Runtime::observe) would do nothing, that no stacks are asked for, and which M the
//! thread has had.
//!
//! Special cases of [`raw::keep`](crate::raw::keep) of [`enter`](Pool::enter), and of
//! [`raw::leave`](crate::raw::leave): they do the same, and call nothing foreign, so nothing unwinds. Where
//! they do nothing, the caller takes the other way.

use crate::port::Port;
use crate::sync::{Ordering, compiler_fence};
use crate::{M, Pool, Runtime};

/// Whether the M is one that the thread of that token has bound the plain way, and may come back to.
#[inline(always)]
pub fn is_bound<R: Runtime, P: Port>(m: &M<R>, token: usize) -> bool {
    P::HAS_HEAVY_BARRIER && m.hold().is_bound_plainly(token)
}

/// Enters with an M that the calling thread, whose token that is, has bound the plain way; `false` if it has
/// not (any more), or another way is to be taken: nothing has changed.
///
/// # Safety
///
/// As for [`raw::keep`](crate::raw::keep), the runtime is as the top of this file says, and the pool is not
/// freed meanwhile.
#[inline(always)]
pub unsafe fn enter<R: Runtime, P: Port>(m: &'static M<R>, token: usize) -> bool {
    // Only the thread itself binds and unbinds it; or it is revoked, and the thread may come back (Hold).
    if !is_bound::<R, P>(m, token) || P::in_handler() {
        return false;
    }
    let call = m.call();
    if !call.is_outside() {
        let nested = call.nest_admitted();
        if nested {
            call.make_raw();
        }
        return nested;
    }
    // As `Pool::hold_again` has it.
    call.begin_again();
    compiler_fence(Ordering::SeqCst);
    if m.hold().is_revoked() {
        call.end();
        return false;
    }
    // Constants, here and in `leave`: what is stored does not wait for what was. No call was inside, so none
    // was raw (Raw).
    call.set_bound_with_raw(1);
    call.admit_again();
    true
}

/// What leaving came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing has changed: it is neither a nested call nor the outermost one with an M that stays with its
    /// thread.
    Not,
    /// The call has ended. The pool was not touched, or not afterwards.
    Ended,
    /// It has not ended yet: a handler has entered meanwhile and did not leave. The caller sees to it that the
    /// pool stays, and calls [`leave_on`].
    NotYet,
}

/// Leaves a nested call, or the outermost one of an M that stays with its thread. `retired` is called where
/// the runtime's `retire` would be.
///
/// # Safety
///
/// As for [`raw::leave_held`](crate::raw::leave_held), and the runtime is as the top of this file says.
#[inline(always)]
pub unsafe fn leave<R: Runtime>(m: &'static M<R>, retired: impl FnOnce()) -> Left {
    let call = m.call();
    if !call.leaves_shortly() {
        return if call.leave_nested_raw() { Left::Ended } else { Left::Not };
    }
    // What is bound and leaves the short way is bound the plain way.
    if !call.is_bound_with_one_raw() {
        return Left::Not;
    }
    // As `Pool::leave_call` has it.
    call.set_bound_with_raw(0);
    call.retire_shortly();
    retired();
    if !call.still_leaves_shortly() {
        return Left::NotYet;
    }
    call.end();
    Left::Ended
}

/// After [`Left::NotYet`].
///
/// # Safety
///
/// `m` is that M, of that pool.
pub unsafe fn leave_on<R: Runtime, P: Port>(pool: &'static Pool<R, P>, m: &'static M<R>) {
    pool.leave_otherwise::<false>(m);
}
