//! Who holds an M: the word `hold` of each M, and how a bound M changes hands.
//!
//! # States
//!
//! | `hold` | meaning |
//! |---|---|
//! | 0 | nobody has held it yet, or its holder has vanished |
//! | token + BUSY | held by that thread for a call, bound or not; or that thread was the last to hold it, and the M is spare or on its way |
//! | token | bound and idle: the thread left, and keeps it for next time. Can be taken back |
//! | token + PLAIN | bound, inside a call or not: `call` tells |
//! | token + PLAIN + REVOKED | the same, and the pool is being closed |
//! | REVOKED | the same, and the thread knows: it is `close`'s |
//! | token + PLAIN + REVOKED + BUSY | retired: taken for good while the thread was outside |
//!
//! LISTED goes with the M through the first three: it is on the stack of idle Ms.
//!
//! # Two ways of being bound
//!
//! **Plain** ([`Mode::Unshared`](crate::mode::Mode)). Without a limit nobody ever takes a bound M
//! away but `close`. Re-entry then needs no read-modify-write: the thread writes `call` and looks
//! whether the M is revoked; `close` writes REVOKED and looks whether `call` is 0. Each writes one
//! word and reads the other's, which takes a full barrier between the two on both sides (else both
//! read the old value). The barrier is the port's heavy one (`membarrier`) on the side of `close`,
//! and nothing but a compiler fence on the side of the thread. A thread that was preempted between
//! reading its thread-local value and writing `call` may write at any time later; so a slot that was
//! revoked is retired, and is used again only when a thread with that token has come the slow way
//! ([`Table::reclaim`](crate::table::Table::reclaim)), which shows that it is not in between.
//!
//! **Shared.** Under a limit, and where the port has no heavy barrier, an idle bound M can be taken
//! back: for a thread that waits, and by `close`. Re-entry is one compare-exchange from `token` to
//! `token + BUSY`. The token in the word makes it fail when the M has been taken back, even if it
//! is idle with another thread by now.
//!
//! # Idle Ms are found without a search
//!
//! An M that is bound the shared way is put on a stack of idle Ms before it goes idle for the first
//! time, and stays there, inside or idle, until somebody who wants an idle one pops it. So going idle
//! and coming back are one exchange each, and a waiter pops what has been pushed since the last one
//! popped: each M once.
//!
//! ```text
//!   leaver                                  waiter
//!   LISTED? ─ yes ─ BUSY off, done          count yourself in the word
//!      no: LISTED on, push                  fence
//!      fence                                pop: idle ─ take it back, give it
//!      waiters, or closed? ─ yes ─ pop all       not idle ─ LISTED off, pop the next
//!        as the waiter does, give it
//!      no: look at LISTED again
//! ```
//!
//! The rejected alternatives: a mark on every M that makes its holder look (each waiter touched all
//! of them); reading the word after going idle (it would touch the pool after letting go of the last
//! M, when `close` may have succeeded and the pool be freed).
//!
//! # Invariants
//!
//! - **Hold.** The payload and `call` of an M belong to one thread: the one whose token is in
//!   `hold` with BUSY and whose call or hands it is in; or with PLAIN and not REVOKED, or PLAIN and a
//!   `call` that was not 0 when it was revoked; or the one that won the exchange that took it back or
//!   revoked it.
//! - **Idle.** While LISTED is set the M is on the stack of idle Ms, or about to be pushed by its
//!   holder, who looks for waiters afterwards, and pops it again if there are any. An M goes idle only with LISTED. So if a thread that
//!   has been counted finds no idle M on the stack, each holder's next going idle fails, and it looks.
//! - **Retired.** A retired M is written by nobody but the thread of its token, which writes `call`
//!   and then finds it revoked.

use crate::port::Port;
use crate::sync::{AtomicUsize, Ordering};

/// In use, or nobody's; without it a token means idle.
const BUSY: usize = 1;
/// On the stack of idle Ms.
const LISTED: usize = 2;
/// Taken back by `close`, which waits for `call` to be 0.
const REVOKED: usize = 4;
/// Bound the plain way.
const PLAIN: usize = 8;
/// The bits that a token leaves free (`Port::thread_token`).
const FLAGS: usize = BUSY | LISTED | REVOKED | PLAIN;

const fn token(word: usize) -> usize {
    word & !FLAGS
}

/// Bound the shared way, and idle.
const fn idle(word: usize) -> bool {
    token(word) != 0 && word & (BUSY | PLAIN) == 0
}

/// What popping an M off the stack of idle ones came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Popped {
    /// It was idle, and is the caller's.
    Taken,
    /// It is in use, or nobody's.
    NotIdle,
}

/// What coming back to one's own M came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Resumed {
    /// It was idle.
    Outermost,
    /// A call is inside, or its beginning or end is.
    Inside,
    /// It is the thread's no more.
    TakenBack,
}

/// See the top of this file.
pub(crate) struct Hold(AtomicUsize);

impl Hold {
    const_unless_loom! {
        pub(crate) fn new() -> Self {
            Hold(AtomicUsize::new(0))
        }
    }

    // Relaxed, for a thread's own token: stored by itself. For others it is a hint.
    #[inline(always)]
    fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// The thread that has it, or had it last; 0 for nobody.
    #[inline]
    pub(crate) fn token(&self) -> usize {
        token(self.now())
    }

    /// Whether it is bound to a thread: whoever is not inside it then is idle. For observers.
    pub(crate) fn is_bound(&self) -> bool {
        let now = self.now();
        token(now) != 0 && now & BUSY == 0
    }

    /// Whether it is bound the plain way.
    #[inline(always)]
    pub(crate) fn is_plain<P: Port>(&self) -> bool {
        P::HAS_HEAVY_BARRIER && self.now() & PLAIN != 0
    }

    /// Whether it is bound to the thread of that token the plain way, and not revoked.
    #[inline(always)]
    pub(crate) fn is_bound_plainly(&self, mine: usize) -> bool {
        // A sum, which processors have an instruction for: a token's low bits are 0.
        self.now() == mine.wrapping_add(PLAIN)
    }

    /// Changes the word by `f` until it holds. Relaxed, unless the caller's fences say otherwise.
    #[inline]
    fn change(&self, success: Ordering, f: impl Fn(usize) -> Option<usize>) -> Result<usize, usize> {
        let mut now = self.now();
        loop {
            let next = f(now).ok_or(now)?;
            match self.0.compare_exchange_weak(now, next, success, Ordering::Relaxed) {
                Ok(_) => return Ok(now),
                Err(other) => now = other,
            }
        }
    }

    /// In a mode in which nobody takes idle Ms back: the caller, whose the M is, holds it. Relaxed: what
    /// the M carries came through the list.
    #[inline(always)]
    pub(crate) fn hold(&self, token: usize) {
        self.0.store(token | BUSY, Ordering::Relaxed);
    }

    /// The same in a mode in which somebody may just be popping it off the stack of idle Ms.
    pub(crate) fn hold_listed(&self, token: usize) {
        let _ = self.change(Ordering::Relaxed, |now| Some(token | BUSY | (now & LISTED)));
    }

    /// The holder binds it the plain way. Its call is counted already.
    pub(crate) fn bind_plainly(&self, token: usize) {
        // Release: partner of the exchange in `revoke`; whoever revokes it finds the call counted.
        self.0.store(token | PLAIN, Ordering::Release);
    }

    /// The thread of that token comes back to the M that it bound the shared way.
    #[inline]
    pub(crate) fn resume(&self, mine: usize) -> Resumed {
        // Relaxed: whoever takes the M back replaces the token, so it was not away since this thread
        // stored it.
        let resumed =
            self.change(Ordering::Relaxed, |now| (token(now) == mine && idle(now)).then_some(now | BUSY));
        match resumed {
            Ok(_) => Resumed::Outermost,
            Err(now) if token(now) == mine => Resumed::Inside,
            Err(_) => Resumed::TakenBack,
        }
    }

    /// The holder lets it go idle, `false` if it is not on the stack of idle Ms. The last access to
    /// the pool, if it succeeds.
    #[inline]
    pub(crate) fn go_idle(&self) -> bool {
        // Release: partner of the acquire in `pop_idle`.
        self.change(Ordering::Release, |now| (now & LISTED != 0).then_some(now & !BUSY)).is_ok()
    }

    /// The holder is about to push it on the stack of idle Ms (Invariant Idle).
    pub(crate) fn list(&self) {
        self.0.fetch_or(LISTED, Ordering::Relaxed);
    }

    /// Somebody has popped it off the stack of idle Ms, and takes it back if it is idle. One step, so
    /// that nobody finds it idle and not on the stack.
    pub(crate) fn pop_idle(&self, mine: usize) -> Popped {
        // Acquire: synchronises with the release in `go_idle`.
        let popped =
            self.change(Ordering::Acquire, |now| Some(if idle(now) { mine | BUSY } else { now & !LISTED }));
        if popped.is_ok_and(idle) { Popped::Taken } else { Popped::NotIdle }
    }

    /// The thread of that token, which is inside, makes sure that nobody can revoke its bound M any more.
    /// It may be revoked already: `close` does not touch what is inside.
    pub(crate) fn unbind(&self, mine: usize) {
        // Relaxed: as in `resume`.
        let _ = self
            .change(Ordering::Relaxed, |now| (token(now) == mine).then_some(mine | BUSY | (now & LISTED)));
    }

    /// `close` revokes what is bound the plain way.
    pub(crate) fn revoke(&self) {
        // Relaxed: the barrier that follows orders it.
        let _ =
            self.change(Ordering::Relaxed, |now| (now & (PLAIN | REVOKED) == PLAIN).then_some(now | REVOKED));
    }

    /// Whether `close` has revoked it. Relaxed: the barrier orders it.
    #[inline(always)]
    pub(crate) fn is_revoked(&self) -> bool {
        self.now() & REVOKED != 0
    }

    /// Whether it is revoked and the thread of its token may be about to come back to it: not if that has
    /// let go of it, or lost it for good. Relaxed: the barrier orders it.
    pub(crate) fn may_come_back(&self) -> bool {
        let now = self.now();
        now & (REVOKED | BUSY) == REVOKED && token(now) != 0
    }

    /// The thread of that token, which is about to end and outside, lets go of the M that it bound the
    /// plain way: the M is in its hands if `true`. Else it is revoked, and `close`'s. One step: a `reopen`
    /// may be taking the revocation back.
    pub(crate) fn unbind_or_acknowledge(&self, mine: usize) -> bool {
        // Release: partner of the acquire in `retire` and `reinstate`.
        let was = self.change(Ordering::Release, |now| match now & !REVOKED {
            bound if bound != mine | PLAIN => None,
            bound if bound == now => Some(mine | BUSY),
            _ => Some(REVOKED),
        });
        was.is_ok_and(|was| was & REVOKED == 0)
    }

    /// `close` takes for good what it has revoked; `false` if the thread has let go of it, so that the
    /// slot can be used again at once.
    pub(crate) fn retire(&self) -> bool {
        // Acquire: partner of the release in `unbind_or_acknowledge`; a thread that ends may have counted a
        // call since `close` found none, before it saw that the M is revoked.
        let was = self.change(Ordering::Acquire, |now| Some(if token(now) == 0 { 0 } else { now | BUSY }));
        was.is_ok_and(|was| token(was) != 0)
    }

    /// `reopen` takes a revocation back; `true` if the thread has let go of it meanwhile.
    pub(crate) fn reinstate(&self) -> bool {
        // Acquire: as in `retire`.
        let was = self.change(Ordering::Acquire, |now| {
            let revoked = now & (REVOKED | BUSY) == REVOKED;
            revoked.then_some(if token(now) == 0 { 0 } else { now & !REVOKED })
        });
        was.is_ok_and(|was| token(was) == 0)
    }

    /// Whether it is retired.
    pub(crate) fn is_retired(&self) -> bool {
        const RETIRED: usize = PLAIN | REVOKED | BUSY;
        self.now() & RETIRED == RETIRED
    }

    /// Nobody's, on no stack. The caller has it to itself.
    pub(crate) fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// In a forked child, where the stack of idle Ms begins anew.
    pub(crate) fn unlist(&self) {
        self.0.store(self.now() & !LISTED, Ordering::Relaxed);
    }
}
