//! How many contexts there were.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Counts the contexts of one way. Relaxed throughout: figures, read when the threads have been joined.
#[derive(Debug, Default)]
pub struct Census {
    made: AtomicU32,
    alive: AtomicU32,
    most: AtomicU32,
    served: AtomicU64,
}

impl Census {
    /// A context is made, which is there as long as the seat.
    pub fn seat(self: &Arc<Self>) -> Seat {
        self.made.fetch_add(1, Relaxed);
        let alive = self.alive.fetch_add(1, Relaxed) + 1;
        self.most.fetch_max(alive, Relaxed);
        Seat(Arc::clone(self))
    }

    /// Contexts that were made.
    pub fn made(&self) -> u32 {
        self.made.load(Relaxed)
    }

    /// Contexts that are there.
    pub fn alive(&self) -> u32 {
        self.alive.load(Relaxed)
    }

    /// The most that were there at once.
    pub fn most(&self) -> u32 {
        self.most.load(Relaxed)
    }

    /// Calls that the contexts have counted themselves.
    pub fn served(&self) -> u64 {
        self.served.load(Relaxed)
    }
}

/// A context's place in the census.
#[derive(Debug)]
pub struct Seat(Arc<Census>);

impl Seat {
    /// The context goes, and has counted so many calls.
    pub fn served(&self, calls: u64) {
        self.0.served.fetch_add(calls, Relaxed);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Relaxed);
    }
}
