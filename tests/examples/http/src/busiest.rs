//! The busiest moment: how many things went on at once at most.

use std::sync::atomic::{AtomicU32, Ordering};

/// Counts what goes on, and remembers the most.
pub(crate) struct Busiest {
    now: AtomicU32,
    most: AtomicU32,
}

impl Busiest {
    pub(crate) const fn new() -> Self {
        Busiest { now: AtomicU32::new(0), most: AtomicU32::new(0) }
    }

    /// One more goes on until the result is dropped.
    pub(crate) fn begin(&self) -> Going<'_> {
        // Relaxed, here and below: counts, and nothing hangs on their order.
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(now, Ordering::Relaxed);
        Going(self)
    }

    pub(crate) fn most(&self) -> u32 {
        self.most.load(Ordering::Relaxed)
    }
}

pub(crate) struct Going<'a>(&'a Busiest);

impl Drop for Going<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_at_once_is_remembered() {
        let busiest = Busiest::new();
        let (a, b) = (busiest.begin(), busiest.begin());
        drop(a);
        let c = busiest.begin();
        drop((b, c));
        assert_eq!(busiest.most(), 2);
    }
}
