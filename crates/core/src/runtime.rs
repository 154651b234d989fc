//! The seam above: what the author of a runtime supplies.

use crate::{EnterError, M};

/// A language runtime, interpreter or kernel that foreign threads call into.
///
/// Every function runs on the thread concerned, and may enter the pool, keep what it got, fail, panic
/// or fork: the pool is whole whenever one is called. In particular:
///
/// - [`admit`](Runtime::admit), [`try_admit`](Runtime::try_admit) and [`retire`](Runtime::retire) are part of a
///   call, so what they enter is nested in it; [`new_context`](Runtime::new_context) too, except in
///   `start` and `reopen`, where the pool is not open, and where no M is left (in a forked child, or
///   after a [`discard`](crate::Entered::discard)), where entering is
///   [`WouldBlock`](crate::EnterError::WouldBlock).
/// - If `admit`, `retire` or `observe` panics, the call is over. If `new_context` panics, it has failed,
///   and all who wait at that moment are told [`CreationFailed`](crate::EnterError::CreationFailed).
pub trait Runtime: Sync + Sized + 'static {
    /// What one M carries: an interpreter, an allocation cursor, a stack. It moves from thread to
    /// thread, and only the thread that holds the M uses it. It is moved into its M when it was made,
    /// and out of it, onto the stack of whoever trims or closes the pool, to be dropped: put what is
    /// large into a box.
    type Context: Send + 'static;

    /// Why a context could not be made.
    type Error;

    /// Whether the bounds of stacks are asked for: at each thread's first call, and when a call comes in
    /// on another stack than the one before. Without it [`M::stack`] is `None`, and nothing is asked. What was
    /// learnt of a coroutine's stack is taken for true as long as calls come in within those bounds: do not
    /// map a smaller stack where a larger one was while its thread has an M.
    const STACKS: bool = false;

    /// Whether this runtime wants what [`STACKS`](Runtime::STACKS) allows, and always the same: for a
    /// face of extram whose configuration says so at run time. It does not panic.
    #[doc(hidden)]
    fn wants_stacks(&self) -> bool {
        true
    }

    /// Puts a context into its M: for one whose fields others read while that happens.
    ///
    /// # Safety
    ///
    /// `place` is for a context, which is not there yet, and the caller's alone but for such readers. Whoever
    /// writes this function promises that the context is there afterwards.
    #[doc(hidden)]
    unsafe fn place(place: *mut Self::Context, context: Self::Context) {
        // SAFETY: by the caller's promise.
        unsafe { place.write(context) };
    }

    /// Whether it is noted since when a thread has its M, or waits for one, for
    /// [`Pool::ms`](crate::Pool::ms), [`Pool::dump`](crate::Pool::dump) and
    /// [`Pool::trim_unused`](crate::Pool::trim_unused): a look at the clock whenever a
    /// thread gets one, so at each call where Ms do not stay with threads, and when one goes to sleep.
    const SINCE: bool = false;

    /// Makes the context of a new M. Runs in [`Pool::start`](crate::Pool::start), or on a thread
    /// that holds an M and has been admitted; where no M is left (in a forked child, or after a
    /// [`discard`](crate::Entered::discard) whose replacement failed), on the first thread that comes. This
    /// may take as long as it needs; no lock is held.
    ///
    /// # Errors
    ///
    /// The thread on which it failed is told by [`failed`](Runtime::failed) and goes on with the M that it
    /// has. One of the threads that wait gets
    /// [`EnterError::CreationFailed`](crate::EnterError::CreationFailed), and the rest wait for another
    /// attempt; after one attempt more than ever waited at a time, all of them are told, since whoever tries
    /// again at once would keep the thread here for ever. If nobody waits there is none: who comes then gets
    /// the same error at once, until an M comes back, and whoever enters with that tries again. In `start`, `reopen` and `prewarm`, and where
    /// no M is left, the caller itself is told `CreationFailed`.
    #[doc(alias = "oneNewExtraM")]
    fn new_context(&self) -> Result<Self::Context, Self::Error>;

    /// Why [`new_context`](Runtime::new_context) failed, on the thread to which it happened. Called once
    /// for each error, in `start` too. The default drops the error.
    fn failed(&self, error: Self::Error) {
        let _ = error;
    }

    /// Called with the M in hand before the callback, at the outermost level only. May block, for
    /// instance while a collection runs: no M is made before it returns.
    ///
    /// Called once more, and `retire` after it, where a [discarded](crate::Entered::discard) context is
    /// replaced at once. `m` has the old context then, in both: the new one takes its place afterwards.
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

    /// Why a wait is over without an M, on the thread that waited, before it is told
    /// [`Event::Refused`](Event::Refused).
    fn refused(&self, error: EnterError) {
        let _ = error;
    }

    /// A hook for counters, tracing and timelines, which say themselves what time it is
    /// ([`Port::now`](crate::Port::now) is the port's clock). Runs in a handler for what happens to a call
    /// from there (see [`Event`]). It may enter the pool, which tells it again.
    fn observe(&self, event: Event) {
        let _ = event;
    }
}

/// What happens in a pool, told to [`Runtime::observe`] on the thread to which it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Event {
    /// The thread found no spare M and is about to wait.
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
    /// The M is no longer its thread's: it goes to a waiter or to the list of spare Ms. Where an idle M
    /// is taken back, it is the thread that takes it which is told. Not of one that was discarded.
    Returned {
        /// The M's number.
        m: u32,
    },
    /// The last call with this M is over, whose context was [discarded](crate::Entered::discard) and is
    /// about to be dropped; in place of `Returned`. If another one is made in its place, that is told as for any
    /// other M.
    Discarded {
        /// The M's number.
        m: u32,
    },
}
