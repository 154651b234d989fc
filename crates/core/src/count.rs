//! Counts that begin anew in a forked child.
//!
//! A handler may fork between any two steps of the thread that it interrupted. In the child, what that
//! thread was about to count belongs to a pool that has been repaired since: a token for an M that is on
//! the list by now, a guest that nobody knows, a slot that is bare again. So a count carries its *era*,
//! which a repair ends, and whoever changes it names the era that it means.

use crate::port::Port;
use crate::sync::{AtomicU32, Ordering, compiler_fence};
use crate::word::MAX_VALUE;

/// The era is in the bits above: 256 forks within forks, while one thread is between two steps, are
/// nobody's.
const ERA_ONE: u32 = 1 << 24;
const COUNT: u32 = ERA_ONE - 1;
static_assertions::const_assert!(MAX_VALUE < COUNT / 2);

/// The time between two repairs of the pool in a forked child. All counts begin theirs together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Era(u32);

impl Era {
    /// Of who has not come yet.
    pub(crate) const NONE: Era = Era(u32::MAX);
}

/// A process, by how many forks it is away from the first one.
#[derive(Clone, Copy)]
pub(crate) struct Here(usize);

impl Here {
    pub(crate) fn now<P: Port>() -> Self {
        Here(if P::FORKS { P::forks() } else { 0 })
    }

    /// Whether this is it, and no child. Touches nothing of any pool's.
    pub(crate) fn is<P: Port>(self) -> bool {
        Self::now::<P>().0 == self.0
    }
}

/// A number, and its era. A word of 32 bits because that is what systems let threads sleep on.
pub(crate) struct Count(AtomicU32);

/// What became of a change.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    Done,
    /// There was none to take, or no room for more, and the word is this: to sleep on.
    Not(u32),
    /// The era is over.
    Over,
}

impl Count {
    const_unless_loom! {
        pub(crate) fn new() -> Self {
            Count(AtomicU32::new(0))
        }
    }

    /// The era, after what the caller has looked at, and before what it does next: a handler may fork in
    /// between. Relaxed: of one thread.
    #[inline(always)]
    pub(crate) fn era<P: Port>(&self) -> Era {
        if !P::FORKS {
            return Era(0);
        }
        compiler_fence(Ordering::SeqCst);
        let era = Era(self.0.load(Ordering::Relaxed) & !COUNT);
        compiler_fence(Ordering::SeqCst);
        era
    }

    #[inline]
    pub(crate) fn get(&self, order: Ordering) -> u32 {
        self.0.load(order) & COUNT
    }

    /// To sleep on.
    pub(crate) fn word(&self) -> &AtomicU32 {
        &self.0
    }

    /// Adds one in whatever era it is, which is the answer. Relaxed: the caller's fence orders it.
    pub(crate) fn come(&self) -> Era {
        Era(self.0.fetch_add(1, Ordering::Relaxed) & !COUNT)
    }

    /// Takes one off that was added in that era. It may be the last access to the pool.
    pub(crate) fn go<P: Port>(&self, era: Era, order: Ordering) {
        if P::FORKS {
            self.change(era, order, |count| Some(count - 1));
        } else {
            self.0.fetch_sub(1, order);
        }
    }

    /// Adds `count` in that era; `false` if it is over.
    pub(crate) fn add<P: Port>(&self, count: u32, era: Era, order: Ordering) -> bool {
        if P::FORKS {
            return self.change(era, order, |now| Some(now + count)) == Changed::Done;
        }
        self.0.fetch_add(count, order);
        true
    }

    /// Adds one in that era, if there are fewer than `most`.
    pub(crate) fn add_below(&self, most: u32, era: Era, order: Ordering) -> Changed {
        self.change(era, order, |now| (now < most).then_some(now + 1))
    }

    /// Takes one off in that era, if there is one.
    pub(crate) fn take_one(&self, era: Era, order: Ordering) -> Changed {
        self.change(era, order, |now| now.checked_sub(1))
    }

    /// Makes of the number what `f` says, unless that is nothing.
    pub(crate) fn change(&self, era: Era, order: Ordering, mut f: impl FnMut(u32) -> Option<u32>) -> Changed {
        // Relaxed: a hint for the exchange that follows.
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            if now & !COUNT != era.0 {
                return Changed::Over;
            }
            let Some(next) = f(now & COUNT) else { return Changed::Not(now) };
            match self.0.compare_exchange_weak(now, next | era.0, order, Ordering::Relaxed) {
                Ok(_) => return Changed::Done,
                Err(other) => now = other,
            }
        }
    }

    /// In a forked child, by its only thread: this many are counted, in a new era.
    pub(crate) fn begin_anew(&self, count: u32) {
        let next = (self.0.load(Ordering::Relaxed) & !COUNT).wrapping_add(ERA_ONE);
        self.0.store(next | count, Ordering::Relaxed);
    }
}
