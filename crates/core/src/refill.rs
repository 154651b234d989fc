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
//! - **Duty.** If a thread waits, then an M that owes a refill is granted or in the hands of
//!   a thread that has not begun its callback, or an M is being made; or the limit is reached. It
//!   holds because a duty ends in two ways only: by `claim`, with a look at the very word that counts
//!   the waiters, which finds as many creators as waiters; or with the publishing of an M that owes in
//!   its turn. A creator that fails tells one waiter, who is not counted any more, and keeps its duty
//!   while others wait.
//!
//! A creator that unwinds cannot go on: it tells all who wait, and leaves `failed` behind if nobody
//! else is at work ([`abandon`](crate::list::List::abandon)).
//!
//! Under a limit a claim can turn out to be void: no slot is left. A slot comes back in three ways.
//! A creator failed: it still has its duty, or takes it on (`prewarm`). `trim` takes an M out of use:
//! it holds another all the while, and gives it back owing. `close`: nobody waits any more. In the
//! first two cases the one who goes on with the duty may find our void claim, and take it for a creator
//! at work. So whoever withdraws a void claim looks for a slot once more, afterwards: either its look
//! finds the slot, or the other one's look at the word finds the claim gone.

use crate::life::Phase;
use crate::list::{Claim, GaveUp, List};
use crate::m::{LAST, NEW, Stage};
use crate::port::Port;
use crate::sync::Ordering;
use crate::table::NoSlot;
use crate::word::SMALL;
use crate::{EnterError, Event, M, Pool, Runtime, StartError};

/// How often a thread that owes gives way, at most: on an idle machine about as long as a waiter
/// takes to wake up, enter and leave.
const PATIENCE: u32 = if cfg!(loom) { 1 } else { 16 };

/// Why no M was made.
pub(crate) enum NotMade {
    /// No slot is left; the claim is withdrawn.
    Limit,
    /// Making it failed; the claim is withdrawn, and this is what it means for the duty.
    Failed(GaveUp, Cause),
}

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// There is no memory for an M.
    #[cfg(feature = "alloc")]
    Memory,
    /// The runtime made no context.
    Context,
}

impl From<Cause> for StartError {
    fn from(cause: Cause) -> StartError {
        match cause {
            #[cfg(feature = "alloc")]
            Cause::Memory => StartError::NoMemory,
            Cause::Context => StartError::CreationFailed,
        }
    }
}

/// The failures that a thread passes on, one of those who wait being told each time: one more than have waited at
/// any of them. Who tries again after that has been told already, perhaps; for the sake of those a thread would
/// never get to its callback, whose M is the one that would serve them all.
#[derive(Default)]
struct Failures {
    passed_on: u32,
    most: u32,
}

impl Failures {
    /// After one that was passed on: whether another attempt is to be made. On small machines always: whoever
    /// comes again at once is a loop in the program's own code there.
    #[inline(always)]
    fn go_on(&mut self, list: &List) -> bool {
        if SMALL {
            return true;
        }
        self.passed_on += 1;
        self.most = self.most.max(list.glance().waiting());
        self.passed_on <= self.most + 1
    }
}

/// A slot, and a context for it; `None` if the runtime could not make one.
type NewM<R> = Option<(&'static M<R>, <R as Runtime>::Context)>;

impl<R: Runtime, P: Port> Pool<R, P> {
    /// Does what the M at hand owes. Runs on an admitted thread. If it unwinds, the M still owes.
    #[doc(alias = "newextram")]
    #[cold]
    pub(crate) fn refill(&'static self, m: &M<R>) {
        let most = m.owes();
        let mut made = 0;
        let mut duty = false;
        let mut failures = Failures::default();
        self.give_way();
        while let Some(claim) = self.list.claim::<P>() {
            match self.make(Some(claim)) {
                Ok(returning) => {
                    made += 1;
                    // Here only: a claim once made is met, or its withdrawal followed up.
                    if made >= most || returning {
                        break;
                    }
                }
                Err(NotMade::Failed(GaveUp::Told, _)) if failures.go_on(&self.list) => {}
                Err(NotMade::Failed(GaveUp::Told, _)) => {
                    duty = matches!(self.list.abandon::<P>(None), GaveUp::KeepDuty);
                    break;
                }
                Err(NotMade::Failed(GaveUp::KeepDuty, _)) => {
                    duty = true;
                    break;
                }
                // A slot has come back meanwhile, and others may have counted on our claim.
                Err(NotMade::Limit) if !self.limit_reached() => {}
                Err(NotMade::Limit | NotMade::Failed(GaveUp::Covered, _)) => break,
            }
        }
        m.owe(if duty { LAST } else { 0 });
        if m.hold().is_plain::<P>() {
            m.call().leave_shortly(!duty && !m.is_broken());
        }
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

    /// Makes the M that nobody else will (see `Pool::adopt`). `Ok(false)` if the limit is reached.
    pub(crate) fn make_for_orphans(&'static self) -> Result<bool, EnterError> {
        let mut failures = Failures::default();
        while let Some(claim) = self.list.claim::<P>() {
            match self.make(Some(claim)) {
                Ok(_) => return Ok(true),
                Err(NotMade::Limit) if !self.limit_reached() => {}
                Err(NotMade::Limit) => return Ok(false),
                // Others wait for the same: they are told one by one.
                Err(NotMade::Failed(GaveUp::Told, _)) if failures.go_on(&self.list) => {}
                Err(NotMade::Failed(GaveUp::Told, _)) => {
                    self.list.abandon::<P>(None);
                    return Err(EnterError::CreationFailed);
                }
                Err(NotMade::Failed(GaveUp::Covered, _)) => return Ok(true),
                Err(NotMade::Failed(GaveUp::KeepDuty, _)) => return Err(EnterError::CreationFailed),
            }
        }
        Ok(true)
    }

    /// Makes an M and gives it to the pool: under a claim, or because more are wanted. The answer is that
    /// of [`publish`](crate::list::List::publish).
    #[doc(alias = "oneNewExtraM")]
    pub(crate) fn make(&'static self, claim: Option<Claim>) -> Result<bool, NotMade> {
        let mut making = Making { pool: self, claim, slot: None };
        let context = match self.new_m(&mut making) {
            Ok(context) => context,
            Err(NoSlot::Limit) => {
                if let Some(claim) = making.end() {
                    self.list.withdraw::<P>(claim);
                }
                return Err(NotMade::Limit);
            }
            #[cfg(feature = "alloc")]
            Err(NoSlot::Memory) => {
                making.release();
                return Err(NotMade::Failed(making.give_up(), Cause::Memory));
            }
        };
        match context {
            Some((m, context)) => Ok(self.complete(m, making.end(), context).publish()),
            None => {
                self.runtime.observe(Event::Failed);
                making.release();
                Err(NotMade::Failed(making.give_up(), Cause::Context))
            }
        }
    }

    /// A slot, and a context for it; `None` if the runtime could not make one.
    fn new_m(&'static self, making: &mut Making<R, P>) -> Result<NewM<R>, NoSlot> {
        let m = self.table.reserve::<P>(self.limit, |m| self.hold(m))?;
        m.note_thread::<P>();
        making.slot = Some(m);
        Ok(self.new_context().map(|context| (m, context)))
    }

    /// Lets the runtime make a context; `None` if it could not, and has been told why.
    pub(crate) fn new_context(&'static self) -> Option<R::Context> {
        self.runtime.observe(Event::Making);
        match self.runtime.new_context() {
            Ok(context) => Some(context),
            Err(error) => {
                self.runtime.failed(error);
                None
            }
        }
    }

    /// Puts a new M's parts together. It owes a refill, as every new one does.
    fn complete(
        &'static self,
        m: &'static M<R>,
        claim: Option<Claim>,
        context: R::Context,
    ) -> Complete<R, P> {
        // SAFETY: the number came from `reserve`, so this thread alone has it (One place), bare.
        unsafe { m.put_context(context) };
        m.owe(NEW);
        let complete = Complete { pool: self, m, claim };
        self.runtime.observe(Event::Made { m: m.id() });
        complete
    }

    /// Makes the first M, before anybody can enter.
    pub(crate) fn make_first(&'static self) -> Result<(), StartError> {
        match self.make(None) {
            Ok(_) => Ok(()),
            Err(NotMade::Limit) => Err(StartError::Exhausted),
            Err(NotMade::Failed(_, cause)) => Err(cause.into()),
        }
    }
}

/// An M that is being made. If making it unwinds, it has failed, and whoever waits is told.
struct Making<R: Runtime, P: Port> {
    pool: &'static Pool<R, P>,
    claim: Option<Claim>,
    slot: Option<&'static M<R>>,
}

impl<R: Runtime, P: Port> Making<R, P> {
    /// The slot is nobody's again.
    fn release(&mut self) {
        if let Some(m) = self.slot.take() {
            self.pool.table.release::<P>(m.id());
        }
        self.pool.failures.fetch_add(1, Ordering::Relaxed);
    }

    fn give_up(self) -> GaveUp {
        let pool = self.pool;
        self.end().map_or(GaveUp::Covered, |claim| pool.list.give_up::<P>(claim))
    }

    /// It ends in some other way. The claim, if it was made under one, is the caller's.
    fn end(mut self) -> Option<Claim> {
        let claim = self.claim.take();
        core::mem::forget(self);
        claim
    }
}

impl<R: Runtime, P: Port> Drop for Making<R, P> {
    fn drop(&mut self) {
        if self.slot.is_some() {
            self.release();
        }
        // Under a limit others may have found this slot taken, and relied on whoever had it.
        if self.claim.is_some() || !self.pool.unlimited() {
            self.pool.list.abandon::<P>(self.claim.take());
        }
    }
}

/// An M that is complete, and has to be given to the pool: by unwinding, too.
struct Complete<R: Runtime, P: Port> {
    pool: &'static Pool<R, P>,
    m: &'static M<R>,
    claim: Option<Claim>,
}

impl<R: Runtime, P: Port> Complete<R, P> {
    fn publish(mut self) -> bool {
        let returning = self.give();
        core::mem::forget(self);
        returning
    }

    fn give(&mut self) -> bool {
        let (list, table) = (&self.pool.list, &self.pool.table);
        // Whoever made it has not had it.
        self.m.note_made::<P>();
        self.m.set_stage(Stage::Made);
        match self.claim.take() {
            Some(claim) => list.publish::<P, _>(table, self.m, self.m.id(), claim),
            None => list.give::<P, _>(table, self.m, self.m.id()),
        }
    }
}

impl<R: Runtime, P: Port> Drop for Complete<R, P> {
    fn drop(&mut self) {
        if self.pool.life.phase() != Phase::Starting {
            self.give();
            return;
        }
        // A start that comes to nothing leaves no M behind: the slots may be another pool's next.
        // SAFETY: given to nobody, so it is ours alone (One place), with a context.
        drop(unsafe { self.pool.table.take_apart::<P>(self.m) });
    }
}
