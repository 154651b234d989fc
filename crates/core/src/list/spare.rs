//! What is on the list, looked at without taking, and taken from a pool that is closed.

use super::{Links, List};
use crate::port::Port;
use crate::sync::{Ordering, fence};

impl List {
    /// Takes the head of the list even from a closed pool.
    pub(crate) fn drain<P: Port, L: Links>(&self, links: &L) -> Option<u32> {
        loop {
            let word = self.look();
            if !word.has_spare() {
                return None;
            }
            if self.pop::<P, L>(links, word).is_some() {
                return Some(word.head());
            }
        }
    }

    /// The numbers on the list, first to last. Of a pool that is closed, or has no other user: nobody
    /// pops, so what is seen stays.
    pub(crate) fn numbers<L: Links>(&self, links: &L) -> impl Iterator<Item = u32> {
        // Acquire: as for the first popper.
        let mut next = self.look().head();
        core::iter::from_fn(move || {
            let id = next;
            (id != 0).then(|| {
                next = L::schedlink(links.node(id)).load(Ordering::Relaxed);
                id
            })
        })
    }

    /// Whether so many are spare, or were a moment ago. `false` where others come and go too fast to tell.
    /// Touches no more Ms than that.
    pub(crate) fn has_at_least<L: Links>(&self, links: &L, least: u32) -> bool {
        let word = self.look();
        let mut next = word.head();
        for _ in 0..least {
            // A link may be newer than the word, and name an M whose memory this thread has not seen.
            if next == 0 || !links.has(next) {
                return false;
            }
            // Relaxed: harmless whatever it is (Stable).
            next = L::schedlink(links.node(next)).load(Ordering::Relaxed);
        }
        fence(Ordering::Acquire);
        self.glance() == word
    }
}
