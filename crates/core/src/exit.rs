//! A thread that ends: its M comes home, unless a guard keeps it.

use crate::hold::Resumed;
use crate::own::Own;
use crate::port::Port;
use crate::{Pool, Runtime};

/// The hook where no thread has one.
pub(crate) unsafe extern "C" fn no_exit(_: *mut (), _: *mut ()) {}

/// The exit hook.
///
/// # Safety
///
/// For [`Hooks::at_exit`](crate::Hooks): `pool` is a `Pool<R, P>` that is not closed, and `value` what
/// the calling thread stored for it.
#[doc(alias = "cgoBindM")]
pub(crate) unsafe extern "C" fn at_exit<R: Runtime, P: Port>(pool: *mut (), value: *mut ()) {
    // SAFETY: by the contract above.
    let pool = unsafe { &*pool.cast_const().cast::<Pool<R, P>>() };
    let mine = P::thread_token();
    let Own::M { m, plain } = Own::<R>::from_value(value) else { return };
    // Of an M that is bound the plain way nobody else writes the call; of another one, `hold` says first
    // whose it is.
    let idle = if plain { m.call().is_outside() } else { m.hold().resume(mine) == Resumed::Outermost };
    if idle {
        if plain && !m.hold().unbind_or_acknowledge(mine) {
            let _ = pool.set_own(Own::Nothing);
            return;
        }
        m.call().begin(false, false);
        pool.give_back(m);
    } else if pool.is_inside_own(m) {
        // The M does not stay with a thread that ends. A guard may still be dropped by what runs after
        // this hook, and then gives it back; or is leaked, and keeps it.
        let _ = m.hold().unbind(mine, true);
        m.call().unbind();
        if m.call().drop_raw() {
            pool.leave_otherwise(m);
        }
    } else {
        // Taken back.
        let _ = pool.set_own(Own::Nothing);
    }
}
