//! Which threads sleep in the line, for a person to see ([`Pool::dump`](crate::Pool::dump)).
//!
//! Who is about to sleep takes a place if one is free, and gives it back at the end of its wait. Nothing but the
//! text depends on it, so no model watches it.

use crate::port::Port;
use crate::since::Since;
use crate::sync::unwatched::{AtomicUsize, Ordering};
use core::time::Duration;

/// How many are named. None where pointers have 32 bits: there a pool is to be small.
const PLACES: usize = if NAMES { 8 } else { 0 };
const NAMES: bool = usize::BITS == 64;

/// See the top of this file. Every access is relaxed, unless it says otherwise.
pub(crate) struct Sleepers([Place; PLACES]);

struct Place {
    /// As the system's tools number threads; 0 = free.
    thread: AtomicUsize,
    since: Since,
}

/// What a thread has of a place, or has not yet.
pub(crate) struct Named<'a> {
    sleepers: &'a Sleepers,
    place: Option<(&'a Place, usize)>,
}

impl Sleepers {
    pub(crate) const fn new() -> Self {
        Sleepers([const { Place { thread: AtomicUsize::new(0), since: Since::never() } }; PLACES])
    }

    pub(crate) fn nobody(&self) -> Named<'_> {
        Named { sleepers: self, place: None }
    }

    /// In a forked child.
    pub(crate) fn forget(&self) {
        for place in &self.0 {
            place.since.forget();
            place.thread.store(0, Ordering::Relaxed);
        }
    }

    /// The threads that have a place, and how long ago they went to sleep first, if that is noted.
    pub(crate) fn iter<P: Port>(&self) -> impl Iterator<Item = (u64, Option<Duration>)> {
        // Acquire: partner of the release with which a place is given back, without a time.
        let threads = self.0.iter().map(|place| (place.thread.load(Ordering::Acquire), place));
        threads
            .filter(|(thread, _)| *thread != 0)
            .map(|(thread, place)| (thread as u64, place.since.elapsed::<P>()))
    }
}

impl Named<'_> {
    /// The calling thread is about to sleep; since when is noted if `timed`.
    #[inline]
    pub(crate) fn sleeps<P: Port>(&mut self, timed: bool) {
        if NAMES && self.place.is_none() {
            self.take_place::<P>(timed);
        }
    }

    fn take_place<P: Port>(&mut self, timed: bool) {
        let me = P::thread_id() as usize;
        let free = |place: &&Place| {
            place.thread.load(Ordering::Relaxed) == 0
                // Release: goes on with that of whoever had it before.
                && place.thread.compare_exchange(0, me, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        };
        self.place = self.sleepers.0.iter().find(free).map(|place| (place, me));
        if timed && let Some((place, _)) = self.place {
            place.since.note::<P>();
        }
    }
}

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if let Some((place, me)) = self.place {
            // The next one is not to be seen with this time.
            place.since.forget();
            // Release: so is whoever sees the next one's number. If a handler has forked meanwhile it is another's
            // in the child, perhaps.
            let _ = place.thread.compare_exchange(me, 0, Ordering::Release, Ordering::Relaxed);
        }
    }
}
