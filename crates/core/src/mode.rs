//! How the threads of a pool keep their Ms, settled by `start`.
//!
//! Every legal combination of what an M and its thread say about each other. *own*: the thread's
//! thread-local value is this M ([`crate::own`]). *call*: [`crate::call`]. *hold*: [`crate::hold`].
//!
//! | mode | the M is | hold | call | own |
//! |---|---|---|---|---|
//! | any | spare, or on its way | last token + BUSY, or 0 | 0 | no |
//! | any | in the hands of a thread | token + BUSY | 0 | no, or about to be |
//! | any | held for one call by a handler, or by a thread whose own is another M | token + BUSY | ≥ 1, not bound | no |
//! | any | held for one call | token + BUSY | ≥ 1, not bound | yes |
//! | per call | the same, the short way | token + BUSY | ≥ 1, not bound, short | yes |
//! | unshared | bound, inside | token + PLAIN | ≥ 1, bound; short if it owes nothing | yes |
//! | unshared | bound, idle | token + PLAIN | 0 | yes |
//! | unshared, closing | revoked, inside or idle | token + PLAIN + REVOKED | any | yes |
//! | unshared, closing | let go of by a thread that ended | REVOKED | 0 | no |
//! | unshared | retired, without a context | token + PLAIN + REVOKED + BUSY | 0, or being undone | no |
//! | shared, reclaimed | bound, inside | token + BUSY | ≥ 1, bound | yes |
//! | shared, reclaimed | bound, idle | token + LISTED | 0 | yes |
//! | shared, reclaimed | taken back | another's token | any | yes, but not believed |
//!
//! LISTED may be added to what is not PLAIN in the shared and reclaimed modes.

use crate::Binding;
use crate::port::Port;
use crate::sync::{AtomicU32, Ordering};

/// See the top of this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// An M goes back at the end of each call.
    PerCall,
    /// An M stays with its thread; nobody but `close` takes it away.
    Unshared,
    /// The same where the port has no heavy barrier.
    Shared,
    /// An M stays with its thread until somebody waits for one.
    Reclaimed,
}

impl Mode {
    pub(crate) fn settle<P: Port>(binding: Binding, unlimited: bool) -> Mode {
        match binding {
            Binding::Call => Mode::PerCall,
            Binding::Thread if !P::HAS_EXIT_HOOK => Mode::PerCall,
            Binding::Thread if !unlimited => Mode::Reclaimed,
            Binding::Thread if P::HAS_HEAVY_BARRIER && P::heavy_barrier_init() => Mode::Unshared,
            Binding::Thread => Mode::Shared,
        }
    }
}

/// The mode of a pool, constant between `start` and `close`.
pub(crate) struct Settled(AtomicU32);

impl Settled {
    const_unless_loom! {
        pub(crate) fn per_call() -> Self {
            Settled(AtomicU32::new(Mode::PerCall as u32))
        }
    }

    /// Relaxed: published by the opening of the list, and constant from then on.
    pub(crate) fn set(&self, mode: Mode) {
        self.0.store(mode as u32, Ordering::Relaxed);
    }

    /// A [`Mode`], as a number. What a port cannot have is known without a look, so that the code for it
    /// takes no room.
    #[inline(always)]
    fn now<P: Port>(&self) -> u32 {
        if P::HAS_EXIT_HOOK { self.0.load(Ordering::Relaxed) } else { Mode::PerCall as u32 }
    }

    /// An M stays with its thread.
    #[inline(always)]
    pub(crate) fn binds<P: Port>(&self) -> bool {
        self.now::<P>() != Mode::PerCall as u32
    }

    /// The plain way.
    #[inline(always)]
    pub(crate) fn is_unshared<P: Port>(&self) -> bool {
        P::HAS_HEAVY_BARRIER && self.now::<P>() == Mode::Unshared as u32
    }

    /// Idle Ms can be taken back, so there is a stack of them.
    #[inline(always)]
    pub(crate) fn lists_idle<P: Port>(&self) -> bool {
        self.now::<P>() >= Mode::Shared as u32
    }

    /// Idle Ms are taken back for those who wait.
    #[inline(always)]
    pub(crate) fn reclaims<P: Port>(&self) -> bool {
        self.now::<P>() == Mode::Reclaimed as u32
    }
}
