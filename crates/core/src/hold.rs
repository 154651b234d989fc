//! Who holds an M: the word `hold` of each M, and how a bound M changes hands.
//!
//! # States
//!
//! | `hold` | meaning |
//! |---|---|
//! | 0 | nobody's: bare, spare, or in transit in exactly one thread's hands |
//! | token + BUSY | held by that thread for a call; bound to it or not |
//! | token | bound and idle: the thread left, and keeps it for next time. Can be taken back |
//! | token + PLAIN | bound, inside a call or not: `depth` tells |
//! | token + PLAIN + REVOKED | the same, and the pool is being closed |
//!
//! WANTED can be added to the first three.
//!
//! # Two ways of being bound
//!
//! **Plain.** Without a limit nobody ever takes a bound M away but `close`. Re-entry then needs no
//! read-modify-write: the thread writes `depth = 1` and looks whether the M is revoked; `close`
//! writes REVOKED and looks whether `depth` is 0. Each writes one word and reads the other's, which
//! takes a full barrier between the two on both sides (else both read the old value). The barrier
//! is the port's heavy one (`membarrier`) on the side of `close`, and nothing but a compiler fence
//! on the side of the thread. A slot that was revoked is never used again, so that a thread which
//! was preempted between reading its thread-local value and writing `depth` writes to nobody's M.
//!
//! **Shared.** Under a limit, and where the port has no heavy barrier, an idle bound M can be taken
//! back: for a thread that waits, and by `close`. Re-entry is one compare-exchange from `token` to
//! `token + BUSY`. The token in the word makes it fail when the M has been taken back, even if it
//! is idle with another thread by now.
//!
//! # Invariants
//!
//! - **Hold.** The payload and `depth` of an M belong to one thread: the one whose token is in
//!   `hold` with BUSY; or with PLAIN and not REVOKED, or PLAIN and a `depth` that was not 0 when
//!   it was revoked; or the one that took the number off a list, made it, or won the exchange that
//!   took it back or revoked it.
//! - **Own.** A thread-local value of a pool is null, `EXITED`, or an M whose memory is valid
//!   (Stable). The M is the thread's own if and only if `hold` carries its token.
//! - **Mark.** While a thread waits in a pool with shared binding under a limit, no M goes idle
//!   without its holder looking at the word after the wait began. A waiter that has been counted
//!   marks every M WANTED; a holder that finds the mark clears it *and then* looks; a mark that
//!   comes after the look makes its exchange to idle fail. The mark stays with an M that changes
//!   hands, and a new M carries it from the start. So no fence is needed: mark and clear are
//!   read-modify-writes on one word, and an M made after the waiter's round of marks was published
//!   after the waiter was counted, in the same word. `close` marks as a waiter does: what is inside
//!   when the pool is closed comes back when it is left.
//!
//! The rejected alternative, reading the word after going idle, would touch the pool after letting
//! go of the last M, when `close` may have succeeded and the pool be freed.

/// In use; without it a token means idle.
pub(crate) const BUSY: usize = 1;
/// A thread waits, or the pool is closed: look at the word before going idle.
pub(crate) const WANTED: usize = 2;
/// Taken back by `close`, which waits for `depth` to be 0.
pub(crate) const REVOKED: usize = 4;
/// Bound the plain way.
pub(crate) const PLAIN: usize = 8;
/// The bits that a token leaves free (`Port::thread_token`).
pub(crate) const FLAGS: usize = BUSY | WANTED | REVOKED | PLAIN;

/// The thread that holds an M; 0 for nobody.
pub(crate) const fn token(hold: usize) -> usize {
    hold & !FLAGS
}

/// Bound the shared way, and idle.
pub(crate) const fn idle(hold: usize) -> bool {
    token(hold) != 0 && hold & (BUSY | PLAIN) == 0
}

/// Taken from its thread for ever; the slot is not used again.
pub(crate) const RETIRED: usize = PLAIN | REVOKED;

/// Whether the slot is not used again.
pub(crate) const fn retired(hold: usize) -> bool {
    hold & !WANTED == RETIRED
}
