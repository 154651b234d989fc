//! Entering, from the caller's side: the guard, the verbs, and the fast paths.
//!
//! ```text
//! enter ─ own M? ─ yes ─ inside? ─ yes ────────────────────────────── one call more
//!            │              └───── no ── still mine? ─ yes ─ admit ── callback
//!            │                                └─ no (taken back) ┐       │
//!            └─ no ──────────────────────────────────────────────┤       │
//!               take a spare M, or line up and wait ◄────────────┘       │
//!                       └─ install ─ admit ─ refill if it owes ─ callback┤
//! leave ─ last? ─ no ── one call less                                    ▼
//!             └─ yes ─ retire ─ bound? ─ yes ─ wanted? ─ no ── keep it, idle
//!                                 └─ no ───────────┴─ yes ──── give it back
//! ```
//!
//! `enter/slow.rs` has the whole of it; each fast path here is a special case, and says of what.
//!
//! # Handlers
//!
//! A signal or interrupt handler may interrupt any of this and call
//! [`enter_from_signal`](Pool::enter_from_signal). It takes a spare M that is nobody's own: nothing
//! of the thread's changes, so it does not matter where the thread was, nor when the guard goes.

use crate::call::TooMany;
use crate::count::Era;
use crate::list::Waited;
use crate::m::LAST;
use crate::own::{self, Own};
use crate::port::Port;
use crate::sync::{Ordering, compiler_fence};
use crate::table::Table;
use crate::{EnterError, Event, M, Pool, Runtime};
use core::cell::Cell;
use core::marker::PhantomData;
use core::time::Duration;

mod slow;

/// What the caller puts up with.
pub(crate) struct Manner<'a, R: Runtime, P: Port> {
    pub(crate) wait: Wait<'a, R, P>,
    /// Whether the M may stay with the thread.
    pub(crate) bind: bool,
    /// A handler's call changes nothing of the thread's, and makes nothing.
    pub(crate) handler: bool,
}

/// How long a caller waits for an M.
pub(crate) enum Wait<'a, R: Runtime, P: Port> {
    Forever,
    /// As long as this takes, which waits as one of the counted threads. Called through a pointer, so
    /// that a program which never waits with a limit has no clock in it.
    For(&'a Timed<'a, R, P>),
    Never,
}

/// Told in which era the thread was counted.
type Timed<'a, R, P> = dyn Fn(&'static Pool<R, P>, Era) -> Waited + 'a;

impl<'a, R: Runtime, P: Port> Manner<'a, R, P> {
    const fn thread(wait: Wait<'a, R, P>) -> Self {
        Manner { wait, bind: true, handler: false }
    }

    /// For the end of the call only.
    pub(crate) const UNBOUND: Self = Manner { wait: Wait::Forever, bind: false, handler: false };

    pub(crate) const HANDLER: Self = Manner { wait: Wait::Never, bind: false, handler: true };
}

/// A call that is inside, with the M it runs on. Leaves on drop.
///
/// Nested calls of a thread share its M, which stays with the thread until the last of them has left,
/// in whatever order. A guard that is leaked keeps its M for ever: the figures show it, and `close`
/// says [`Busy`](crate::Busy). A guard cannot go to another thread:
///
/// ```compile_fail
/// fn send<R: extram_core::Runtime, P: extram_core::Port>(guard: extram_core::Entered<R, P>) {
///     fn needs_send<T: Send>(_: T) {}
///     needs_send(guard);
/// }
/// ```
#[must_use = "dropping it leaves at once"]
pub struct Entered<R: Runtime, P: Port> {
    pool: &'static Pool<R, P>,
    m: &'static M<R>,
    /// Not `Send`, not `Sync`: the M is the thread's.
    _own_thread: PhantomData<*mut ()>,
}

impl<R: Runtime, P: Port> Entered<R, P> {
    pub(crate) fn pool(&self) -> &'static Pool<R, P> {
        self.pool
    }

    /// The M, and nobody who leaves.
    pub(crate) fn into_m(self) -> &'static M<R> {
        let m = self.m;
        core::mem::forget(self);
        m
    }

    /// Whether the M goes back to the list when this call is left.
    pub(crate) fn goes_back(entered: &Self) -> bool {
        entered.m.depth() == 1 && !entered.m.call().is_bound::<P>()
    }
}

impl<R: Runtime, P: Port> core::ops::Deref for Entered<R, P> {
    type Target = M<R>;

    #[inline]
    fn deref(&self) -> &M<R> {
        self.m
    }
}

impl<R: Runtime, P: Port> Drop for Entered<R, P> {
    #[doc(alias = "dropm")]
    #[inline(always)]
    fn drop(&mut self) {
        self.pool.leave_call(self.m);
    }
}

impl<R: Runtime, P: Port> core::fmt::Debug for Entered<R, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Entered").field("m", &self.m.id()).field("depth", &self.depth()).finish()
    }
}

#[cfg(feature = "defmt")]
impl<R: Runtime, P: Port> defmt::Format for Entered<R, P> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Entered {{ m: {}, depth: {} }}", self.m.id(), self.depth());
    }
}

/// Where the caller's stack is: an address in the frame of whoever this is inlined into.
#[inline(always)]
pub(crate) fn stack_pointer() -> usize {
    let here = 0u8;
    (&raw const here).addr()
}

impl<R: Runtime, P: Port> Pool<R, P> {
    /// Lends the calling thread an M, waiting for one as long as it takes. A thread that is inside
    /// already gets its own again, one level deeper.
    ///
    /// # Errors
    ///
    /// [`NotStarted`](EnterError::NotStarted), [`Closed`](EnterError::Closed), or
    /// [`CreationFailed`](EnterError::CreationFailed) for one of the threads that wait when an M
    /// could not be made, and at once for callers who come after that, until an M comes back or
    /// [`prewarm`](Pool::prewarm) makes one; [`TooMany`](EnterError::TooMany) if more calls are nested,
    /// or more threads wait, than can be counted. `Closed` is for newcomers: nested calls get their M.
    #[doc(alias = "needm")]
    #[doc(alias = "cgocallback")]
    #[inline]
    pub fn enter(&self) -> Result<Entered<R, P>, EnterError> {
        self.lasting().enter_as(const { &Manner::thread(Wait::Forever) })
    }

    /// As [`enter`](Pool::enter), but never waits for an M. It may still make one for others, as `enter`
    /// does if it took the last.
    ///
    /// # Errors
    ///
    /// As [`enter`](Pool::enter), and [`WouldBlock`](EnterError::WouldBlock) if none is spare or
    /// the runtime does not admit now, [`Exhausted`](EnterError::Exhausted) if the limit is reached
    /// as well.
    #[doc(alias = "nilokay")]
    #[inline]
    pub fn try_enter(&self) -> Result<Entered<R, P>, EnterError> {
        self.lasting().enter_as(const { &Manner::thread(Wait::Never) })
    }

    /// As [`enter`](Pool::enter), but waits for an M for `limit` at most. The time that
    /// [`admit`](Runtime::admit) takes is not counted, nor that of [`new_context`](Runtime::new_context): whoever
    /// takes the last spare M makes the next one before it is inside, and where no M is left the caller makes
    /// one ([`prewarm`](Pool::prewarm) makes them in advance).
    ///
    /// # Errors
    ///
    /// As [`enter`](Pool::enter), and [`TimedOut`](EnterError::TimedOut).
    #[inline]
    pub fn enter_timeout(&self, limit: Duration) -> Result<Entered<R, P>, EnterError> {
        let since = Cell::new(None);
        let timed: &Timed<'_, R, P> = &|pool, era| pool.wait_timed(era, limit, &since);
        self.lasting().enter_as(&Manner::thread(Wait::For(timed)))
    }

    /// As [`try_enter`](Pool::try_enter), for a signal or interrupt handler: async-signal-safe
    /// as long as [`try_admit`](Runtime::try_admit), [`retire`](Runtime::retire) and
    /// [`observe`](Runtime::observe) are. Never waits, makes or allocates, and never binds. If it
    /// took the last M, whoever enters next with that M makes the next one.
    ///
    /// The M is a spare one (under a limit, or one that is idle with another thread), whatever the interrupted
    /// thread has: a context need not be `Sync`, so a handler must not meet the one that it interrupted.
    /// Have as many spare as handlers can be inside one another ([`prewarm`](Pool::prewarm)). The guard may
    /// outlive the handler, as that of a task of an interrupt executor does.
    ///
    /// # Errors
    ///
    /// As [`try_enter`](Pool::try_enter).
    #[inline]
    pub fn enter_from_signal(&self) -> Result<Entered<R, P>, EnterError> {
        let pool = self.lasting();
        pool.enter_anew(&Manner::HANDLER, stack_pointer()).map(|m| pool.guard(m))
    }

    /// Enters, runs `f` with the M and leaves. If `f` panics, the M is left while unwinding.
    ///
    /// # Errors
    ///
    /// As [`enter`](Pool::enter).
    #[doc(alias = "cgocallbackg")]
    #[inline]
    pub fn callback<T>(&self, f: impl FnOnce(&M<R>) -> T) -> Result<T, EnterError> {
        Ok(f(&*self.enter()?))
    }

    /// All there is to a call after the first, in a pool without a limit or one that does not bind; the rest
    /// is in [`enter_otherwise`](Pool::enter_otherwise), of which this is a special case.
    #[inline(always)]
    pub(crate) fn enter_as(&'static self, manner: &Manner<'_, R, P>) -> Result<Entered<R, P>, EnterError> {
        if P::in_handler() {
            return self.enter_from_signal();
        }
        let sp = stack_pointer();
        // Before the look: between that and the call nothing of the runtime's runs (Retired).
        let asks_stacks = self.asks_stacks();
        let value = P::tls_get(&self.local);
        if P::HAS_HEAVY_BARRIER
            && let Some(m) = own::plain::<R>(value)
        {
            let here = !asks_stacks || m.bounds().hold(sp);
            if here && m.call().nest_admitted() {
                return Ok(self.guard(m));
            }
            if here && m.call().is_outside() && self.hold_again(m) {
                self.admit(m, manner)?;
                return Ok(self.guard(m));
            }
        } else if value.is_null()
            && !asks_stacks
            && let Some(m) = self.take_for_call(manner.bind)
        {
            self.admit(m, manner)?;
            if m.owes() != 0 {
                self.pay(m);
            }
            return Ok(self.guard(m));
        }
        Ok(self.guard(self.enter_otherwise(manner, sp)?))
    }

    /// Made last, from registers: a guard put together in memory and then moved costs more than
    /// all the rest.
    #[inline(always)]
    pub(crate) fn guard(&'static self, m: &'static M<R>) -> Entered<R, P> {
        Entered { pool: self, m, _own_thread: PhantomData }
    }

    /// Makes an idle M that is bound the plain way busy again, owing nothing (one that owes is
    /// never idle); `false` if `close` has revoked it.
    #[inline(always)]
    pub(crate) fn hold_again(&'static self, m: &'static M<R>) -> bool {
        m.call().begin_again();
        // The light side of the barrier: partner of `heavy_barrier` in `close`.
        compiler_fence(Ordering::SeqCst);
        if !m.hold().is_revoked() {
            return true;
        }
        // Nobody was inside (Retired).
        m.call().end();
        false
    }

    /// A spare M, for this call only: the ordinary call of a pool with
    /// [`Binding::Call`](crate::Binding::Call); a special case of `obtain` and `install`. `None` if the pool
    /// binds what `bind` says may be bound, or none is spare: nothing has changed. Not in line, or the callers
    /// of a bound thread would save and restore the registers for this, too; but on small machines, where few
    /// threads are bound, and code is dear.
    #[cfg_attr(target_has_atomic = "64", inline(never))]
    #[cfg_attr(not(target_has_atomic = "64"), inline(always))]
    fn take_for_call(&'static self, bind: bool) -> Option<&'static M<R>> {
        if !bind || self.mode.binds::<P>() {
            return None;
        }
        // Refused: then nothing would tell a handler that forks now what this thread is about.
        let told = self.set_own(Own::Taking(core::ptr::null())) || !P::FORKS;
        let spare = told.then(|| self.list.take_spare::<P, Table<R>>(&self.table)).flatten();
        let Some((m, last)) = spare else {
            let _ = self.set_own(Own::Nothing);
            return None;
        };
        m.hold().hold(P::thread_token());
        if last {
            m.owe(LAST);
        }
        m.note_thread::<P>();
        m.call().begin(false, self.give_within.is_none());
        if !self.set_own(Own::M { m, plain: false }) {
            m.call().leave_shortly(false);
        }
        Some(m)
    }

    /// Lets the runtime admit an outermost call; if it refuses or panics, the call is over.
    #[inline(always)]
    pub(crate) fn admit(
        &'static self,
        m: &'static M<R>,
        manner: &Manner<'_, R, P>,
    ) -> Result<(), EnterError> {
        let leaving = Leaving { pool: self, m };
        if !matches!(manner.wait, Wait::Never) {
            self.runtime.admit(m);
        } else if !self.runtime.try_admit(m) {
            core::mem::forget(leaving);
            self.leave_otherwise::<false>(m);
            return Err(EnterError::WouldBlock);
        }
        m.call().admit();
        self.runtime.observe(Event::Entered { m: m.id() });
        core::mem::forget(leaving);
        Ok(())
    }

    /// Makes what an M owes, once its call has been admitted.
    #[cold]
    pub(crate) fn pay(&'static self, m: &'static M<R>) {
        // A panic in here leaves, too, and the M goes back owing.
        let leaving = Leaving { pool: self, m };
        self.refill(m);
        core::mem::forget(leaving);
    }
}

/// Leaves a call whose admission unwinds.
pub(crate) struct Leaving<R: Runtime, P: Port> {
    pub(crate) pool: &'static Pool<R, P>,
    pub(crate) m: &'static M<R>,
}

impl<R: Runtime, P: Port> Drop for Leaving<R, P> {
    fn drop(&mut self) {
        self.pool.leave_otherwise::<true>(self.m);
    }
}

impl From<TooMany> for EnterError {
    fn from(_: TooMany) -> Self {
        EnterError::TooMany
    }
}
