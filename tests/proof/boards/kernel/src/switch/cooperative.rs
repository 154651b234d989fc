//! Switching where contexts run until they wait or yield: one function call that returns in another
//! context, perhaps on another core. It happens inside of a critical section, which the context that
//! is switched to ends: until then no core can run the one that is left.

use crate::context::State;
use crate::schedule;
use crate::switch::{exchange, relax};
use critical_section::CriticalSection;
use extram_port_bare_metal::Block;

pub(crate) fn reschedule(becomes: impl FnOnce(CriticalSection<'_>) -> Option<State>) {
    critical_section::with(|cs| {
        let Some(state) = becomes(cs) else { return };
        let now = schedule::current();
        now.state.borrow(cs).set(state);
        let next = schedule::next(cs, schedule::core(), now);
        if !core::ptr::eq(now, next) {
            let next = next.sp.borrow(cs).get();
            // SAFETY: prepared, or saved by an earlier exchange; nobody else runs it, because it was
            // ready and the section makes it ours.
            unsafe { exchange(now.sp.borrow(cs).as_ptr(), next) };
        }
    });
}

/// Where a new context comes out of the exchange.
pub(crate) extern "C" fn begin() -> ! {
    crate::critical::end_first();
    schedule::run_context()
}

/// Leaves the stack on which the core was started, and idles.
///
/// # Safety
///
/// `sp` is that of the core's prepared idling context.
pub(crate) unsafe fn begin_idle(sp: usize, _block: &'static Block) -> ! {
    let mut old = 0;
    // SAFETY: ended by `begin`.
    unsafe { critical_section::acquire() };
    // SAFETY: by the caller's promise.
    unsafe { exchange(&raw mut old, sp) };
    unreachable!("nobody goes back to the stack on which a core was started")
}

pub(crate) extern "C" fn idle(_: *mut ()) {
    loop {
        schedule::relax();
        // A pause, so that cores with nothing to do leave the lock to the others.
        for _ in 0..32 {
            relax();
        }
    }
}
