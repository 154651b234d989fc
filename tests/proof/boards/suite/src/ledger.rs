//! The runtime of the herd's pool: each M carries a page on which its holder signs.

use core::sync::atomic::Ordering::Relaxed;
use extram_core::sync::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};
use extram_core::{Event, Runtime};

/// What the herd's Ms carry.
#[derive(Debug)]
pub struct Page {
    /// The token of the thread that has the M, 0 for none.
    signature: AtomicUsize,
}

impl Page {
    /// Signs, and returns who had signed before and not crossed that out.
    pub(crate) fn sign(&self, token: usize) -> usize {
        self.signature.swap(token, SeqCst)
    }
}

/// The runtime: it counts, and logs while it is told to.
#[derive(Debug)]
pub struct Ledger {
    pub(crate) made: AtomicU32,
    pub(crate) logs: AtomicBool,
}

impl Ledger {
    pub(crate) const fn new() -> Self {
        Ledger { made: AtomicU32::new(0), logs: AtomicBool::new(false) }
    }
}

impl Runtime for Ledger {
    type Context = Page;
    type Error = core::convert::Infallible;

    fn new_context(&self) -> Result<Page, Self::Error> {
        self.made.fetch_add(1, SeqCst);
        Ok(Page { signature: AtomicUsize::new(0) })
    }

    fn observe(&self, event: Event) {
        // Relaxed: a switch for the reader's sake.
        if self.logs.load(Relaxed) {
            extram_port_bare_metal::observe(event);
        }
    }
}
