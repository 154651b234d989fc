//! What a thread's thread-local value of a pool says.
//!
//! - **Own.** The value is null; or [`TAKING`], with the address of a [`Guest`] of this thread added if that
//!   has come as one, which stays in its place meanwhile; or the address of an M whose memory is valid
//!   (Stable), with [`PLAINLY`] added if the thread has bound it the plain way. The M is the thread's own if
//!   `hold` carries its token, and it is idle, or a call is inside that is not detached.

use crate::list::Guest;
use crate::port::Port;
use crate::{M, Pool, Runtime};

/// The thread is about to take an M.
const TAKING: usize = 1;

const _: () = assert!(align_of::<usize>() > (TAKING | PLAINLY), "an M and a guest have words");

/// In a value that is an M: it is bound the plain way. So the thread knows it before it has looked at
/// the M.
const PLAINLY: usize = 2;

/// See the top of this file.
pub(crate) enum Own<R: Runtime> {
    /// The thread has no M of this pool.
    Nothing,
    /// The thread is on its way to one: what is in transit may be its own, should a handler fork. The
    /// address of the guest as which it came, or null.
    Taking(*const ()),
    /// This one.
    M { m: &'static M<R>, plain: bool },
}

impl<R: Runtime> Own<R> {
    pub(crate) fn from_value<P: Port>(value: *mut ()) -> Self {
        match value.addr() {
            0 => Own::Nothing,
            TAKING if !P::FORKS => Own::Taking(core::ptr::null()),
            address if P::FORKS && address & TAKING != 0 => Own::Taking(value.map_addr(|a| a - TAKING)),
            address => Own::M {
                // SAFETY: Invariant Own.
                m: unsafe { &*value.map_addr(|a| a & !PLAINLY).cast() },
                plain: P::HAS_HEAVY_BARRIER && address & PLAINLY != 0,
            },
        }
    }

    #[inline]
    fn value<P: Port>(&self) -> *mut () {
        match *self {
            Own::Nothing => core::ptr::null_mut(),
            Own::Taking(guest) if P::FORKS => guest.map_addr(|a| a | TAKING).cast_mut(),
            Own::Taking(_) => core::ptr::without_provenance_mut(TAKING),
            Own::M { m, plain } => {
                let value = core::ptr::from_ref(m).cast_mut();
                value.map_addr(|a| if plain { a | PLAINLY } else { a }).cast()
            }
        }
    }
}

/// The guest of [`Own::Taking`]. Only a forked child asks for it.
pub(crate) fn taking<P: Port>(guest: &Guest<'_, P>) -> *const () {
    if P::FORKS { core::ptr::from_ref(guest).cast() } else { core::ptr::null() }
}

/// Whether a value is [`Own::Taking`], of this guest.
pub(crate) fn is_taking<P: Port>(value: *mut (), guest: &Guest<'_, P>) -> bool {
    value.addr() == taking(guest).addr() | TAKING
}

/// The M of a value if that is bound the plain way: the part of [`Own::from_value`] for the fast path.
#[inline(always)]
pub(crate) fn plain<R: Runtime>(value: *mut ()) -> Option<&'static M<R>> {
    // SAFETY: Invariant Own.
    (value.addr() & PLAINLY != 0).then(|| unsafe { &*value.map_addr(|a| a - PLAINLY).cast() })
}

impl<R: Runtime, P: Port> Pool<R, P> {
    pub(crate) fn own(&'static self) -> Own<R> {
        Own::from_value::<P>(P::tls_get(&self.local))
    }

    /// `false` where the port has no room for it: the calls of this thread do not find each other then.
    #[inline(always)]
    pub(crate) fn set_own(&'static self, own: Own<R>) -> bool {
        P::tls_set(&self.local, own.value::<P>()).is_ok()
    }

    /// Whether a call is inside the M that the thread's value names, and it is the thread's own. First the
    /// call: another holder writes its token before it begins one (Call).
    pub(crate) fn is_inside_own(&'static self, m: &M<R>) -> bool {
        m.call().is_own() && m.hold().token() == P::thread_token()
    }

    /// Whether `m` is what the thread's value says.
    pub(crate) fn is_own(&'static self, m: &M<R>) -> bool {
        matches!(self.own(), Own::M { m: own, .. } if core::ptr::eq(own, m))
    }
}
