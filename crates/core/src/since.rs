//! Since when something is so, for those who watch.

use crate::port::Port;
use crate::sync::unwatched::{AtomicU32, Ordering};
use core::time::Duration;

/// A moment of the port's clock, to a millisecond and modulo 49 days, or none. Relaxed, and not watched:
/// nothing depends on it.
pub(crate) struct Since(AtomicU32);

impl Since {
    pub(crate) const fn never() -> Self {
        Since(AtomicU32::new(0))
    }

    /// Now, if there is a clock.
    #[inline]
    pub(crate) fn note<P: Port>(&self) {
        self.0.store(milliseconds::<P>().unwrap_or(0), Ordering::Relaxed);
    }

    pub(crate) fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// How long ago that was; `None` if it was not noted.
    pub(crate) fn elapsed<P: Port>(&self) -> Option<Duration> {
        elapsed::<P>(self.0.load(Ordering::Relaxed))
    }

    /// Takes over the other moment, if this one is so long ago, and nobody notes another one just now.
    pub(crate) fn replace_aged<P: Port>(&self, age: Duration, by: &Since) -> bool {
        let (since, other) = (self.0.load(Ordering::Relaxed), by.0.load(Ordering::Relaxed));
        elapsed::<P>(since).is_some_and(|elapsed| elapsed >= age)
            && self.0.compare_exchange(since, other, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

fn elapsed<P: Port>(since: u32) -> Option<Duration> {
    let now = milliseconds::<P>().filter(|_| since != 0)?;
    Some(Duration::from_millis(now.wrapping_sub(since).into()))
}

/// What the clock says; never 0, which is none.
fn milliseconds<P: Port>() -> Option<u32> {
    P::now().map(|now| (now.as_millis() as u32).max(1))
}
