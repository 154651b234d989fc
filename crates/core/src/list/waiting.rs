//! Waiting in line: from the count to what a token stands for. The rules are those of
//! [`crate::list`].

use super::tokens::{Been, Look};
use super::{Links, List};
use crate::count::{Changed, Count, Era, Here};
use crate::port::Port;
use crate::sync::{Ordering, fence};
use crate::word::Word;
use core::cell::Cell;
use core::marker::PhantomData;
use core::time::Duration;

/// How long a thread whose time is up waits for a token that is on its way, before it looks again.
const A_MOMENT: Duration = Duration::from_millis(1);

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
    /// The process is a child that a handler forked meanwhile: the thread is not counted any more.
    Forgotten,
}

/// Invariant Guest: counted until it is dropped.
pub(crate) struct Guest<'a, P: Port> {
    list: &'a List,
    era: Cell<Era>,
    here: Cell<Here>,
    _port: PhantomData<P>,
}

impl<P: Port> Drop for Guest<'_, P> {
    fn drop(&mut self) {
        // In a forked child the count began anew, and the pool may be gone.
        if self.is_here() {
            // Release: partner of the acquire in `quiet`. The last access to the pool.
            self.list.guests.go::<P>(self.era.get(), Ordering::Release);
        }
    }
}

impl<P: Port> Guest<'_, P> {
    /// Whether the process is the one in which the guest came: else nobody counts it. Touches nothing of
    /// the pool's.
    pub(crate) fn is_here(&self) -> bool {
        self.here.get().is::<P>()
    }

    /// Whether a repair has not forgotten it.
    pub(crate) fn is_counted(&self) -> bool {
        !P::FORKS || self.list.guests.era::<P>() == self.era.get()
    }

    /// Comes. What the pool's word says afterwards holds for `close`, too.
    pub(crate) fn come(&self) {
        loop {
            self.come_along();
            // Else a handler forked between the two, and there the count is forgotten.
            if self.is_counted() {
                break;
            }
        }
        // Invariant Guest.
        fence(Ordering::SeqCst);
    }

    /// In a forked child, by its only thread, whose guest this is: it stays one.
    pub(crate) fn come_along(&self) {
        self.era.set(self.list.guests.come());
        self.here.set(Here::now::<P>());
    }
}

impl List {
    /// Comes as a guest. What the pool's word says afterwards holds for `close`, too.
    pub(crate) fn guest<P: Port>(&self) -> Guest<'_, P> {
        let (era, here) = (Cell::new(Era::NONE), Cell::new(Here::now::<P>()));
        let guest = Guest { list: self, era, here, _port: PhantomData };
        guest.come();
        guest
    }

    /// Counts the calling thread as waiting, if `word` is what the word says still.
    pub(super) fn count(&self, word: Word) -> bool {
        // Relaxed: the fence below orders it.
        let counted = self.change(word, word.with_waiting(word.waiting() + 1), Ordering::Relaxed).is_ok();
        if counted {
            // Partner of the fence in `Pool::go_idle`: the thread that goes idle sees that we wait, or we
            // find its M among the idle ones.
            fence(Ordering::SeqCst);
        }
        counted
    }

    /// Waits as one of the counted threads. `remaining` gives the time that is left: `None` without
    /// limit, zero when it is up.
    #[cold]
    pub(crate) fn wait<P: Port, L: Links>(
        &self,
        links: &L,
        era: Era,
        mut remaining: impl FnMut() -> Option<Duration>,
    ) -> Waited {
        let mut been = Been::Nowhere;
        let mut has_slept = false;
        let mut named = self.sleepers.nobody();
        loop {
            let none = match self.wakeups.look::<P>(era, been) {
                Look::Token => return self.pick_up::<P, L>(links, era),
                Look::None(none) => Some(none),
                Look::Reserved => None,
                Look::Over => return Waited::Forgotten,
            };
            been = if none.is_some() { Been::Asleep } else { Been::Aside };
            let mut timeout = remaining();
            if timeout == Some(Duration::ZERO) {
                if self.cancel() {
                    if been == Been::Asleep {
                        self.wakeups.go_away::<P>(era);
                    }
                    return Waited::TimedOut;
                }
                // Somebody has counted us out already: a token comes without fail, and going away now
                // would lose the M that it stands for. But a thread that has come since may take it, and
                // its count is ours to take back then.
                timeout = Some(A_MOMENT);
            }
            named.sleeps::<P>(L::SINCE);
            match none {
                Some(none) => has_slept |= self.wakeups.sleep::<P>(none, timeout, has_slept, era),
                None => self.wakeups.step_aside::<P>(timeout),
            }
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

    /// Picks up what a token stands for. By Invariant Wakeup there is an M or an error for each
    /// thread in here. Whoever finds neither in one round has been overtaken by threads that found
    /// theirs in that time, so this waits for nobody.
    fn pick_up<P: Port, L: Links>(&self, links: &L, era: Era) -> Waited {
        loop {
            // A handler forked after the token was taken: what it stood for is on the list there.
            if self.era::<P>() != era {
                return Waited::Forgotten;
            }
            if let Some(id) = self.granted.pop::<P, L>(links, L::schedlink) {
                return Waited::M(id);
            }
            // Relaxed, both: what matters came with the token.
            if self.dismissals.take_one(era, Ordering::Relaxed) == Changed::Done {
                return Waited::Closed;
            }
            if self.refusals.take_one(era, Ordering::Relaxed) == Changed::Done {
                return Waited::Failed;
            }
        }
    }

    /// Tells `count` threads, which are not counted any more since that era, that they get no M, and why.
    pub(super) fn refuse<P: Port>(&self, why: &Count, count: u32, era: Era) {
        // Relaxed: `hand` publishes it.
        if count > 0 && why.add::<P>(count, era, Ordering::Relaxed) {
            self.hand::<P>(count, era);
        }
    }

    /// Adds `count` tokens and wakes as many threads, but for one that is on the way already. The last access
    /// to the pool's memory is the addition: the thread that is served may close and free the pool before
    /// the wake-up, which therefore gets no more than an address.
    #[cold]
    pub(super) fn hand<P: Port>(&self, count: u32, era: Era) {
        let wakeups = core::ptr::from_ref(self.wakeups.word());
        let in_turn = self.wakeups.any_again();
        match self.wakeups.add::<P>(count, era) {
            Some(wake @ 1..) if in_turn => P::wake_in_turn(wakeups, wake),
            Some(wake @ 1..) => P::wake(wakeups, wake),
            _ => {}
        }
    }
}
