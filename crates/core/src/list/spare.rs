//! What is on the list: how many are spare, the numbers, what is taken from a pool that is closed, and what
//! stays in a forked child.

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

    /// Links an M to the head on which it is about to be pushed. Relaxed, where nothing is said: the
    /// exchange publishes it.
    pub(super) fn link<L: Links>(links: &L, m: &L::Node, head: u32) {
        L::schedlink(m).store(head, Ordering::Relaxed);
        let Some(height) = links.height(m) else { return };
        // Partner of the release with which the head was given. Whatever lies below an M stays as it is while
        // that is on the list, and if the head has been taken since, the exchange fails.
        fence(Ordering::Acquire);
        let head = (head != 0).then(|| links.node(head));
        let below = head.and_then(|head| links.height(head)).map_or(0, |below| below.load(Ordering::Relaxed));
        height.store(below + 1, Ordering::Relaxed);
    }

    /// Whether so many are spare, or were a moment ago. `false` where others come and go too fast to tell.
    pub(crate) fn has_at_least<L: Links>(&self, links: &L, least: u32) -> bool {
        let word = self.look();
        let head = word.has_spare().then(|| links.node(word.head()));
        let height = head.and_then(|head| links.height(head));
        // Relaxed: of another M if that has been taken since, and then the word is another one.
        let enough = match height {
            Some(height) => height.load(Ordering::Relaxed) >= least,
            None => self.leads_to(links, word.head(), least),
        };
        fence(Ordering::Acquire);
        enough && self.glance() == word
    }

    /// Whether there are so many from this one on.
    fn leads_to<L: Links>(&self, links: &L, head: u32, least: u32) -> bool {
        let mut next = head;
        for _ in 0..least {
            // A link may be newer than the word, and name an M whose memory this thread has not seen.
            if next == 0 || !links.has(next) {
                return false;
            }
            // Relaxed: harmless whatever it is (Stable).
            next = L::schedlink(links.node(next)).load(Ordering::Relaxed);
        }
        true
    }

    /// In a forked child: keeps the spare Ms and those on their way to vanished waiters, forgets
    /// everybody who waited, and all claims. The caller is the only one who uses the pool.
    pub(crate) fn reset_after_fork<P: Port, L: Links>(&self, links: &L) {
        let was = self.look().next_version();
        let mut word = was.nobody_waiting().with_failed(false).nobody_creating();
        while let Some(id) = self.granted.pop::<P, L>(links, L::schedlink) {
            Self::link(links, links.node(id), word.head());
            word = word.with_head(id);
        }
        // Whoever was about to push something sees the new era, or fails.
        self.granted.forget();
        self.wakeups.begin_anew();
        self.sleepers.forget();
        for count in [&self.refusals, &self.dismissals, &self.guests] {
            count.begin_anew(0);
        }
        // Relaxed: one thread; the caller publishes the repaired pool.
        self.word.0.store(word.0, Ordering::Relaxed);
    }
}
