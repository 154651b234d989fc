//! The word that waiting threads sleep on: how many tokens there are, and who is on the way to them.
//!
//! A thread that comes while tokens are there takes one, though others have waited longer: they are
//! asleep, and it is not. That is what makes a busy pool fast. Two flags and a count keep it from being unfair,
//! and from waking in vain:
//!
//! - **Roused.** The flag is set with each token that is added, and goes when a thread that has slept takes
//!   the last one, or when any finds none. While it is set, and there is one token at most, somebody is on
//!   the way: a thread that was woken and has not looked, or will be by a call that is about to be made; or
//!   nobody sleeps, so everyone in the line looks. So a token that is added where there was none needs no
//!   further wake-up: the same thread would be too late for the one and in time for the other. Such a thread
//!   takes the token, or the flag down, before it may go away. It may be one that does not get to run, so one
//!   wake-up in [`A_FEW`] is made all the same.
//! - **Reserved.** A thread that was woken for nothing, [`A_TURN`] after the first one to which that
//!   happened since one was served, keeps newcomers off the next token, for a moment at most each: they
//!   sleep by the clock then, on another word, so that no wake-up for who has slept goes to them.
//! - **Passed.** Once [`PASSES`] newcomers have taken tokens that sleepers may have waited for, and none of those was
//!   served, newcomers step aside in the same way. Not until one is served: then an M would wait for a
//!   thread that may not get to run, or was stopped. So no number is promised to a single thread, and which
//!   of those that were woken comes first is the system's affair.
//!
//! Who sleeps first is woken first, as far as the system keeps an order; and a thread that has slept and was
//! woken for nothing comes before those that were not woken yet ([`Port::wait_again`]), or it would have to line
//! up anew each time.
//!
//! Small machines do without all that ([`FLAGS`]): there a wake-up is an instruction, and code is dear.
//!
//! There are never more tokens than threads on the way, or nobody sleeps. A thread that adds the second
//! token, or several, wakes as many as it adds; a thread goes to sleep on a word without tokens and without
//! the flag (or for a moment), and a system looks whether the word is still the same before it lets a
//! thread sleep.

use crate::count::{Changed, Count, Era};
use crate::port::Port;
use crate::sync::unwatched::AtomicI32;
use crate::sync::{AtomicU32, Ordering};
use crate::word::{MAX_VALUE, SMALL};
use core::time::Duration;

/// For so long newcomers may overtake who sleeps.
const A_TURN: Duration = Duration::from_millis(2);

/// Of so many wake-ups for nothing but a thread on the way one is made.
const A_FEW: u32 = 64;

/// So many newcomers overtake those who sleep before one of them steps aside.
#[cfg(not(loom))]
const PASSES: u32 = 256;
#[cfg(loom)]
const PASSES: u32 = 1;

/// For so long one of them stands aside: a thread that is woken runs by then, unless the processors are
/// busy with something else, and then an M is better used than kept for it.
const A_STEP_ASIDE: Duration = Duration::from_micros(200);

/// On small machines tokens are counted and no more.
const FLAGS: bool = !SMALL;

const ROUSED: u32 = 1 << 23;
const RESERVED: u32 = 1 << 22;
const NUMBER: u32 = RESERVED - 1;
static_assertions::const_assert!(MAX_VALUE <= NUMBER);

/// See the top of this file.
pub(crate) struct Tokens {
    word: Count,
    /// When a thread was woken for nothing, the first since one that slept was served: microseconds, the low
    /// 32 bits, of which the last is set; 0 for never.
    late: AtomicU32,
    /// How many wake-ups have been left out.
    left_out: AtomicU32,
    /// How many threads in the line have slept, or are about to.
    asleep: Count,
    /// How many newcomers were let pass since a thread that slept was served, or one stepped aside in vain. Those
    /// who step aside sleep on it.
    passed: AtomicU32,
    /// How many sleep again, having been woken for nothing. A hint, and not watched: without it the system
    /// chooses whom it wakes.
    again: AtomicI32,
}

/// What a thread in the line has done since it came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Been {
    /// Nothing: it has just come.
    Nowhere,
    /// It has stepped aside, for one that did not come.
    Aside,
    /// It has slept, because there was no token.
    Asleep,
}

/// What a thread in the line finds.
pub(crate) enum Look {
    /// A token, which it has taken.
    Token,
    /// None; it is to sleep on this word.
    None(u32),
    /// One that is another's to take, if that comes within a moment: until then it is to step aside.
    Reserved,
    /// The era is over.
    Over,
}

impl Tokens {
    const_unless_loom! {
        pub(crate) fn new() -> Self {
            Tokens {
                word: Count::new(),
                late: AtomicU32::new(0),
                left_out: AtomicU32::new(0),
                asleep: Count::new(),
                passed: AtomicU32::new(0),
                again: AtomicI32::new(0),
            }
        }
    }

    #[inline(always)]
    pub(crate) fn era<P: Port>(&self) -> Era {
        self.word.era::<P>()
    }

    pub(crate) fn word(&self) -> &AtomicU32 {
        self.word.word()
    }

    pub(crate) fn begin_anew(&self) {
        self.word.begin_anew(0);
        self.asleep.begin_anew(0);
        self.late.store(0, Ordering::Relaxed);
        self.passed.store(0, Ordering::Relaxed);
        self.again.store(0, Ordering::Relaxed);
    }

    /// Adds `count`; how many threads are to be woken then, or `None` if the era is over. The last access.
    pub(crate) fn add<P: Port>(&self, count: u32, era: Era) -> Option<u32> {
        if !FLAGS {
            return self.word.add::<P>(count, era, Ordering::Release).then_some(count);
        }
        let is_on_the_way = |now| now & ROUSED != 0 && now & NUMBER == 0;
        let insists = is_on_the_way(self.word().load(Ordering::Relaxed)) && self.leaves_out_a_few();
        let mut wake = 0;
        // Release: partner of the acquire in `look`.
        let changed = self.word.change(era, Ordering::Release, |now| {
            wake = if is_on_the_way(now) && !insists { count - 1 } else { count };
            Some((now | ROUSED) + count)
        });
        (changed == Changed::Done).then_some(wake)
    }

    /// Counts a wake-up that is left out, and says whether there have been enough. Two that count at once
    /// count as one. Relaxed, and no exchange: nothing depends on the number.
    fn leaves_out_a_few(&self) -> bool {
        let left_out = self.left_out.load(Ordering::Relaxed).wrapping_add(1);
        self.left_out.store(left_out, Ordering::Relaxed);
        left_out % A_FEW == A_FEW - 1
    }

    /// Takes one.
    pub(crate) fn look<P: Port>(&self, era: Era, been: Been) -> Look {
        if !FLAGS {
            return match self.word.take_one(era, Ordering::Acquire) {
                Changed::Done => Look::Token,
                Changed::Not(none) => Look::None(none),
                Changed::Over => Look::Over,
            };
        }
        let mut passes = false;
        loop {
            let mut reserved = false;
            // Acquire: synchronises with the release in `add`, so the pick-up finds what the token stands
            // for (Wakeup).
            let taken = self.word.change(era, Ordering::Acquire, |now| {
                reserved = now & RESERVED != 0;
                match now & NUMBER {
                    0 => None,
                    1 if been == Been::Asleep => Some((now & !(ROUSED | RESERVED)) - 1),
                    tokens if been == Been::Nowhere => {
                        passes = passes || (!reserved && self.may_pass(tokens));
                        passes.then(|| now - 1)
                    }
                    _ => Some((now & !RESERVED) - 1),
                }
            });
            match taken {
                Changed::Done => {
                    match been {
                        Been::Nowhere => {}
                        Been::Aside => self.passed.store(0, Ordering::Relaxed),
                        Been::Asleep => {
                            self.asleep.go::<P>(era, Ordering::Relaxed);
                            self.served::<P>(reserved);
                        }
                    }
                    return Look::Token;
                }
                Changed::Not(now) if now & NUMBER != 0 => return Look::Reserved,
                Changed::Not(now) => {
                    if let Some(none) = self.rest::<P>(now, been, era) {
                        return Look::None(none);
                    }
                }
                Changed::Over => return Look::Over,
            }
        }
    }

    /// Whether a newcomer may take one of so many tokens at once. Relaxed, all: hints, and a number. One that may
    /// and finds none after all is counted, too. Who may not leaves the count alone: others sleep on it.
    fn may_pass(&self, tokens: u32) -> bool {
        self.asleep.get(Ordering::Relaxed) < tokens
            || (self.passed.load(Ordering::Relaxed) < PASSES
                && self.passed.fetch_add(1, Ordering::Relaxed) < PASSES)
    }

    /// A thread that slept has been served; whoever stepped aside may look.
    fn served<P: Port>(&self, reserved: bool) {
        // Relaxed, both: a hint, and a number.
        self.late.store(0, Ordering::Relaxed);
        let passed = self.passed.load(Ordering::Relaxed);
        self.passed.store(0, Ordering::Relaxed);
        if reserved || passed >= PASSES {
            P::wake(&raw const self.passed, NUMBER);
        }
    }

    /// Steps aside for a thread that is on the way, for a moment or less. On a word of its own: a wake-up of
    /// those who sleep is not for a thread that leaves them the token.
    pub(crate) fn step_aside<P: Port>(&self, at_most: Option<Duration>) {
        let moment = at_most.map_or(A_STEP_ASIDE, |at_most| at_most.min(A_STEP_ASIDE));
        P::wait(&self.passed, self.passed.load(Ordering::Relaxed), Some(moment));
    }

    /// Sleeps on the word if it is still that; whether it was. `again`: it has slept and was woken for nothing.
    /// Such threads are the first to be woken, so that none loses its turn.
    pub(crate) fn sleep<P: Port>(&self, none: u32, timeout: Option<Duration>, again: bool, era: Era) -> bool {
        if !FLAGS {
            P::wait(self.word(), none, timeout);
            return false;
        }
        // A system would find the same, and takes longer. Relaxed: a hint, as the port looks once more.
        if self.word().load(Ordering::Relaxed) != none {
            return false;
        }
        if again {
            self.again.fetch_add(1, Ordering::Relaxed);
            P::wait_again(self.word(), none, timeout);
            // Else a handler has forked, and there it begins with 0.
            if self.era::<P>() == era {
                self.again.fetch_sub(1, Ordering::Relaxed);
            }
        } else {
            P::wait(self.word(), none, timeout);
        }
        true
    }

    /// Whether somebody sleeps again, perhaps.
    pub(crate) fn any_again(&self) -> bool {
        FLAGS && self.again.load(Ordering::Relaxed) > 0
    }

    /// A thread goes away without a token, to which [`Look::None`] was the last answer.
    pub(crate) fn go_away<P: Port>(&self, era: Era) {
        if FLAGS {
            self.asleep.go::<P>(era, Ordering::Relaxed);
        }
    }

    /// Before a thread sleeps that found none, or goes away: nobody is on the way. `None` if there may be a
    /// token meanwhile, of which whoever added it takes this thread to be on the way.
    fn rest<P: Port>(&self, now: u32, been: Been, era: Era) -> Option<u32> {
        let reserve = been == Been::Asleep && self.is_overdue::<P>();
        let to = (now & !ROUSED) | if reserve { RESERVED } else { 0 };
        // Relaxed, both: nothing is published.
        let exchange = || self.word().compare_exchange(now, to, Ordering::Relaxed, Ordering::Relaxed);
        let rests = to == now || exchange().is_ok();
        if rests && been != Been::Asleep {
            // If the era is over, the next look says so.
            self.asleep.add::<P>(1, era, Ordering::Relaxed);
        }
        rests.then_some(to)
    }

    /// Whether none that slept has been served for a turn; without a clock, whenever one is late.
    fn is_overdue<P: Port>(&self) -> bool {
        let Some(now) = P::now() else { return true };
        let now = now.as_micros() as u32 | 1;
        let late = self.late.load(Ordering::Relaxed);
        if late == 0 {
            self.late.store(now, Ordering::Relaxed);
        }
        late != 0 && now.wrapping_sub(late) >= A_TURN.as_micros() as u32
    }
}
