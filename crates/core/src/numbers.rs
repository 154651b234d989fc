//! A stack of Ms, by number: what is granted, bare, idle.
//!
//! A Treiber stack whose head carries a version (see "ABA" in [`crate::word`]). Links lie in the Ms;
//! which link is the caller's choice, so that an M may be on two stacks by two links.

use crate::list::Links;
use crate::port::Port;
use crate::sync::{AtomicU32, AtomicWord, Ordering};
use crate::word::{Word, brief};

pub(crate) struct Numbers(AtomicWord);

impl Numbers {
    const_unless_loom! {
        pub(crate) fn new() -> Self {
            Numbers(AtomicWord::new(0))
        }
    }

    /// Pushes a number; `link` is its M's.
    pub(crate) fn push(&self, id: u32, link: &AtomicU32) {
        self.push_while(id, link, || true);
    }

    /// Pushes a number if `still` holds after the look at the stack; `false` if not.
    #[inline]
    pub(crate) fn push_while(&self, id: u32, link: &AtomicU32, still: impl Fn() -> bool) -> bool {
        // Relaxed: only for the exchange; nothing is read through it.
        let mut head = Word(self.0.load(Ordering::Relaxed));
        loop {
            if !still() {
                return false;
            }
            // Relaxed: the exchange below publishes the link.
            link.store(head.head(), Ordering::Relaxed);
            let next = head.with_head(id).next_version();
            // Release: partner of the acquire in `pop`.
            match self.0.compare_exchange_weak(head.0, next.0, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => head = Word(now),
            }
        }
    }

    /// Pops a number; `link` is the one of its M by which it is on this stack.
    pub(crate) fn pop<P: Port, L: Links>(
        &self,
        links: &L,
        link: impl Fn(&L::Node) -> &AtomicU32,
    ) -> Option<u32> {
        loop {
            let popped = brief::<P, _>(|| {
                // Acquire: synchronises with the push of every number on the stack, since all changes
                // are read-modify-writes, which continue the release sequence.
                let head = Word(self.0.load(Ordering::Acquire));
                let id = head.head();
                if id == 0 {
                    return Ok(None);
                }
                // Relaxed: acquired with the head; if the number has been popped since, the version
                // makes the exchange fail.
                let next = link(links.node(id)).load(Ordering::Relaxed);
                let after = head.with_head(next).next_version();
                // Relaxed on success: what the M carries was acquired by the load.
                match self.0.compare_exchange_weak(head.0, after.0, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => Ok(Some(id)),
                    Err(_) => Err(()),
                }
            });
            if let Ok(popped) = popped {
                return popped;
            }
        }
    }

    /// Empties it, whatever its links say. The caller is the only one who uses it.
    pub(crate) fn forget(&self) {
        let now = Word(self.0.load(Ordering::Relaxed));
        self.0.store(now.with_head(0).next_version().0, Ordering::Relaxed);
    }
}
