//! Fewer spare Ms, by how long nobody has entered with them.
//!
//! The list is a stack: what was used last is on top, and what is to go lies below, in general. So whoever trims by
//! age takes Ms off one by one, sets aside on a [`Pile`] what is to stay, and gives that back in its order. It
//! looks at the whole table first, so where nothing is to go it takes nothing.
//!
//! - First it brings up all that are to go, in one pass, so that they lie on top when the others are back: else each
//!   of them would cost a pass through all that stay.
//! - Then it drops their contexts one by one, as [`Pool::trim`] does: when one is dropped, nothing is in hand.
//!
//! Who comes while Ms are in hand, and finds none, waits. The list is empty then, so the next M that is given back
//! is theirs (Invariant Either), and no more are taken. As the list may have run dry without anybody else noticing,
//! the first M of a pile that is given back owes a refill (Invariant Duty).

use crate::m::LAST;
use crate::port::Port;
use crate::sync::Ordering;
use crate::table::Table;
use crate::walk::state;
use crate::{M, MState, Pool, Runtime};
use core::time::Duration;

impl<R: Runtime, P: Port> Pool<R, P> {
    /// Drops the contexts of spare Ms with which no thread has entered for `age`, except one, which stays ready for
    /// whoever comes next. Returns how many it dropped. Stops early when a thread waits. For a timer: what a
    /// wave of calls has left behind goes when it has been of no use for so long.
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
    /// What has been made in advance ([`prewarm`](Pool::prewarm)) and not been used goes, too, but for one. So do not
    /// use this where handlers rely on several spare Ms; besides, the Ms are not on the list for a moment while
    /// they are looked at, and a handler that comes just then finds fewer than there are, or none.
    ///
    /// How many are to go is judged once, at the beginning. If nobody uses the pool meanwhile, they all go, and the
    /// same call once more drops nothing. Where threads come and go, one may take an M that was about to
    /// go, and some may stay until the next time.
    ///
    /// Each context is moved to the caller's stack and dropped there when its M is out of use, so its
    /// drop may call into the pool. Not for handlers.
    pub fn trim_unused(&self, age: Duration) -> u32 {
        let pool = self.lasting();
        // Until the last context is dropped: what it refers to may go when `close` has succeeded.
        let guest = pool.list.guest::<P>();
        let most = pool.unused(age);
        if most == 0 {
            return 0;
        }
        pool.bring_up(age, most);
        let mut dropped = 0;
        // In a child that the drop of a context forks the guest is none, and the pool may be gone.
        while guest.is_here()
            && dropped < most
            && let Some(context) = pool.take_unused(age)
        {
            drop(context);
            dropped += 1;
        }
        // Whoever gave an M back meanwhile has not seen those that were in hand.
        if guest.is_here()
            && let Some(give) = pool.give_within
        {
            give(pool, None);
        }
        dropped
    }

    /// How many spare Ms are unused and may go, roughly while others come and go. Takes nothing.
    fn unused(&'static self, age: Duration) -> u32 {
        let spare = self.table.iter().filter(|m| R::SINCE && state(m) == Some(MState::Spare));
        let unused = spare.filter(|m| m.is_unused::<P>(age)).count() as u32;
        // The one that is kept ready beside those in use is never used itself, the list being a stack.
        unused.saturating_sub(1)
    }

    /// Brings unused Ms to the top of the list, `most` of them at most, and leaves all others in their order.
    fn bring_up(&'static self, age: Duration, most: u32) {
        let (mut used, mut unused) = (Pile::new(), Pile::new());
        let mut found = 0;
        while found < most
            && let Some(m) = self.take_spare()
        {
            if m.is_unused::<P>(age) {
                unused.push(m);
                found += 1;
            } else {
                used.push(m);
            }
        }
        self.give_pile(used);
        self.give_pile(unused);
    }

    /// Takes the context of the first unused M of the list, unless no other M is spare. Nothing foreign runs in
    /// here.
    fn take_unused(&'static self, age: Duration) -> Option<R::Context> {
        let mut used = Pile::new();
        while let Some(m) = self.take_spare() {
            if !m.is_unused::<P>(age) {
                used.push(m);
                continue;
            }
            let Some(anchor) = used.pop(&self.table).or_else(|| self.take_spare()) else {
                // It was the last one.
                used.push(m);
                break;
            };
            // Of two that are unused the one that was used later stays.
            let (m, anchor) = if anchor.is_unused::<P>(age) { (anchor, m) } else { (m, anchor) };
            let context = self.take_out_beside(m, anchor);
            self.give_pile(used);
            return Some(context);
        }
        self.give_pile(used);
        None
    }

    /// Gives Ms back, the one taken first last, so that they lie as before.
    fn give_pile(&'static self, mut pile: Pile) {
        let mut owes = true;
        while let Some(m) = pile.pop(&self.table) {
            if owes {
                m.owe(LAST);
                owes = false;
            }
            self.list.give::<P, _>(&self.table, m, m.id());
        }
    }
}

/// Ms in this thread's hands, linked by `schedlink`: the number of the one that came last, 0 for none.
///
/// In a child that a handler forks they are this thread's still (`hold` says so), and their links are as before.
struct Pile(u32);

impl Pile {
    const fn new() -> Self {
        Pile(0)
    }

    // Relaxed, here and in `pop`: the thread's own. Who lost the race for the M may read the link, and its
    // exchange fails (Stable).
    fn push<R: Runtime>(&mut self, m: &M<R>) {
        m.schedlink().store(self.0, Ordering::Relaxed);
        self.0 = m.id();
    }

    fn pop<'a, R: Runtime>(&mut self, table: &'a Table<R>) -> Option<&'a M<R>> {
        if self.0 == 0 {
            return None;
        }
        let m = table.get(self.0);
        self.0 = m.schedlink().load(Ordering::Relaxed);
        Some(m)
    }
}
