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
//!   wake one                                  granted: pop; there is one
//! ```
//!
//! An error for a waiter goes the same way, with `refusals` + 1 in place of the push.
//!
//! # Invariants
//!
//! - **Either.** While a thread waits no M is spare, and the other way round: both live in the
//!   same bits of one word.
//! - **Exact.** Threads between their `waiting + 1` and the end of their wait = `waiting`, plus the
//!   tokens, plus the tokens about to be added. Who takes the count down by one either adds one token (give, give
//!   up, close) or stops waiting itself (cancel).
//! - **Token.** Ms on `granted` + `refusals` ≥ `wakeups` + threads that took a token and have not
//!   picked up what it stands for. The push comes before the token (release), the token before the
//!   pick-up (acquire).
//! - **Stable.** The memory of an M is never unmapped and `schedlink` is never anything else, so
//!   reading the link of an M that somebody else has just taken is harmless: the version makes the
//!   compare-exchange fail.
//! - **One place.** A number is in at most one of: the list, `granted`, one thread's hands, the
//!   table's bare slots.
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

use crate::port::Port;
use crate::sync::{AtomicU32, AtomicWord, Ordering};
use crate::word::{Bits, MAX_CREATING, MAX_VALUE, Word};
use core::time::Duration;

/// Where the list finds Ms and their links.
pub(crate) trait Links {
    /// What has the link.
    type Node;

    /// `id` is that of an M which has once been on a list.
    fn node(&self, id: u32) -> &Self::Node;

    /// The number of the next one on the same list.
    fn schedlink(node: &Self::Node) -> &AtomicU32;
}

/// The answer to [`List::take`].
pub(crate) enum Taken<'a, N> {
    /// This M, and whether it was the last one.
    M { m: &'a N, last: bool },
    /// None is spare.
    Empty,
    /// None is spare, and the attempt to make one failed.
    Failed,
    /// Newcomers are turned away.
    Closed,
    /// More threads wait than can be counted.
    Crowded,
}

/// The answer to [`List::line_up`].
pub(crate) enum LinedUp<'a, N> {
    /// The thread is counted: it has to [`List::wait`].
    Waiting,
    /// As from [`List::take`].
    Instead(Taken<'a, N>),
}

/// How a wait ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// With this M.
    M(u32),
    /// Making an M failed.
    Failed,
    /// The pool was closed.
    Closed,
    /// The time ran out. The thread is not counted any more.
    TimedOut,
}

/// What became of a creator's failure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum GaveUp {
    /// A waiter has been told; more may wait.
    Told,
    /// Nobody waits, and an M is spare or being made by somebody else: the duty is done.
    Covered,
    /// Nobody will make an M: the M at hand keeps the duty.
    KeepDuty,
}

/// The list, see the top of this file.
///
/// Giver and taker meet on `word` alone; the three words of a wait share the next cache line.
#[repr(C)]
pub(crate) struct List {
    word: Padded<AtomicWord>,
    granted: AtomicWord,
    /// Tokens. A word of 32 bits because that is what systems let threads sleep on.
    wakeups: AtomicU32,
    refusals: AtomicU32,
}

/// Keeps its neighbours off the cache line where there are caches.
#[cfg_attr(target_pointer_width = "64", repr(align(128)))]
struct Padded<T>(T);

impl List {
    const_unless_loom! {
        pub(crate) fn new() -> Self {
            List {
                word: Padded(AtomicWord::new(Word::CLOSED_EMPTY.0)),
                granted: AtomicWord::new(0),
                wakeups: AtomicU32::new(0),
                refusals: AtomicU32::new(0),
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
            // Acquire: the loop goes on with this value as if it had come from `look`.
            Ordering::Acquire,
        ) {
            Ok(_) => Ok(()),
            Err(now) => Err(Word(now)),
        }
    }

    /// Takes a spare M, or says why not. Never waits.
    #[doc(alias = "lockextra")]
    pub(crate) fn take<'a, L: Links>(&self, links: &'a L) -> Taken<'a, L::Node> {
        loop {
            if let Some((m, last)) = self.take_spare(links) {
                return Taken::M { m, last };
            }
            let word = self.look();
            if !word.has_spare() || word.closed() {
                return Self::nothing(word);
            }
        }
    }

    /// Takes a spare M, and says whether it was the last one.
    #[inline(always)]
    pub(crate) fn take_spare<'a, L: Links>(&self, links: &'a L) -> Option<(&'a L::Node, bool)> {
        let mut word = self.look();
        while word.has_spare() && !word.closed() {
            let m = links.node(word.head());
            // Relaxed: the link was written before the release that pushed `m`. If the M has been
            // taken since, this is another link or the same; the version tells (Stable).
            let next = L::schedlink(m).load(Ordering::Relaxed);
            // Relaxed on success: what the M carries was acquired by the load of `word`.
            match self.change(word, word.with_head(next), Ordering::Relaxed) {
                Ok(()) => return Some((m, next == 0)),
                Err(now) => word = now,
            }
        }
        None
    }

    #[cold]
    fn nothing<'a, N>(word: Word) -> Taken<'a, N> {
        if word.closed() {
            Taken::Closed
        } else if word.failed() && word.creating() == 0 {
            Taken::Failed
        } else if word.waiting() == MAX_VALUE {
            Taken::Crowded
        } else {
            Taken::Empty
        }
    }

    /// Takes a spare M if one has come up, otherwise counts the calling thread as waiting, once.
    #[cold]
    pub(crate) fn line_up<'a, L: Links>(&self, links: &'a L) -> LinedUp<'a, L::Node> {
        loop {
            match self.take(links) {
                Taken::Empty => {
                    let word = self.look();
                    if word.has_spare() || !matches!(Self::nothing::<L::Node>(word), Taken::Empty) {
                        continue;
                    }
                    let more = word.with_waiting(word.waiting() + 1);
                    // AcqRel: a bound thread that leaves and then reads the word through a
                    // publish which follows this exchange must see the mark that led us here, and
                    // we must see the numbers given out before it (see `hold`, Invariant Mark).
                    if self.change(word, more, Ordering::AcqRel).is_ok() {
                        return LinedUp::Waiting;
                    }
                }
                other => return LinedUp::Instead(other),
            }
        }
    }

    /// Waits as one of the counted threads. `remaining` gives the time that is left: `None` without
    /// limit, zero when it is up.
    #[cold]
    pub(crate) fn wait<P: Port, L: Links>(
        &self,
        links: &L,
        mut remaining: impl FnMut() -> Option<Duration>,
    ) -> Waited {
        let mut patient = true;
        loop {
            // Relaxed: a hint for the exchange that follows.
            let tokens = self.wakeups.load(Ordering::Relaxed);
            if tokens > 0 {
                // Acquire: synchronises with the release in `hand`, so the pick-up finds what the
                // token stands for (Token).
                if self
                    .wakeups
                    .compare_exchange_weak(tokens, tokens - 1, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
                {
                    return self.pick_up::<P, L>(links);
                }
                continue;
            }
            let timeout = if patient { remaining() } else { None };
            if timeout == Some(Duration::ZERO) {
                if self.cancel() {
                    return Waited::TimedOut;
                }
                // Somebody has counted us out already: the token comes without fail, and going
                // away now would lose the M that it stands for.
                patient = false;
                continue;
            }
            P::wait(&self.wakeups, 0, timeout);
        }
    }

    /// Stops being counted; `false` if a grant (or an error) is already on its way.
    fn cancel(&self) -> bool {
        let mut word = self.glance();
        while word.waiting() > 0 {
            // Relaxed: the count is all that changes.
            let fewer = word.with_waiting(word.waiting() - 1);
            match self.change(word, fewer, Ordering::Relaxed) {
                Ok(()) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Picks up what a token stands for. By Invariant Token there is an M or an error for each
    /// thread in here; the loop goes on only if others took theirs from both places in between.
    fn pick_up<P: Port, L: Links>(&self, links: &L) -> Waited {
        loop {
            if let Some(id) = self.pop_granted(links) {
                return Waited::M(id);
            }
            let refusals = self.refusals.load(Ordering::Relaxed);
            if refusals > 0 {
                // Read before the error is taken: taking it is the last this thread does to the
                // pool, and `quiet` lets a closed pool go once none is left.
                let closed = self.look().closed();
                // Release: partner of the acquire in `quiet`.
                if self
                    .refusals
                    .compare_exchange(refusals, refusals - 1, Ordering::Release, Ordering::Relaxed)
                    .is_ok()
                {
                    return if closed { Waited::Closed } else { Waited::Failed };
                }
            }
            P::osyield();
        }
    }

    fn push_granted<L: Links>(&self, links: &L, id: u32) {
        let mut head = self.granted.load(Ordering::Relaxed);
        loop {
            // Relaxed: the exchange below publishes the link.
            L::schedlink(links.node(id)).store(Word(head).head(), Ordering::Relaxed);
            let next = Word(head).with_head(id).next_version();
            // Release: partner of the acquire in `pop_granted`.
            match self.granted.compare_exchange_weak(head, next.0, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    fn pop_granted<L: Links>(&self, links: &L) -> Option<u32> {
        // Acquire: synchronises with the push of every M on the stack, as in `look`.
        let mut head: Bits = self.granted.load(Ordering::Acquire);
        loop {
            let id = Word(head).head();
            if id == 0 {
                return None;
            }
            let next = L::schedlink(links.node(id)).load(Ordering::Relaxed);
            let after = Word(head).with_head(next).next_version();
            match self.granted.compare_exchange_weak(head, after.0, Ordering::Relaxed, Ordering::Acquire) {
                Ok(_) => return Some(id),
                Err(now) => head = now,
            }
        }
    }

    /// Adds `count` tokens and wakes as many. The last access to the pool's memory is the addition:
    /// the thread that is served may close and free the pool before the wake-up, which therefore
    /// gets no more than an address.
    #[cold]
    fn hand<P: Port>(&self, count: u32) {
        let wakeups = &raw const self.wakeups;
        // Release: partner of the acquire in `wait`.
        self.wakeups.fetch_add(count, Ordering::Release);
        P::wake(wakeups, count);
    }

    /// Gives an M back: to a waiter if there is one, else onto the list. `true` if it went to a
    /// waiter. Clears `failed`.
    #[doc(alias = "unlockextra")]
    #[inline]
    pub(crate) fn give<P: Port, L: Links>(&self, links: &L, m: &L::Node, id: u32) -> bool {
        self.give_back::<P, L>(links, m, id, false).waiting() > 0
    }

    /// Gives an M back if nobody waits and nothing else is to be done; `false` if it did not.
    #[inline(always)]
    pub(crate) fn give_spare<L: Links>(&self, m: &L::Node, id: u32) -> bool {
        let mut word = self.glance();
        while word.is_plain() {
            // Relaxed: the exchange below publishes the link.
            L::schedlink(m).store(word.head(), Ordering::Relaxed);
            // Release: as in `give_back`.
            match self.change(word, word.with_head(id), Ordering::Release) {
                Ok(()) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Gives a new M and withdraws the claim under which it was made, in one exchange. `true` if an M
    /// that came back has been handed to a waiter since the last claim.
    pub(crate) fn publish<P: Port, L: Links>(&self, links: &L, m: &L::Node, id: u32) -> bool {
        self.give_back::<P, L>(links, m, id, true).returning()
    }

    #[inline]
    fn give_back<P: Port, L: Links>(&self, links: &L, m: &L::Node, id: u32, claimed: bool) -> Word {
        let mut word = self.glance();
        loop {
            let base = if claimed { word.creating_less() } else { word };
            let waiting = word.waiting();
            let to = if waiting > 0 {
                base.with_waiting(waiting - 1).with_returning(!claimed || word.returning())
            } else {
                // Relaxed: the exchange below publishes the link.
                L::schedlink(m).store(word.head(), Ordering::Relaxed);
                base.with_head(id)
            };
            // Release: partner of the acquire in `look`; what this thread did with the M happens
            // before what the next holder does.
            match self.change(word, to.with_failed(false), Ordering::Release) {
                Ok(()) => {
                    if waiting > 0 {
                        self.grant::<P, L>(links, id);
                    }
                    return word;
                }
                Err(now) => word = now,
            }
        }
    }

    #[cold]
    fn grant<P: Port, L: Links>(&self, links: &L, id: u32) {
        self.push_granted(links, id);
        self.hand::<P>(1);
    }

    /// Takes on the making of one M if one is needed that nobody is making: as many as threads
    /// wait, or one if the list is empty. Need and claim are judged in one exchange; with a second
    /// word for the claims, four threads can all discharge their duty on each other's transient
    /// claims and leave waiters behind.
    pub(crate) fn claim(&self) -> bool {
        let mut word = self.glance();
        loop {
            let need = match word.waiting() {
                0 if word.has_spare() => 0,
                0 => 1,
                waiting => waiting,
            };
            if word.closed() || word.creating() >= need.min(MAX_CREATING) {
                return false;
            }
            // Relaxed: a claim publishes nothing.
            match self.change(word, word.creating_more().with_returning(false), Ordering::Relaxed) {
                Ok(()) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// Takes on the making of one M, needed or not; `false` if too many are being made to count.
    pub(crate) fn claim_extra(&self) -> bool {
        let mut word = self.glance();
        loop {
            if word.closed() || word.creating() == MAX_CREATING {
                return false;
            }
            match self.change(word, word.creating_more(), Ordering::Relaxed) {
                Ok(()) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// Withdraws a claim that cannot be met because the limit is reached: whoever waits, waits for
    /// an M that comes back.
    pub(crate) fn withdraw(&self) {
        let mut word = self.glance();
        // Acquire: partner of the release in `give_up` and `give`; if the slot came back before
        // that, the caller's look at the table finds it.
        while let Err(now) = self.change(word, word.creating_less(), Ordering::Acquire) {
            word = now;
        }
    }

    /// Withdraws a claim after a failed creation, and in the same exchange passes the failure on.
    #[cold]
    pub(crate) fn give_up<P: Port>(&self) -> GaveUp {
        let mut word = self.glance();
        loop {
            let less = word.creating_less();
            let waiting = word.waiting();
            let (to, outcome) = if waiting > 0 {
                (less.with_waiting(waiting - 1), GaveUp::Told)
            } else if word.has_spare() || less.creating() > 0 || word.closed() {
                (less, GaveUp::Covered)
            } else {
                (less.with_failed(true), GaveUp::KeepDuty)
            };
            // Release: partner of the acquire in `withdraw`, for the slot that has come back.
            match self.change(word, to, Ordering::Release) {
                Ok(()) => {
                    if outcome == GaveUp::Told {
                        // Relaxed: `hand` publishes it.
                        self.refusals.fetch_add(1, Ordering::Relaxed);
                        self.hand::<P>(1);
                    }
                    return outcome;
                }
                Err(now) => word = now,
            }
        }
    }

    /// Lets newcomers in.
    pub(crate) fn open(&self) {
        let mut word = self.glance();
        // Release: what `start` set up happens before what the first newcomer does.
        while let Err(now) = self.change(word, word.with_closed(false), Ordering::Release) {
            word = now;
        }
    }

    /// Turns newcomers away, and those who wait.
    #[cold]
    pub(crate) fn close<P: Port>(&self) {
        let mut word = self.look();
        loop {
            let to = word.nobody_waiting().with_closed(true).with_failed(false);
            match self.change(word, to, Ordering::AcqRel) {
                Ok(()) => break,
                Err(now) => word = now,
            }
        }
        if word.waiting() > 0 {
            self.refusals.fetch_add(word.waiting(), Ordering::Relaxed);
            self.hand::<P>(word.waiting());
        }
    }

    /// Whether nobody waits and nobody makes an M. In a closed pool this stays so.
    pub(crate) fn quiet(&self) -> bool {
        let word = self.look();
        // Acquire: synchronises with the release by which each refused waiter took its error.
        let refusals = self.refusals.load(Ordering::Acquire);
        // Relaxed: whoever took an error had taken its token before.
        let wakeups = self.wakeups.load(Ordering::Relaxed);
        word.waiting() == 0 && word.creating() == 0 && refusals == 0 && wakeups == 0
    }

    /// Takes the head of the list even from a closed pool.
    pub(crate) fn drain<L: Links>(&self, links: &L) -> Option<u32> {
        let mut word = self.look();
        while word.has_spare() {
            let id = word.head();
            let next = L::schedlink(links.node(id)).load(Ordering::Relaxed);
            match self.change(word, word.with_head(next), Ordering::Relaxed) {
                Ok(()) => return Some(id),
                Err(now) => word = now,
            }
        }
        None
    }

    /// In a forked child: keeps the spare Ms and those on their way to vanished waiters, forgets
    /// everybody who waited, and leaves `creating` claims standing. The caller is the only one who
    /// uses the pool.
    pub(crate) fn reset_after_fork<L: Links>(&self, links: &L, creating: u32) {
        let was = self.look().next_version();
        let mut word = was.with_head(was.head()).with_failed(false).with_creating(creating);
        while let Some(id) = self.pop_granted(links) {
            L::schedlink(links.node(id)).store(word.head(), Ordering::Relaxed);
            word = word.with_head(id);
        }
        // Relaxed, all of them: one thread; the caller publishes the repaired pool.
        self.wakeups.store(0, Ordering::Relaxed);
        self.refusals.store(0, Ordering::Relaxed);
        self.word.0.store(word.0, Ordering::Relaxed);
    }

    /// The numbers on the list, first to last. The caller is the only one who uses the pool.
    pub(crate) fn numbers<L: Links>(&self, links: &L) -> impl Iterator<Item = u32> {
        let mut next = self.glance().head();
        core::iter::from_fn(move || {
            let id = next;
            (id != 0).then(|| {
                next = L::schedlink(links.node(id)).load(Ordering::Relaxed);
                id
            })
        })
    }
}
