//! The one word of a pool, taken apart and put together.
//!
//! From the low end: the value, how many Ms are being made, the four flags, and the version in
//! all bits above. Which of the two meanings the value has is the tag's business:
//!
//! | tag | value | meaning |
//! |---|---|---|
//! | list | 0 | no M is spare, nobody waits |
//! | list | i | M number i is the first spare one; its `schedlink` leads to the next |
//! | waiting | n ≥ 1 | n threads wait |
//!
//! # Widths
//!
//! | word | value | creating | flags | version |
//! |---|---|---|---|---|
//! | 64 bits | 22 (4,194,303 Ms or waiters: what a Linux kernel numbers threads up to) | 6 | 4 | 32 |
//! | 32 bits | 10 (1,023: more contexts than a microcontroller has stacks for) | 2 | 4 | 16 |
//!
//! `creating` saturates: more creators than cores help nobody, and each of them looks again after
//! every M it made. A thread too many to be counted as waiting is turned away, not miscounted.
//!
//! # ABA
//!
//! Every change adds one to the version. A compare-exchange that pops is fooled only if the word
//! goes through exactly a multiple of 2^32 (2^16) changes between a thread's load and its exchange
//! *and* is otherwise the same. At 10 ns a change that is a thread preempted for 43 s and resumed
//! on the very change.
//!
//! 2^16 changes are soon made: a kernel on a microcontroller that prefers other threads for 100 ms
//! is enough. So where the word has 32 bits, the three accesses of a pop are made by
//! [`Port::brief`], which keeps the thread from being interrupted for that long; what is left are
//! other cores, which would have to make 65,536 changes within a handful of instructions. The other
//! changes need no version: they depend on the word alone, and the same word asks for the same.

use crate::port::Port;

#[cfg(any(loom, target_has_atomic = "64"))]
pub(crate) type Bits = u64;
#[cfg(not(any(loom, target_has_atomic = "64")))]
pub(crate) type Bits = u32;

#[cfg(any(loom, target_has_atomic = "64"))]
const VALUE_BITS: u32 = 22;
#[cfg(any(loom, target_has_atomic = "64"))]
const CREATING_BITS: u32 = 6;
#[cfg(not(any(loom, target_has_atomic = "64")))]
const VALUE_BITS: u32 = 10;
#[cfg(not(any(loom, target_has_atomic = "64")))]
const CREATING_BITS: u32 = 2;

const VALUE: Bits = (1 << VALUE_BITS) - 1;
const CREATING_ONE: Bits = 1 << VALUE_BITS;
const CREATING: Bits = ((1 << CREATING_BITS) - 1) << VALUE_BITS;
const WAITING: Bits = 1 << (VALUE_BITS + CREATING_BITS);
const FAILED: Bits = WAITING << 1;
const CLOSED: Bits = FAILED << 1;
const RETURNING: Bits = CLOSED << 1;
const VERSION_ONE: Bits = RETURNING << 1;

/// Code is dear here: a machine that has no compare-exchange of 64 bits does without what is only for many
/// threads at once.
pub(crate) const SMALL: bool = Bits::BITS < 64;
static_assertions::const_assert_eq!(VERSION_ONE.trailing_zeros() * 2, Bits::BITS);
#[cfg(not(any(loom, shuttle)))]
static_assertions::assert_eq_size!(Bits, crate::sync::AtomicWord);

/// Runs the three accesses of a pop (see "ABA").
#[inline(always)]
pub(crate) fn brief<P: Port, T>(f: impl FnOnce() -> T) -> T {
    if Bits::BITS < 64 { P::brief(f) } else { f() }
}

/// The highest number of an M, and the most threads that are counted as waiting.
pub(crate) const MAX_VALUE: u32 = VALUE as u32;

/// The most creators that are counted.
pub(crate) const MAX_CREATING: u32 = (1 << CREATING_BITS) - 1;

/// One state of the word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) Bits);

impl Word {
    /// Before `start`: an empty list that admits nobody.
    pub(crate) const CLOSED_EMPTY: Word = Word(CLOSED);

    /// The first spare M; 0 when none is spare.
    pub(crate) const fn head(self) -> u32 {
        if self.0 & WAITING == 0 { (self.0 & VALUE) as u32 } else { 0 }
    }

    /// How many threads wait.
    pub(crate) const fn waiting(self) -> u32 {
        if self.0 & WAITING == 0 { 0 } else { (self.0 & VALUE) as u32 }
    }

    /// How many Ms are being made.
    pub(crate) const fn creating(self) -> u32 {
        ((self.0 & CREATING) >> VALUE_BITS) as u32
    }

    /// Whether making an M failed with nobody left to try.
    pub(crate) const fn failed(self) -> bool {
        self.0 & FAILED != 0
    }

    /// Whether newcomers are turned away.
    pub(crate) const fn closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    /// Whether an M that came back has been handed to a waiter since the last claim: a hint that
    /// callbacks are short.
    pub(crate) const fn returning(self) -> bool {
        self.0 & RETURNING != 0
    }

    /// Both meanings of the value at once: whether there is a head.
    pub(crate) const fn has_spare(self) -> bool {
        self.0 & WAITING == 0 && self.0 & VALUE != 0
    }

    /// Whether an M is spare, and given out.
    pub(crate) const fn gives(self) -> bool {
        self.has_spare() && !self.closed()
    }

    pub(crate) const fn with_head(self, head: u32) -> Word {
        Word((self.0 & !(VALUE | WAITING)) | head as Bits)
    }

    /// The tag goes back to "list" with the last waiter, so that zero has one form.
    pub(crate) const fn with_waiting(self, waiting: u32) -> Word {
        let rest = self.0 & !(VALUE | WAITING);
        Word(if waiting == 0 { rest } else { rest | WAITING | waiting as Bits })
    }

    /// Nobody waits, and nothing failed: giving an M back is no more than a push.
    pub(crate) const fn give_is_a_push(self) -> bool {
        self.0 & (WAITING | FAILED) == 0
    }

    /// The list stays as it is; those who wait are forgotten.
    pub(crate) const fn nobody_waiting(self) -> Word {
        if self.waiting() == 0 { self } else { self.with_waiting(0) }
    }

    pub(crate) const fn nobody_creating(self) -> Word {
        Word(self.0 & !CREATING)
    }

    pub(crate) const fn creating_more(self) -> Word {
        Word(self.0 + CREATING_ONE)
    }

    pub(crate) const fn creating_less(self) -> Word {
        Word(self.0 - CREATING_ONE)
    }

    pub(crate) const fn with_failed(self, failed: bool) -> Word {
        Word(if failed { self.0 | FAILED } else { self.0 & !FAILED })
    }

    pub(crate) const fn with_closed(self, closed: bool) -> Word {
        Word(if closed { self.0 | CLOSED } else { self.0 & !CLOSED })
    }

    pub(crate) const fn with_returning(self, returning: bool) -> Word {
        Word(if returning { self.0 | RETURNING } else { self.0 & !RETURNING })
    }

    /// The same state, one change later.
    pub(crate) const fn next_version(self) -> Word {
        Word(self.0.wrapping_add(VERSION_ONE))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_a_head_or_a_count_never_both() {
        let list = Word(0).with_head(7);
        assert_eq!((list.head(), list.waiting(), list.has_spare()), (7, 0, true));
        let waiting = list.with_waiting(3);
        assert_eq!((waiting.head(), waiting.waiting(), waiting.has_spare()), (0, 3, false));
        assert!(waiting.with_waiting(0) == Word(0));
    }

    #[test]
    fn the_fields_do_not_touch_each_other() {
        let mut word = Word(0).with_waiting(MAX_VALUE).with_failed(true).with_closed(true);
        for _ in 0..MAX_CREATING {
            word = word.creating_more();
        }
        assert_eq!(word.creating(), MAX_CREATING);
        assert_eq!(word.waiting(), MAX_VALUE);
        assert!(word.failed() && word.closed() && !word.returning());
        let word = word.with_returning(true);
        assert_eq!((word.creating(), word.waiting(), word.returning()), (MAX_CREATING, MAX_VALUE, true));
        let mut word = word.with_returning(false);
        for _ in 0..MAX_CREATING {
            word = word.creating_less();
        }
        let word = word.with_failed(false).with_closed(false).with_head(MAX_VALUE);
        assert_eq!((word.head(), word.creating()), (MAX_VALUE, 0));
        assert!(!word.failed() && !word.closed());
    }

    #[test]
    fn the_version_wraps_without_touching_the_state() {
        let word = Word(Bits::MAX).next_version();
        assert_eq!(word.0, VERSION_ONE - 1);
    }
}
