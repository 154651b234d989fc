//! The seam above: what the author of a runtime supplies.

use crate::M;

/// A language runtime, interpreter or kernel that foreign threads call into.
///
/// Every function runs on the thread concerned. None may unwind past a foreign frame; a panic
/// leaves the pool consistent all the same.
pub trait Runtime: Sync + Sized + 'static {
    /// What one M carries: an interpreter, an allocation cursor, a stack. It moves from thread to
    /// thread, and only the thread that holds the M uses it.
    type Context: Send + 'static;

    /// Why a context could not be made.
    type Error;

    /// Makes the context of a new M. Runs in [`Pool::start`](crate::Pool::start), or on a thread
    /// that holds an M and has been admitted; in a forked child where no M is left, on the first
    /// thread that comes. This may take as long as it needs; no lock is held.
    ///
    /// # Errors
    ///
    /// One of the threads that wait gets [`EnterError::CreationFailed`](crate::EnterError), and
    /// the rest wait for another attempt.
    #[doc(alias = "oneNewExtraM")]
    fn new_context(&self) -> Result<Self::Context, Self::Error>;

    /// Called with the M in hand before the callback, at the outermost level only. May block, for
    /// instance while a collection runs: no M is made before it returns.
    #[doc(alias = "exitsyscall")]
    fn admit(&self, m: &M<Self>) {
        let _ = m;
    }

    /// The same where nobody may be kept waiting: `try_enter` and `enter_from_signal`. `false`
    /// turns the caller away with [`EnterError::WouldBlock`](crate::EnterError). The default calls
    /// [`admit`](Runtime::admit), which is right where that never blocks.
    fn try_admit(&self, m: &M<Self>) -> bool {
        self.admit(m);
        true
    }

    /// Called before the thread goes back to foreign code, at the outermost level only, and when a
    /// thread exits inside a callback.
    #[doc(alias = "entersyscall")]
    fn retire(&self, m: &M<Self>) {
        let _ = m;
    }

    /// A hook for counters, tracing and timelines. May run in a signal handler (see
    /// [`Event`]); must not enter the pool.
    fn observe(&self, event: Event) {
        let _ = event;
    }
}

/// What happens in a pool, told to [`Runtime::observe`] on the thread to which it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Event {
    /// The thread found no spare M and is now counted as waiting.
    Waiting,
    /// The wait is over: an M was handed over.
    Granted {
        /// The M's number.
        m: u32,
    },
    /// The wait is over without an M: a time-out, a failed creation or a closed pool.
    Refused,
    /// The thread has an M and runs at the outermost level (after admission, before any refill).
    Entered {
        /// The M's number.
        m: u32,
    },
    /// The thread begins to make an M.
    Making,
    /// It made this one.
    Made {
        /// The new M's number.
        m: u32,
    },
    /// It failed to make one.
    Failed,
    /// The thread left the outermost level; a bound M stays with it.
    Left {
        /// The M's number.
        m: u32,
    },
    /// The M is no longer the thread's: it went to a waiter or to the list of spare Ms.
    Returned {
        /// The M's number.
        m: u32,
    },
}
