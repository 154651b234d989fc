//! The runtime that is measured: contexts that cost as much as is asked for to make, and nothing else.

use extram_core::Runtime;
use extram_herd::work;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Making a context takes this much processor time.
pub(crate) struct Making(pub(crate) Duration);

/// Whether somebody holds it.
pub(crate) struct Owned(AtomicBool);

impl Runtime for Making {
    type Context = Owned;
    type Error = Infallible;

    fn new_context(&self) -> Result<Owned, Infallible> {
        work(self.0);
        Ok(Owned::new())
    }
}

impl Owned {
    pub(crate) fn new() -> Self {
        Owned(AtomicBool::new(false))
    }

    /// Runs `inside`; `false` if another thread has the context as well.
    pub(crate) fn hold(&self, inside: impl FnOnce()) -> bool {
        // Relaxed: a pool that keeps its promise orders one holder after the other, and one that does
        // not is what this is about to find. Load and store, as an exchange would cost as much as what
        // is measured.
        if self.0.load(Ordering::Relaxed) {
            return false;
        }
        self.0.store(true, Ordering::Relaxed);
        inside();
        self.0.store(false, Ordering::Relaxed);
        true
    }
}
