//! The duty to refill, which travels with an M.
//!
//! An M owes a refill (`needextram`) if it was the last on the list when it was taken, or is newly
//! made; an M that comes back and is handed on owes nothing. A thread that entered with an owing M
//! makes one, or two if that M was new, once it has been admitted:
//!
//! 1. give way for a moment if Ms come back to those who wait; then claim: if fewer Ms are being
//!    made than threads wait (or none is, and none is spare), one more is now;
//! 2. make it, owing in its turn;
//! 3. publish it and withdraw the claim, in one exchange;
//! 4. back to 1 for the second one, unless an M that came back has been handed to a waiter
//!    meanwhile (`returning`).
//!
//! So the Ms for a herd are made by a doubling tree of the threads just admitted, no callback pays
//! for more than two, and a herd of short callbacks is served by the Ms that come back, with one
//! creator or two at work. The second one is a matter of speed alone, and so are the hint and the
//! giving way: a herd of 100 whose callbacks are short ended up with two or three Ms where it made
//! five without, and was done a fifth sooner. Where callbacks are long no M comes back, and nobody
//! gives way.
//!
//! **Invariant Duty.** If a thread waits, then an M that owes a refill is granted or in the hands of
//! a thread that has not begun its callback, or an M is being made; or the limit is reached. It
//! holds because a duty ends in two ways only: by `claim`, with a look at the very word that counts
//! the waiters, which finds as many creators as waiters; or with the publishing of an M that owes in
//! its turn. A creator that fails tells one waiter, who is not counted any more, and keeps its duty
//! while others wait.
//!
//! Under a limit a claim can turn out to be void: no slot is left. A slot comes back in three ways.
//! A creator failed: it still has its duty. `trim` dropped a context: it holds one M all the while,
//! and gives it back owing. `close`: nobody waits any more. In the first two cases the one who goes
//! on with the duty may find our void claim, and take it for a creator at work. So whoever withdraws
//! a void claim looks for a slot once more, afterwards: either its look finds the slot, or the other
//! one's look at the word finds the claim gone.

use crate::enter::Entered;
use crate::hold::{BUSY, PLAIN, WANTED};
use crate::list::GaveUp;
use crate::m::{KEPT, LAST, MADE, NEW};
use crate::port::Port;
use crate::sync::Ordering;
use crate::table::NoSlot;
use crate::{Event, M, Pool, Runtime, StartError};

/// How often a thread that owes gives way, at most: on an idle machine about as long as a waiter
/// takes to wake up, enter and leave.
const PATIENCE: u32 = if cfg!(loom) { 1 } else { 16 };

/// Why no M was made.
enum NotMade {
    /// No slot is left; the claim is withdrawn.
    Limit,
    /// Making it failed; the claim is withdrawn, and this is what it means for the duty.
    Failed(GaveUp),
}

impl<R: Runtime, P: Port> Pool<R, P> {
    /// Does what the M at hand owes. Runs on an admitted thread.
    #[doc(alias = "newextram")]
    #[cold]
    pub(crate) fn refill(&'static self, m: &M<R>) {
        // Relaxed: the holder's own.
        let most = m.needextram.load(Ordering::Relaxed);
        let mut made = 0;
        let mut duty = false;
        self.give_way();
        while self.list.claim() {
            match self.make() {
                Ok(returning) => {
                    made += 1;
                    // Here only: a claim once made is met, or its withdrawal followed up.
                    if made >= most || returning {
                        break;
                    }
                }
                Err(NotMade::Failed(GaveUp::Told)) => {}
                Err(NotMade::Failed(GaveUp::KeepDuty)) => {
                    duty = true;
                    break;
                }
                // A slot has come back meanwhile, and others may have counted on our claim.
                Err(NotMade::Limit) if !self.limit_reached() => {}
                Err(NotMade::Limit | NotMade::Failed(GaveUp::Covered)) => break,
            }
        }
        self.owe(m, duty);
    }

    /// Lets those who wait be served by Ms that come back, for a moment, as long as that goes on.
    /// The caller has not begun its callback, so its duty stands meanwhile (Invariant Duty).
    fn give_way(&self) {
        for _ in 0..PATIENCE {
            let word = self.list.glance();
            if !word.returning() || word.waiting() == 0 {
                return;
            }
            P::osyield();
        }
    }

    /// Notes whether the M at hand owes a refill. Relaxed: the holder's own; whoever holds the M
    /// next acquires it through the list.
    fn owe(&'static self, m: &M<R>, duty: bool) {
        m.needextram.store(if duty { LAST } else { 0 }, Ordering::Relaxed);
        let depth = m.depth.load(Ordering::Relaxed);
        let kept = !duty && m.hold.load(Ordering::Relaxed) & PLAIN != 0;
        m.depth.store(if kept { depth | KEPT } else { depth & !KEPT }, Ordering::Relaxed);
    }

    /// In a forked child: makes the M that nobody else will (see `Pool::adopt`). `Ok(false)` if the
    /// limit is reached.
    pub(crate) fn make_for_orphans(&'static self) -> Result<bool, crate::EnterError> {
        while self.list.claim() {
            match self.make() {
                Ok(_) => return Ok(true),
                Err(NotMade::Limit) if !self.limit_reached() => {}
                Err(NotMade::Limit) => return Ok(false),
                // Others wait for the same: they are told one by one.
                Err(NotMade::Failed(GaveUp::Told)) => {}
                Err(NotMade::Failed(GaveUp::Covered)) => return Ok(true),
                Err(NotMade::Failed(GaveUp::KeepDuty)) => return Err(crate::EnterError::CreationFailed),
            }
        }
        Ok(true)
    }

    /// Makes an M under a claim that the caller has made, and publishes it; as from
    /// [`publish`](crate::list::List::publish).
    #[doc(alias = "oneNewExtraM")]
    fn make(&'static self) -> Result<bool, NotMade> {
        let id = match self.table.reserve(self.limit) {
            Ok(id) => id,
            Err(NoSlot::Limit) => {
                self.list.withdraw();
                return Err(NotMade::Limit);
            }
            #[cfg(feature = "alloc")]
            Err(NoSlot::Memory) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                return Err(NotMade::Failed(self.list.give_up::<P>()));
            }
        };
        // A panic in `new_context` counts as a failure of that creation.
        let claim = Claim { pool: self, id };
        self.fill(id);
        self.runtime.observe(Event::Making);
        match self.runtime.new_context() {
            Ok(context) => {
                core::mem::forget(claim);
                self.complete(id, context);
                self.runtime.observe(Event::Made { m: id });
                Ok(self.list.publish::<P, _>(&self.table, self.table.get(id), id))
            }
            Err(_) => {
                core::mem::forget(claim);
                Err(NotMade::Failed(self.failed(id)))
            }
        }
    }

    /// Ours while it is being filled, should `new_context` fork; nobody's when it is complete, or
    /// goes back to the table without a context.
    fn fill(&'static self, id: u32) {
        if P::FORKS {
            self.table.get(id).hold.store(P::thread_token() | BUSY | WANTED, Ordering::Relaxed);
        }
    }

    /// Puts a new M's parts together. It owes a refill, as every new one does.
    fn complete(&'static self, id: u32, context: R::Context) {
        let m = self.table.get(id);
        // SAFETY: the number came from `reserve`, so this thread alone has it (One place), bare.
        unsafe { m.put_context(context) };
        m.pool.store((&raw const *self).cast_mut().cast(), Ordering::Relaxed);
        m.needextram.store(NEW, Ordering::Relaxed);
        // The mark makes the first holder look whether somebody waits (Invariant Mark).
        m.hold.store(WANTED, Ordering::Relaxed);
        // Release: partner of the acquire of an observer, for whom the context is complete.
        m.stage.store(MADE, Ordering::Release);
    }

    #[cold]
    fn failed(&'static self, id: u32) -> GaveUp {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.table.release(id);
        self.runtime.observe(Event::Failed);
        self.list.give_up::<P>()
    }

    /// Makes the first M, before anybody can enter.
    pub(crate) fn make_first(&'static self) -> Result<(), StartError> {
        let id = self.table.reserve(self.limit).map_err(|none| match none {
            NoSlot::Limit => StartError::Exhausted,
            #[cfg(feature = "alloc")]
            NoSlot::Memory => StartError::CreationFailed,
        })?;
        self.runtime.observe(Event::Making);
        let unused = Unused { pool: self, id };
        self.fill(id);
        let context = self.runtime.new_context().map_err(|_| StartError::CreationFailed)?;
        core::mem::forget(unused);
        self.complete(id, context);
        self.runtime.observe(Event::Made { m: id });
        self.list.give::<P, _>(&self.table, self.table.get(id), id);
        Ok(())
    }

    /// Makes Ms until `spare` of them are spare, so that as many threads at once wait for nothing.
    /// The calling thread enters meanwhile (Ms are made by admitted threads only), and waits as
    /// [`enter`](Pool::enter) does. Not for signal handlers.
    ///
    /// # Errors
    ///
    /// [`StartError::NotStarted`] if the pool is not running, [`StartError::Exhausted`] if the limit
    /// allows no more, [`StartError::CreationFailed`]. The Ms made so far stay.
    pub fn prewarm(&'static self, spare: u32) -> Result<(), StartError> {
        use crate::EnterError;
        let inside = self.enter_unbound().map_err(|error| match error {
            EnterError::Exhausted => StartError::Exhausted,
            EnterError::CreationFailed => StartError::CreationFailed,
            _ => StartError::NotStarted,
        })?;
        // The M at hand will be spare again, unless the thread was inside already.
        let mine = Entered::goes_back(&inside) as u32;
        while self.table.spare() + mine < spare {
            if self.list.glance().closed() {
                return Err(StartError::NotStarted);
            }
            if !self.list.claim_extra() {
                // More creators than can be counted are at work: their Ms count as well.
                P::osyield();
                continue;
            }
            match self.make() {
                Ok(_) => {}
                Err(NotMade::Limit) => {
                    if !self.limit_reached() {
                        // As in `refill`: others may have counted on our claim.
                        self.refill(&inside);
                    }
                    return Err(StartError::Exhausted);
                }
                Err(NotMade::Failed(outcome)) => {
                    // Others may have counted on this claim: what is owed now is owed here.
                    match outcome {
                        GaveUp::Told => self.refill(&inside),
                        GaveUp::KeepDuty => self.owe(&inside, true),
                        GaveUp::Covered => {}
                    }
                    return Err(StartError::CreationFailed);
                }
            }
        }
        Ok(())
    }
}

/// A slot that is being filled under a claim.
struct Claim<R: Runtime, P: Port> {
    pool: &'static Pool<R, P>,
    id: u32,
}

impl<R: Runtime, P: Port> Drop for Claim<R, P> {
    fn drop(&mut self) {
        self.pool.failed(self.id);
    }
}

/// A slot that is being filled before the pool is open.
struct Unused<R: Runtime, P: Port> {
    pool: &'static Pool<R, P>,
    id: u32,
}

impl<R: Runtime, P: Port> Drop for Unused<R, P> {
    fn drop(&mut self) {
        self.pool.failures.fetch_add(1, Ordering::Relaxed);
        self.pool.table.release(self.id);
    }
}
