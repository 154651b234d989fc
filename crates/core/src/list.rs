//! The extram list: a lock-free stack of spare Ms whose word counts the waiting threads instead
//! when no M is spare.
//!
//! # How it works
//!
//! `word` (see [`Word`]) holds the first spare M **or** the number of waiting threads, how many Ms
//! are being made, and whether making failed. Each operation is one compare-exchange on it:
//!
//! | state → operation | list, head i | list, 0 | waiting n |
//! |---|---|---|---|
//! | take | head := next of i | waiting 1, or refused if failed and nobody is creating | waiting n + 1 |
//! | give j | next of j := i, head := j | head := j | waiting n − 1, j goes to a waiter |
//! | cancel | a grant is on its way: take it | the same | waiting n − 1 |
//! | claim | nothing to do | creating + 1 if it is 0 | creating + 1 if it is below n |
//! | publish j | give j, and creating − 1 in the same exchange | | |
//! | give up | creating − 1 | creating − 1, failed if that leaves 0 | the same, and waiting n − 1 with an error |
//! | abandon | creating − 1 | creating − 1, failed if that leaves 0 | the same, and waiting 0, n errors |
//! | close | closed | closed | waiting 0, n errors, closed |
//!
//! Beside it a hint that nothing but speed depends on: give sets `returning` when it serves a
//! waiter, claim clears it, publish tells it.
//!
//! An M that goes to a waiter is pushed on a second stack, `granted`, and one *token* is added to
//! `wakeups`, the word that waiting threads sleep on:
//!
//! ```text
//!   giver                                     waiter
//!   word: waiting n -> n - 1                  word: waiting n - 1 -> n
//!   granted: push M                           sleep while wakeups = 0
//!   wakeups + 1            ------------->     wakeups - 1
//!   wake one, unless one                      granted: pop; there is one
//!   is on the way already
//! ```
//!
//! Who may take a token, and whom it wakes: [`tokens`].
//!
//! An error for a waiter goes the same way, with `refusals` + 1 in place of the push, or `dismissals`
//! + 1 where the pool was closed: it may be open again when the waiter comes to look.
//!
//! # Invariants
//!
//! - **Either.** While a thread waits no M is spare, and the other way round: both live in the
//!   same bits of one word.
//! - **Exact.** Threads between their `waiting + 1` and the end of their wait = `waiting`, plus the
//!   tokens, plus the tokens about to be added. Who takes the count down by one either adds one token
//!   (give, give up, abandon, close) or stops waiting itself (cancel).
//! - **Wakeup.** Ms on `granted` + `refusals` + `dismissals` ≥ `wakeups` + threads that took a token and have not
//!   picked up what it stands for. The push comes before the token (release), the token before the
//!   pick-up (acquire).
//! - **Stable.** While the pool lives the memory of an M is never unmapped and `schedlink` is never anything else, so
//!   reading the link of an M that somebody else has just taken is harmless: the version makes the
//!   compare-exchange fail.
//! - **One place.** A number is in at most one of: the list, `granted`, one thread's hands, the
//!   table's bare slots, its retired ones.
//! - **Guest.** A thread that does more to a pool than one exchange while it has neither an M nor a
//!   claim is counted in `guests`; going off that count is the last it does. A guest comes and then
//!   looks whether the pool is closed, `close` closes and then looks for guests, each with a
//!   sequentially consistent fence in between: so one of them sees the other.
//!
//! # Memory orderings
//!
//! What the last holder did with an M happens before what the next one does with it: the exchange
//! that puts it back is a release, the load that finds it an acquire. All changes of `word` (and of
//! `granted`) are read-modify-writes, which continue the release sequence of the exchange that
//! pushed the M; so an acquire load that sees *any* later state of the word synchronises with the
//! push of every M still on the list. The exchange that takes an M can therefore be relaxed on
//! success: its payload was acquired by the load. It stays a compare-exchange, not an exchange,
//! because the new value depends on the link of the head.
//!
//! The duty invariant of a refill needs no ordering of its own: `waiting`, the head and `creating`
//! are fields of one word, so whoever judges them judges one moment.

use crate::count::{Count, Era};
use crate::numbers::Numbers;
use crate::port::Port;
use crate::sync::{AtomicU32, AtomicWord, Ordering, fence};
use crate::word::{MAX_VALUE, Word, brief};

mod making;
mod sleepers;
mod spare;
pub(crate) mod tokens;
mod waiting;
pub(crate) use making::{Claim, GaveUp};
use sleepers::Sleepers;
use tokens::Tokens;
pub(crate) use waiting::{Guest, Waited};

/// Where the list finds Ms and their links.
pub(crate) trait Links {
    /// What has the link.
    type Node;

    /// `id` is that of an M which has once been on a list.
    fn node(&self, id: u32) -> &Self::Node;

    /// Whether there is such a number, for who has read it without acquiring it.
    fn has(&self, id: u32) -> bool {
        let _ = id;
        true
    }

    /// The number of the next one on the same list.
    fn schedlink(node: &Self::Node) -> &AtomicU32;

    /// Where the pool wants to know: how many were spare when this one was put on the list, with it.
    fn height<'a>(&self, node: &'a Self::Node) -> Option<&'a AtomicU32> {
        let _ = node;
        None
    }

    /// Whether it is noted since when a thread waits.
    const SINCE: bool = false;

    /// In a forked child: the calling thread, which began to give the M before the fork, has it in its
    /// hands still. It may have been written off.
    fn in_hands<P: Port>(&self, node: &Self::Node) {
        let _ = node;
    }
}

/// The answer to [`List::take`] and [`List::take_or`].
pub(crate) enum Taken<'a, N> {
    /// This M, and whether it was the last one.
    M { m: &'a N, last: bool },
    /// None is spare.
    Empty,
    /// None is spare, and the thread is counted in that era: it has to [`List::wait`].
    Waiting { era: Era },
    /// None is spare, and the attempt to make one failed.
    Failed,
    /// Newcomers are turned away.
    Closed,
    /// More threads wait than can be counted.
    TooMany,
}

/// The list, see the top of this file.
///
/// Giver and taker meet on `word` alone; the words of a wait share the next cache line.
#[repr(C)]
pub(crate) struct List {
    word: Padded<AtomicWord>,
    granted: Numbers,
    /// Tokens.
    wakeups: Tokens,
    /// Waiters who are still to be told that making an M failed, and that the pool was closed.
    refusals: Count,
    dismissals: Count,
    /// See Invariant Guest.
    guests: Count,
    pub(crate) sleepers: Sleepers,
}

/// Keeps its neighbours off the cache line where there are caches.
#[cfg_attr(target_pointer_width = "64", repr(align(128)))]
struct Padded<T>(T);

impl List {
    const_unless_loom! {
        pub(crate) fn new() -> Self {
            List {
                word: Padded(AtomicWord::new(Word::CLOSED_EMPTY.0)),
                granted: Numbers::new(),
                wakeups: Tokens::new(),
                refusals: Count::new(),
                dismissals: Count::new(),
                guests: Count::new(),
                sleepers: Sleepers::new(),
            }
        }
    }

    /// One moment of the word. Relaxed: for figures and hints; who acts on it exchanges the word.
    #[inline]
    pub(crate) fn glance(&self) -> Word {
        Word(self.word.0.load(Ordering::Relaxed))
    }

    /// Loads the word before taking from it.
    ///
    /// Acquire: synchronises with the release in `give` and `publish` of every M on the list (see
    /// "Memory orderings").
    #[inline]
    fn look(&self) -> Word {
        Word(self.word.0.load(Ordering::Acquire))
    }

    /// Exchanges the word, one version later. `weak` because every caller loops.
    #[inline]
    fn change(&self, from: Word, to: Word, success: Ordering) -> Result<(), Word> {
        match self.word.0.compare_exchange_weak(
            from.0,
            to.next_version().0,
            success,
            // Relaxed: a hint for the next exchange; whoever takes from the word looks again.
            Ordering::Relaxed,
        ) {
            Ok(_) => Ok(()),
            Err(now) => Err(Word(now)),
        }
    }

    /// Takes a spare M, or says why not. Never waits.
    #[doc(alias = "lockextra")]
    pub(crate) fn take<'a, P: Port, L: Links>(&self, links: &'a L) -> Taken<'a, L::Node> {
        self.take_or::<P, L>(links, false)
    }

    /// Takes a spare M, or says why not. If that is no more than that none is spare, and the caller lines
    /// up, it is counted as waiting, once.
    #[inline(never)]
    pub(crate) fn take_or<'a, P: Port, L: Links>(&self, links: &'a L, lines_up: bool) -> Taken<'a, L::Node> {
        loop {
            let word = self.look();
            if word.gives() {
                match self.pop::<P, L>(links, word) {
                    Some((m, last)) => return Taken::M { m, last },
                    None => continue,
                }
            }
            let nothing = Self::nothing(word);
            if !lines_up || !matches!(nothing, Taken::Empty) {
                return nothing;
            }
            let era = self.era::<P>();
            if self.count(word) {
                return Taken::Waiting { era };
            }
        }
    }

    /// Takes a spare M, and says whether it was the last one: a special case of
    /// [`take`](List::take).
    #[inline]
    pub(crate) fn take_spare<'a, P: Port, L: Links>(&self, links: &'a L) -> Option<(&'a L::Node, bool)> {
        loop {
            let word = self.look();
            if !word.gives() {
                return None;
            }
            if let Some(taken) = self.pop::<P, L>(links, word) {
                return Some(taken);
            }
        }
    }

    /// Pops the head, and says whether it was the last one; `None` if the word is not any more what the
    /// caller has just seen.
    #[inline]
    fn pop<'a, P: Port, L: Links>(&self, links: &'a L, word: Word) -> Option<(&'a L::Node, bool)> {
        let m = links.node(word.head());
        brief::<P, _>(|| {
            // Where the version is short, the caller's look may be an age ago.
            if crate::word::Bits::BITS < 64 && self.look() != word {
                return None;
            }
            // Relaxed: the link was written before the release that pushed `m`. If the M has been
            // taken since, this is another link or the same; the version tells (Stable).
            let next = L::schedlink(m).load(Ordering::Relaxed);
            // Relaxed on success: what the M carries was acquired by the load of `word`.
            self.change(word, word.with_head(next), Ordering::Relaxed).ok()?;
            Some((m, next == 0))
        })
    }

    #[cold]
    fn nothing<'a, N>(word: Word) -> Taken<'a, N> {
        if word.closed() {
            Taken::Closed
        } else if word.failed() && word.creating() == 0 {
            Taken::Failed
        } else if word.waiting() == MAX_VALUE {
            Taken::TooMany
        } else {
            Taken::Empty
        }
    }

    /// Gives an M back: to a waiter if there is one, else onto the list. `true` if it went to a
    /// waiter. Clears `failed`.
    #[doc(alias = "unlockextra")]
    #[inline]
    pub(crate) fn give<P: Port, L: Links>(&self, links: &L, m: &L::Node, id: u32) -> bool {
        self.give_back::<P, L>(links, m, id, None).waiting() > 0
    }

    /// Gives an M back if nobody waits and nothing else is to be done; `false` if it did not. A
    /// special case of [`give`](List::give), not for pools that note heights. `word` is what the word said
    /// while a call of the M was inside: if a handler has forked since, the exchange fails.
    #[inline(always)]
    pub(crate) fn give_spare<L: Links>(&self, m: &L::Node, id: u32, word: Word) -> bool {
        if !word.give_is_a_push() {
            return false;
        }
        // Relaxed: the exchange below publishes the link.
        L::schedlink(m).store(word.head(), Ordering::Relaxed);
        // Release: as in `give_back`.
        self.change(word, word.with_head(id), Ordering::Release).is_ok()
    }

    /// Gives a new M and withdraws the claim under which it was made, in one exchange. `true` if an M
    /// that came back has been handed to a waiter since the last claim.
    pub(crate) fn publish<P: Port, L: Links>(&self, links: &L, m: &L::Node, id: u32, claim: Claim) -> bool {
        self.give_back::<P, L>(links, m, id, Some(claim)).returning()
    }

    #[inline(never)]
    fn give_back<P: Port, L: Links>(&self, links: &L, m: &L::Node, id: u32, claim: Option<Claim>) -> Word {
        let mut word = self.glance();
        loop {
            let era = self.era::<P>();
            if P::FORKS {
                links.in_hands::<P>(m);
            }
            let claimed = claim.as_ref().is_some_and(|claim| claim.stands(era));
            let base = if claimed { word.creating_less() } else { word };
            let waiting = word.waiting();
            let to = if waiting > 0 {
                base.with_waiting(waiting - 1).with_returning(!claimed || word.returning())
            } else {
                Self::link(links, m, word.head());
                base.with_head(id)
            };
            // Release: partner of the acquire in `look`; what this thread did with the M happens
            // before what the next holder does.
            match self.change(word, to.with_failed(false), Ordering::Release) {
                Ok(()) if waiting == 0 || self.grant::<P, L>(m, id, era) => return word,
                Ok(()) => word = self.glance(),
                Err(now) => word = now,
            }
        }
    }

    /// `false` if a handler has forked before the M was granted: the caller has it still.
    #[cold]
    fn grant<P: Port, L: Links>(&self, m: &L::Node, id: u32, era: Era) -> bool {
        let granted = self.granted.push_while(id, L::schedlink(m), || self.era::<P>() == era);
        if granted {
            self.hand::<P>(1, era);
        }
        granted
    }

    /// The era, see [`Count::era`]. Each exchange of the word that follows fails if a handler has forked
    /// since the caller's look at it.
    #[inline(always)]
    pub(crate) fn era<P: Port>(&self) -> Era {
        self.wakeups.era::<P>()
    }

    /// Lets newcomers in.
    pub(crate) fn open(&self) {
        let mut word = self.glance();
        // Release: who is let in sees which Ms are not revoked any more.
        while let Err(now) = self.change(word, word.with_closed(false), Ordering::Release) {
            word = now;
        }
    }

    /// Whether newcomers are let in.
    pub(crate) fn is_open(&self) -> bool {
        // Acquire: partner of the release in `open`.
        !self.look().closed()
    }

    /// Turns newcomers away, and those who wait.
    #[cold]
    pub(crate) fn close<P: Port>(&self) {
        let mut word = self.look();
        let era = loop {
            let era = self.era::<P>();
            let to = word.nobody_waiting().with_closed(true).with_failed(false);
            // Release: whoever is turned away knows that the pool was open once. (The fence below acquires.)
            match self.change(word, to, Ordering::Release) {
                Ok(()) => break era,
                Err(now) => word = now,
            }
        };
        self.refuse::<P>(&self.dismissals, word.waiting(), era);
        // Invariant Guest; and partner of the fence in `Pool::go_idle`.
        fence(Ordering::SeqCst);
    }

    /// Whether nobody waits, nobody makes an M and no guest is there. In a closed pool this stays so.
    pub(crate) fn quiet(&self) -> bool {
        let word = self.look();
        // Acquire: partner of the release with which a guest goes.
        word.waiting() == 0 && word.creating() == 0 && self.guests.get(Ordering::Acquire) == 0
    }
}
