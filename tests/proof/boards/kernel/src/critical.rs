//! Critical sections on one core or several: interrupts masked, and a lock that a core may take
//! again while it has it.

#[cfg(target_has_atomic = "ptr")]
use crate::schedule;
use crate::switch;
#[cfg(target_has_atomic = "ptr")]
use core::sync::atomic::{AtomicU32, Ordering};
use critical_section::RawRestoreState;
#[cfg(target_has_atomic = "ptr")]
use spin::mutex::SpinMutex;

struct MaskAndLock;

critical_section::set_impl!(MaskAndLock);

/// In the state to restore: interrupts were enabled.
const ENABLED: u8 = 1;
/// In the state to restore: the core had the lock before.
const NESTED: u8 = 2;

/// Between the cores. To spin is right here: interrupts are masked, so whoever has it is at work.
#[cfg(target_has_atomic = "ptr")]
static LOCK: SpinMutex<()> = SpinMutex::new(());
/// The number of the core that has the lock, plus one; 0 for none.
#[cfg(target_has_atomic = "ptr")]
static OWNER: AtomicU32 = AtomicU32::new(0);
/// One core without compare-exchange: masking is enough.
#[cfg(not(target_has_atomic = "ptr"))]
static mut INSIDE: bool = false;

// SAFETY: interrupts are masked first, so this core does nothing else until `release`; other cores
// find `LOCK` taken, which orders what two cores do inside.
unsafe impl critical_section::Impl for MaskAndLock {
    unsafe fn acquire() -> RawRestoreState {
        let enabled = switch::mask() as u8 * ENABLED;
        #[cfg(not(target_has_atomic = "ptr"))]
        {
            // SAFETY: interrupts are masked, and there is one core.
            let nested = unsafe { core::mem::replace(&mut *(&raw mut INSIDE), true) };
            return enabled | nested as u8 * NESTED;
        }
        #[cfg(target_has_atomic = "ptr")]
        {
            let me = schedule::core() as u32 + 1;
            // Relaxed: only this core stores its own number.
            if OWNER.load(Ordering::Relaxed) == me {
                return enabled | NESTED;
            }
            // Unlocked by `release`, maybe in another context.
            core::mem::forget(LOCK.lock());
            OWNER.store(me, Ordering::Relaxed);
            enabled
        }
    }

    unsafe fn release(state: RawRestoreState) {
        if state & NESTED == 0 {
            #[cfg(target_has_atomic = "ptr")]
            {
                OWNER.store(0, Ordering::Relaxed);
                // SAFETY: locked by `acquire`, on this core, whose guard was forgotten.
                unsafe { LOCK.force_unlock() };
            }
            #[cfg(not(target_has_atomic = "ptr"))]
            // SAFETY: interrupts are masked, and there is one core.
            unsafe {
                *(&raw mut INSIDE) = false;
            }
        }
        if state & ENABLED != 0 {
            switch::unmask();
        }
    }
}

/// Ends the section in which a new context was switched to; it began in another context.
#[cfg(not(target_arch = "arm"))]
pub(crate) fn end_first() {
    // SAFETY: the switch is inside of a section that nobody else will end on this core.
    unsafe { <MaskAndLock as critical_section::Impl>::release(ENABLED) };
}
