//! More spare Ms, and fewer, at the user's wish.

use crate::enter::Manner;
use crate::list::Guest;
use crate::m::LAST;
use crate::port::Port;
use crate::refill::NotMade;
use crate::{EnterError, Entered, M, Pool, Runtime, StartError};

impl<R: Runtime, P: Port> Pool<R, P> {
    /// Makes Ms until `spare` of them are spare, so that as many threads can enter at once without waiting.
    /// The calling thread enters meanwhile (Ms are made by admitted threads only), and may wait as in
    /// [`enter`](Pool::enter). Not for handlers.
    ///
    /// # Errors
    ///
    /// [`StartError::NotStarted`] if the pool is not running, [`StartError::Exhausted`] if the limit
    /// allows no more (or no more calls or waiting threads can be counted),
    /// [`StartError::CreationFailed`], [`StartError::NoMemory`]. The Ms made so far stay.
    pub fn prewarm(&self, spare: u32) -> Result<(), StartError> {
        let pool = self.lasting();
        let inside = pool.enter_as(&Manner::UNBOUND).map_err(|error| match error {
            EnterError::Exhausted | EnterError::TooMany => StartError::Exhausted,
            EnterError::CreationFailed => StartError::CreationFailed,
            _ => StartError::NotStarted,
        })?;
        let done = pool.make_until_spare(spare, &inside);
        // A guest before it leaves: else the pool may be closed by then, and gone.
        let within = pool.give_within.map(|give| (give, pool.list.guest::<P>()));
        drop(inside);
        if let Some((give, _guest)) = within {
            give(pool, None);
        }
        done
    }

    fn make_until_spare(&'static self, spare: u32, inside: &Entered<R, P>) -> Result<(), StartError> {
        // The M at hand will be spare again, unless the thread was inside already.
        let mine = u32::from(Entered::goes_back(inside));
        loop {
            let missing = spare.saturating_sub(self.spare() + mine);
            if missing == 0 {
                return Ok(());
            }
            for _ in 0..missing {
                if self.list.glance().closed() {
                    return Err(StartError::NotStarted);
                }
                // A claim lets others rely on this M. Where no more can be counted, nobody does.
                let error = match self.make(self.list.claim_extra::<P>()) {
                    Ok(_) => continue,
                    Err(NotMade::Limit) => StartError::Exhausted,
                    Err(NotMade::Failed(_, cause)) => cause.into(),
                };
                // Others may have relied on the claim, or found the limit reached while we had a slot:
                // what is owed now is owed here (Duty).
                self.refill(inside);
                return Err(error);
            }
        }
    }

    /// How many Ms are spare, roughly while others come and go.
    fn spare(&'static self) -> u32 {
        self.stats().spare
    }

    /// Drops the contexts of spare Ms until `keep` are spare (one always stays: the list must not run
    /// dry without anybody noticing). Returns how many it dropped. Stops early when a thread waits.
    ///
    /// Each context is moved to the caller's stack and dropped there when its M is out of use, so its
    /// drop may call into the pool. Not for handlers. See also [`trim_unused`](Pool::trim_unused).
    pub fn trim(&self, keep: u32) -> u32 {
        let pool = self.lasting();
        let surplus = pool.spare().saturating_sub(keep.max(1));
        pool.drop_spare(surplus, |_| ())
    }

    /// Drops the contexts of so many spare Ms, each of which `going` sees before. One stays.
    pub(crate) fn drop_spare(&'static self, surplus: u32, going: impl FnMut(&M<R>)) -> u32 {
        // Until the last context is dropped: what it refers to may go when `close` has succeeded.
        let guest = self.list.guest::<P>();
        let dropped = self.drop_surplus(&guest, 0, |dropped| dropped < surplus, going);
        self.keep_within(&guest);
        dropped
    }

    /// Whoever gave an M back meanwhile has not seen those that were in hand.
    pub(crate) fn keep_within(&'static self, guest: &Guest<'_, P>) {
        if guest.is_here()
            && let Some(give) = self.give_within
        {
            give(self, None);
        }
    }

    /// Drops contexts of spare Ms as long as `more`, told how many went, says so, and there is one to spare; returns
    /// how many went. Where there was none it looks so many `times` again: two that take the last two at once find
    /// no second one, and give back what they have.
    pub(crate) fn drop_surplus(
        &'static self,
        guest: &Guest<'_, P>,
        mut times: u32,
        more: impl Fn(u32) -> bool,
        mut going: impl FnMut(&M<R>),
    ) -> u32 {
        let mut dropped = 0;
        // In a child that the drop of a context forks the guest is none, and the pool may be gone.
        while guest.is_here() && more(dropped) {
            match self.take_surplus(&mut going) {
                Some(context) => {
                    drop(context);
                    dropped += 1;
                }
                None if times == 0 => break,
                None => times -= 1,
            }
        }
        dropped
    }

    /// Takes the context of a spare M, which `going` sees before, unless that is the last one. Nothing foreign runs
    /// in here.
    fn take_surplus(&'static self, going: impl FnOnce(&M<R>)) -> Option<R::Context> {
        let anchor = self.take_spare()?;
        if let Some(m) = self.take_spare() {
            going(m);
            return Some(self.take_out_beside(m, anchor));
        }
        // It was the last one.
        anchor.owe(LAST);
        self.list.give::<P, _>(&self.table, anchor, anchor.id());
        None
    }
}
