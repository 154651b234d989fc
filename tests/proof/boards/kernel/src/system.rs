//! The port's seam on top of the kernel.

use crate::schedule;
use extram_core::Refused;
use extram_core::sync::{AtomicU32, Ordering};
use extram_port_bare_metal::{Block, Starts, System};

/// The kernel, as the port sees it.
#[derive(Clone, Copy, Debug)]
pub enum Kernel {}

/// A context that [`Starts::start`] started.
#[derive(Debug)]
pub struct Context(usize);

// SAFETY: Own block: the context's own, by the thread pointer that the switch saves; a context is
// not preempted elsewhere than where its core's pointer is a register or it stays on its core. Fresh
// block: `prepare` resets it. Exit: `run_context` calls it. Wake: the address is compared. Handler: the
// processor tells on Cortex-M; on the other machines handlers call `enter_from_signal` alone. Brief:
// interrupts are masked, so the context is not preempted.
unsafe impl System for Kernel {
    /// With the feature `broken` it is a lie.
    const EXITS: bool = true;

    #[inline]
    fn block() -> &'static Block {
        crate::switch::block()
    }

    fn frequency() -> u32 {
        schedule::machine().frequency
    }

    fn ticks() -> u64 {
        (schedule::machine().ticks)()
    }

    fn relax() {
        schedule::relax();
    }

    /// The context stays ready, so it comes back by itself.
    fn yield_now() {
        schedule::relax();
    }

    fn sleep(until: u64) {
        while Self::ticks() < until {
            schedule::wait(0, until, || false);
        }
    }

    fn wait(word: &AtomicU32, expected: u32, until: Option<u64>) {
        let address = core::ptr::from_ref(word).addr();
        // Relaxed: whoever changes the word wakes in a critical section of its own, after this one
        // or before, when the change is visible here.
        let changed = || word.load(Ordering::Relaxed) != expected;
        schedule::wait(address, until.unwrap_or(u64::MAX), changed);
    }

    fn wake(word: *const AtomicU32, count: u32) {
        schedule::wake(word.addr(), count);
    }

    fn brief<T>(f: impl FnOnce() -> T) -> T {
        let enabled = crate::switch::mask();
        let result = f();
        if enabled {
            crate::switch::unmask();
        }
        result
    }
}

impl Starts for Kernel {
    type Thread = Context;

    fn start(entry: extern "C" fn(*mut ()), arg: *mut (), stack: usize) -> Result<Context, Refused> {
        schedule::start(entry, arg, stack).map(Context).ok_or(Refused)
    }

    fn join(context: Context) {
        while !schedule::reap(context.0) {
            schedule::relax();
        }
    }
}
