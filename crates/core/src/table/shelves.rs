//! Where retired slots lie (see [`crate::hold`]) until their threads come.
//!
//! On shelves, so that a thread finds its own without a walk past everybody else's. A shelf is a list, linked
//! by `schedlink`; its head is in the `idlelink` of the M whose number the thread's token is hashed to. There
//! are as many shelves as Ms, rounded down to a power of two: those of fewer Ms are looked at, too, since a
//! slot may have been put there before there were more.
//!
//! There are shelves only where Ms are bound the plain way: nothing else needs their `idlelink` then.

use super::Table;
use crate::m::Stage;
use crate::port::Port;
use crate::sync::{AtomicU32, Ordering};
use crate::{M, Runtime};

impl<R: Runtime> Table<R> {
    /// Whether Ms are bound the plain way from now on. Nobody uses the pool.
    pub(crate) fn set_shelves<P: Port>(&self, shelves: bool) {
        let era = self.live.era::<P>();
        let had = self.shelves.load(Ordering::Relaxed);
        self.shelves.store(shelves, Ordering::Relaxed);
        if shelves && !had {
            self.fill_shelves();
            if self.live.era::<P>() != era {
                // A handler forked, and what was put on a shelf may be bare.
                self.rebuild::<P>();
            }
        }
    }

    /// Begins the shelves anew. The caller is the only one who uses them.
    pub(super) fn fill_shelves(&self) {
        self.iter().for_each(|m| m.idlelink().store(0, Ordering::Relaxed));
        self.iter().filter(|m| m.hold().is_retired()).for_each(|m| self.shelve(m));
    }

    /// Where retired slots of that thread may lie, the newest first.
    pub(crate) fn shelves_of(&self, token: usize) -> impl Iterator<Item = &AtomicU32> {
        // The high half of a product: the high bits of an address say as much as the low ones.
        let hash = ((token as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32;
        let levels = self.high.load(Ordering::Acquire).checked_ilog2().map_or(0, |log| log + 1);
        // Where the highest bit is 0 it is the shelf of the next level.
        let is_new = move |log: &u32| *log == 0 || hash >> (log - 1) & 1 == 1;
        (0..levels).rev().filter(is_new).map(move |log| self.get((hash & ((1 << log) - 1)) + 1).idlelink())
    }

    /// Puts a retired slot on the first shelf of the thread that it is for.
    fn shelve(&self, m: &M<R>) {
        self.any_retired.store(true, Ordering::Relaxed);
        let shelf = self.shelves_of(m.hold().token()).next().expect("it has a number");
        self.put_on(shelf, m, m);
    }

    /// Puts a chain of retired slots on a shelf.
    fn put_on(&self, shelf: &AtomicU32, first: &M<R>, last: &M<R>) {
        let mut head = shelf.load(Ordering::Relaxed);
        loop {
            last.schedlink().store(head, Ordering::Relaxed);
            // Release: partner of the acquire in `reclaim`. No version: nobody takes one of several.
            match shelf.compare_exchange_weak(head, first.id(), Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Takes a slot out of use that is used again only when its thread comes (see [`crate::hold`]).
    pub(crate) fn retire<P: Port>(&self, id: u32) {
        let era = self.live.era::<P>();
        let m = self.get(id);
        m.set_stage(Stage::Bare);
        self.shelve(m);
        // Relaxed: no number goes with it.
        self.live.go::<P>(era, Ordering::Relaxed);
    }

    /// Makes the retired slots of that thread bare, which has come the slow way: it is not between
    /// reading its thread-local value and finding it revoked (Invariant Retired).
    ///
    /// What lies on a shelf with them is out of sight meanwhile; its threads find it next time.
    pub(crate) fn reclaim<P: Port>(&self, token: usize) {
        // Relaxed: as with the heads below.
        if !self.any_retired.load(Ordering::Relaxed) {
            return;
        }
        let era = self.live.era::<P>();
        for shelf in self.shelves_of(token) {
            // Relaxed: a hint; what this thread needs to see was there when the pool was started.
            if shelf.load(Ordering::Relaxed) == 0 {
                continue;
            }
            let mut next = shelf.swap(0, Ordering::Acquire);
            let mut others: Option<(&M<R>, &M<R>)> = None;
            while next != 0 {
                let m = self.get(next);
                next = m.schedlink().load(Ordering::Relaxed);
                if m.hold().token() == token {
                    m.hold().forget();
                    m.call().forget();
                    self.bury::<P>(m, era);
                } else {
                    // In the same order.
                    if let Some((_, last)) = others {
                        last.schedlink().store(m.id(), Ordering::Relaxed);
                    }
                    others = Some((others.map_or(m, |(first, _)| first), m));
                }
                if self.live.era::<P>() != era {
                    // A handler forked: what is retired in the child is on its shelves there.
                    return self.rebuild::<P>();
                }
            }
            if let Some((first, last)) = others {
                self.put_on(shelf, first, last);
            }
        }
        if self.live.era::<P>() != era {
            self.rebuild::<P>();
        }
    }
}
