//! Fewer spare Ms, by how long nobody has entered with them.
//!
//! The list is a stack, so what is of no use lies below, in general, where nobody gets it without taking off all that
//! lies above; and whoever came meanwhile would find none. But contexts are alike: how many go is a matter of
//! ages, which ones is not. So they are taken from the top, two at a time, as [`Pool::trim`] does; and when one goes
//! that was used, one that was not inherits its age and stays in its place.

use crate::port::Port;
use crate::walk::state;
use crate::{M, MState, Pool, Runtime};
use core::time::Duration;

impl<R: Runtime, P: Port> Pool<R, P> {
    /// Drops the contexts of as many spare Ms as there are with which no thread has entered for `age`, except one, which
    /// stays ready for whoever comes next. Returns how many it dropped. Stops early when a thread waits. For a
    /// timer: what a wave of calls has left behind goes when it has been of no use for so long.
    ///
    /// ```ignore
    /// // An excerpt; the guide in the crate `extram` has a whole program.
    /// while !ends.load(Ordering::Relaxed) {
    ///     std::thread::park_timeout(Duration::from_secs(10));
    ///     POOL.trim_unused(Duration::from_secs(60));
    /// }
    /// ```
    ///
    /// The age of an M counts from when a thread got it last, or it was made; of one that was bound, from when its
    /// thread gave it back, by [`unbind`](Pool::unbind) or because it ended. So with
    /// [`Binding::Call`](crate::Binding::Call) take an age that is longer than a call: one that takes longer leaves an
    /// M that may go at once. Ages are known to a millisecond, and begin again after 49 days; and only where the
    /// runtime asks for them ([`Runtime::SINCE`]) and the port has a clock: else nothing is dropped, and the
    /// answer is 0. [`trim`](Pool::trim) and [`spare_max`](Pool::spare_max) go by number, and need neither.
    ///
    /// What has been made in advance ([`prewarm`](Pool::prewarm)) and not been used goes, too, but for one: do not use
    /// this where handlers rely on several spare Ms.
    ///
    /// How many go is judged once, at the beginning; two threads that do this at a time may drop more, but one stays.
    /// Which ones go has nothing to do with their ages: they are taken from the top of the list, where what was used
    /// lately lies. The age of one that was used is passed on to one that was not, so the same call once more drops
    /// nothing more.
    ///
    /// Each context is moved to the caller's stack and dropped there when its M is out of use, so its
    /// drop may call into the pool. Not for handlers.
    pub fn trim_unused(&self, age: Duration) -> u32 {
        let pool = self.lasting();
        let unused = pool.aged_ones().filter(|m| m.is_unused::<P>(age)).count() as u32;
        let mut heirs = pool.aged_ones();
        // The one that is kept ready beside those in use is never used itself, the list being a stack.
        pool.drop_spare(unused.saturating_sub(1), |m| {
            if !m.is_unused::<P>(age) {
                let _ = heirs.find(|heir| heir.inherit::<P>(age, m));
            }
        })
    }

    /// The spare Ms, where their ages are known, while others come and go.
    fn aged_ones(&'static self) -> impl Iterator<Item = &'static M<R>> {
        self.table.iter().filter(|m| R::SINCE && state(m) == Some(MState::Spare))
    }
}
