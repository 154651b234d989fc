//! The call of a bound thread in a pool whose configuration has nothing to say to it: what
//! `enter_otherwise` and `leave_otherwise` do, in a tenth of the instructions.
//!
//! Nothing foreign is called in here, so nothing unwinds, and no guard against that is set up. Where
//! anything is not as it is nearly always, nothing has changed and the other way finds out: every
//! misuse is told there. What is left to be looked at is one comparison each: the handle of the pool with
//! that in its slot (a null, stale or invented one differs); the handle of the M with that of the
//! thread's seat (as does that of another thread, or of a call that is over).

use crate::Native;
use crate::code::extram_code::{EXTRAM_INVALID, EXTRAM_OK};
use crate::handle::{Place, extram_m, extram_pool};
use crate::registry;
use crate::runtime::Foreign;
use crate::seat;
use core::ffi::c_int;
use extram_core::M;
use extram_core::quiet::{self, Left};

/// `false` if the other way is to be taken.
///
/// # Safety
///
/// `m` is null or points to what its type says.
#[inline(always)]
pub(crate) unsafe fn enter(pool: *mut extram_pool, m: *mut *mut extram_m) -> bool {
    if !m.is_aligned() {
        return false;
    }
    let entered = seat::with(|words, token| {
        let (bound, slot) = words.bound(pool)?;
        let stays = registry::stays(pool, slot, words.note()?)?;
        // Not with the other condition, at the top: two branches are less than the two put together.
        if m.is_null() {
            return None;
        }
        // SAFETY: Invariant Bound, and the pool stays.
        let bound: &'static M<Foreign> = unsafe { &*bound };
        // SAFETY: C gets a name for the M and no reference. It is found again by its number or the seat,
        // on this thread and while the call is not left. The pool is quiet (Bound), and stays.
        if !unsafe { quiet::enter::<_, Native>(bound, token) } {
            return None;
        }
        words.sit(bound);
        drop(stays);
        Some(seat::handles(bound).0)
    });
    let Some(name) = entered.flatten() else { return false };
    // SAFETY: by the caller's promise; checked for null.
    unsafe { m.write(name) };
    true
}

/// What is left to be done, if anything is.
#[inline(always)]
pub(crate) fn leave(pool: *mut extram_pool, m: *mut extram_m) -> Left {
    let left = seat::with(|words, _| {
        let Some(seated) = words.seated(m) else { return Left::Not };
        if seat::handles(seated).1 != pool || !seated.context().is_quiet() {
            return Left::Not;
        }
        // SAFETY: the thread is inside (Seat), the reference is not used any more, the pool is quiet.
        unsafe { quiet::leave(seated, || words.rise()) }
    });
    left.unwrap_or(Left::Not)
}

/// After [`Left::NotYet`].
#[cold]
#[inline(never)]
pub(crate) extern "C" fn leave_on(m: *mut extram_m) -> c_int {
    let Some((place, id)) = Place::of_m(m) else { return EXTRAM_INVALID as c_int };
    // SAFETY: the thread is inside still, with the M of that handle.
    unsafe {
        let at_work = registry::seated(place);
        if let Some(m) = extram_core::raw::held(at_work.pool, id) {
            quiet::leave_on(at_work.pool, m);
        }
    }
    EXTRAM_OK as c_int
}
