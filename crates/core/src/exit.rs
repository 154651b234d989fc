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
    let Own::M { m, plain } = Own::<R>::from_value::<P>(value) else { return };
    match pool.come_again(m, plain) {
        // As after a call.
        Resumed::Outermost => pool.come_home::<false>(m),
        Resumed::Inside => {
            // The M does not stay with a thread that ends. A guard may still be dropped by what runs after
            // this hook, and then gives it back; or is leaked, and keeps it.
            m.hold().unbind(P::thread_token());
            m.call().unbind();
            if m.call().drop_raw() {
                m.note_now::<P>();
                pool.leave_otherwise::<false>(m);
            }
        }
        Resumed::TakenBack if plain && m.hold().unbind_or_acknowledge(P::thread_token()) => {
            // Revoked, and given back by a `reopen` since.
            m.call().begin(false, false);
            m.note_now::<P>();
            pool.give_back::<false>(m);
        }
        // Another's, or `close`'s.
        Resumed::TakenBack => _ = pool.set_own(Own::Nothing),
    }
}
