//! Entering and leaving, from the caller's side.
//!
//! ```text
//! enter ─ own M? ─ yes ─ inside? ─ yes ────────────────────────────── depth + 1
//!            │              └───── no ── still mine? ─ yes ─ admit ── callback
//!            │                                └─ no (taken back) ┐       │
//!            └─ no ──────────────────────────────────────────────┤       │
//!               take a spare M, or line up and wait ◄────────────┘       │
//!                       └─ install ─ admit ─ refill if it owes ─ callback┤
//! leave ─ outermost? ─ no ── depth − 1                                   ▼
//!             └─ yes ─ retire ─ bound? ─ yes ─ wanted? ─ no ── keep it, idle
//!                                 └─ no ───────────┴─ yes ──── give it back
//! ```
//!
//! # Signals
//!
//! A handler may interrupt any of this and call `enter_from_signal` on the same thread. It nests on
//! the thread's own M if that has been admitted. In between, while the interrupted code is taking,
//! installing, admitting or letting go of an M, the handler takes another one from the list,
//! stores it as the thread's value, and puts the old value back when it leaves. For that to work an
//! M is complete before it becomes the thread's value, and is not the thread's value any more
//! before it is given back; and a handler leaves `depth` as it found it.

use crate::hold::{self, BUSY, PLAIN, REVOKED, WANTED};
use crate::list::{LinedUp, Taken, Waited};
use crate::m::{ADMITTED, CALLS, KEPT, LAST, UNBOUND};
use crate::port::Port;
use crate::sync::{Ordering, compiler_fence};
use crate::table::Table;
use crate::{EnterError, Event, LeaveError, M, Pool, Runtime};
use core::marker::PhantomData;
use core::time::Duration;

/// The thread-local value of a thread whose exit hook has run: what it enters with from now on goes
/// back at the end of the call, because the hook may not come again.
pub(crate) const EXITED: usize = 1;

/// In a thread-local value that is an M: the M is bound the plain way. So the thread knows it
/// before it has looked at the M.
const PLAINLY: usize = 2;

/// The M of a thread-local value, if it is one.
#[inline(always)]
fn own_m<R: Runtime>(value: *mut ()) -> Option<&'static M<R>> {
    // SAFETY: Invariant Own.
    (value.addr() > EXITED).then(|| unsafe { &*value.map_addr(|a| a & !PLAINLY).cast::<M<R>>() })
}

/// What the caller puts up with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Waits, for this long at most.
    Wait(Option<Duration>),
    /// The same, and gives the M back at the end of the call.
    WaitUnbound,
    /// Never waits.
    Try,
    /// Never waits, makes, allocates or binds.
    Signal,
}

/// A call that is inside, with the M it runs on. Leaves on drop.
///
/// Guards are left innermost first, which scoping does by itself. A guard dropped out of order
/// leaves nothing: its call goes on counting until the inner ones have been left, and the M stays
/// with the thread until then. It cannot go to another thread:
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
    /// `M::depth` of this call.
    depth: u32,
    /// Not `Send`, not `Sync`: the M is the thread's.
    _own_thread: PhantomData<*mut ()>,
}

impl<R: Runtime, P: Port> Entered<R, P> {
    /// Leaves, and says if it could not.
    ///
    /// # Errors
    ///
    /// [`LeaveError::NotInnermost`] if a call that was entered later has not been left. Nothing has
    /// changed; the guard comes back.
    #[doc(alias = "dropm")]
    pub fn leave(self) -> Result<(), (Self, LeaveError)> {
        let above = self.m.depth().wrapping_sub(self.depth);
        // Calls left out of order count on. Nothing is below the outermost one, so they are all
        // above it, and it is the innermost one still inside if there are no others.
        let deferred = self.m.deferred.load(Ordering::Relaxed);
        if above != 0 && (self.depth != 1 || above != deferred) {
            return Err((self, LeaveError::NotInnermost));
        }
        drop(self);
        Ok(())
    }

    /// Whether this call is the outermost one.
    #[doc(hidden)]
    pub fn is_outermost(&self) -> bool {
        self.depth == 1
    }

    /// Whether the M goes back to the list when this call is left.
    pub(crate) fn goes_back(entered: &Self) -> bool {
        entered.depth == 1 && entered.m.depth.load(Ordering::Relaxed) & UNBOUND != 0
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
    #[inline(always)]
    fn drop(&mut self) {
        self.pool.leave_call(self.m, self.depth);
    }
}

impl<R: Runtime, P: Port> core::fmt::Debug for Entered<R, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Entered").field("m", &self.m.id()).field("depth", &self.depth).finish()
    }
}

#[cfg(feature = "defmt")]
impl<R: Runtime, P: Port> defmt::Format for Entered<R, P> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Entered {{ m: {}, depth: {} }}", self.m.id(), self.depth);
    }
}

impl<R: Runtime, P: Port> Pool<R, P> {
    /// Lends the calling thread an M, waiting for one as long as it takes. A thread that is inside
    /// already gets its own again, one level deeper.
    ///
    /// # Errors
    ///
    /// [`NotStarted`](EnterError::NotStarted), [`Closed`](EnterError::Closed), or
    /// [`CreationFailed`](EnterError::CreationFailed) for one of the threads that wait when an M
    /// could not be made, and for newcomers while nobody would make one.
    #[doc(alias = "needm")]
    #[doc(alias = "cgocallback")]
    #[inline]
    pub fn enter(&'static self) -> Result<Entered<R, P>, EnterError> {
        self.enter_as(Manner::Wait(None))
    }

    /// The same, and never waits for an M. It may still make one for others, if it owes that.
    ///
    /// # Errors
    ///
    /// As [`enter`](Pool::enter), and [`WouldBlock`](EnterError::WouldBlock) if none is spare or
    /// the runtime does not admit now, [`Exhausted`](EnterError::Exhausted) if moreover the limit
    /// is reached.
    #[doc(alias = "nilokay")]
    #[inline]
    pub fn try_enter(&'static self) -> Result<Entered<R, P>, EnterError> {
        self.enter_as(Manner::Try)
    }

    /// The same, waiting for `limit` at most. Admission is not counted.
    ///
    /// # Errors
    ///
    /// As [`enter`](Pool::enter), and [`TimedOut`](EnterError::TimedOut).
    #[inline]
    pub fn enter_timeout(&'static self, limit: Duration) -> Result<Entered<R, P>, EnterError> {
        self.enter_as(Manner::Wait(Some(limit)))
    }

    /// The same for a signal or interrupt handler: async-signal-safe as long as
    /// [`try_admit`](Runtime::try_admit), [`retire`](Runtime::retire) and
    /// [`observe`](Runtime::observe) are. Never waits, makes or allocates, and never binds. If it
    /// took the last M, whoever enters next with that M makes the next one.
    ///
    /// # Errors
    ///
    /// As [`try_enter`](Pool::try_enter).
    #[inline]
    pub fn enter_from_signal(&'static self) -> Result<Entered<R, P>, EnterError> {
        self.enter_as(Manner::Signal)
    }

    /// Enters, runs `f` with the M and leaves. If `f` panics, the M is left while unwinding.
    ///
    /// # Errors
    ///
    /// As [`enter`](Pool::enter).
    #[doc(alias = "cgocallbackg")]
    #[inline]
    pub fn callback<T>(&'static self, f: impl FnOnce(&M<R>) -> T) -> Result<T, EnterError> {
        Ok(f(&*self.enter()?))
    }

    /// Enters for the end of the call only.
    pub(crate) fn enter_unbound(&'static self) -> Result<Entered<R, P>, EnterError> {
        self.enter_as(Manner::WaitUnbound)
    }

    /// All there is to a call after the first in a pool without a limit; the rest is further down.
    #[inline(always)]
    fn enter_as(&'static self, manner: Manner) -> Result<Entered<R, P>, EnterError> {
        // Its address lies in the caller's frame, on whatever stack the thread runs.
        let here = 0u8;
        let sp = (&raw const here).addr();
        let (own, hooked) = P::tls_look(&self.local);
        if P::HAS_HEAVY_BARRIER && own.addr() & PLAINLY != 0 {
            // SAFETY: Invariant Own.
            let m: &'static M<R> = unsafe { &*own.map_addr(|a| a - PLAINLY).cast() };
            // Relaxed: written by this thread.
            let depth = m.depth.load(Ordering::Relaxed);
            if depth & ADMITTED != 0 && !m.came_in_elsewhere(sp) {
                m.depth.store(depth + 1, Ordering::Relaxed);
                return Ok(self.guard(m, (depth & CALLS) + 1));
            }
            if depth == 0 && self.hold_again(m) {
                if m.came_in_elsewhere(sp) {
                    self.ask_stack(m, 1, sp, manner);
                }
                self.admit(m, 1 | KEPT, manner)?;
                return Ok(self.guard(m, 1));
            }
        }
        if hooked && own.is_null() && !self.binds() {
            return Ok(self.guard(self.enter_for_call(manner, sp)?, 1));
        }
        let m = self.enter_otherwise(manner, sp, own)?;
        Ok(self.guard(m, m.depth()))
    }

    /// With a spare M, for this call only: the ordinary call of a pool with
    /// [`Binding::Call`](crate::Binding::Call), on a thread whose exit hook is set.
    #[inline(always)]
    fn enter_for_call(&'static self, manner: Manner, sp: usize) -> Result<&'static M<R>, EnterError> {
        let Some((m, last)) = self.list.take_spare(&self.table) else {
            return self.enter_otherwise(manner, sp, core::ptr::null_mut());
        };
        if last {
            // Relaxed: this thread holds the M now.
            m.needextram.store(LAST, Ordering::Relaxed);
        }
        let token = P::thread_token();
        m.set_thread_id(P::thread_id());
        m.depth.store(1 | UNBOUND | KEPT, Ordering::Relaxed);
        m.hold.store(token | BUSY, Ordering::Relaxed);
        let _ = P::tls_set(&self.local, (&raw const *m).cast_mut().cast());
        if manner != Manner::Signal {
            self.hooks();
        }
        self.admit(m, 1 | UNBOUND | KEPT, manner)?;
        if m.needextram.load(Ordering::Relaxed) != 0 {
            self.pay(m, manner);
        }
        Ok(m)
    }

    /// Sees to the calling thread's exit hook; `false` if there is none. For a thread that holds an M:
    /// before, the pool might have been closed and started again since the thread looked.
    #[inline(always)]
    fn hooks(&'static self) -> bool {
        P::tls_look(&self.local).1 || P::exit_hook(&self.local)
    }

    /// Made last, from registers: a guard put together in memory and then moved costs more than
    /// all the rest.
    #[inline(always)]
    fn guard(&'static self, m: &'static M<R>, depth: u32) -> Entered<R, P> {
        Entered { pool: self, m, depth, _own_thread: PhantomData }
    }

    /// Makes an idle M that is bound the plain way busy again, owing nothing (one that owes is
    /// never idle); `false` if `close` has revoked it.
    #[inline(always)]
    fn hold_again(&'static self, m: &'static M<R>) -> bool {
        m.depth.store(1 | KEPT, Ordering::Relaxed);
        // The light side of the barrier: partner of `heavy_barrier` in `revoke_bound`.
        compiler_fence(Ordering::SeqCst);
        // Relaxed: the barrier orders it.
        if m.hold.load(Ordering::Relaxed) & REVOKED == 0 {
            return true;
        }
        // Release: `close` may drop the context when it sees this.
        m.depth.store(0, Ordering::Release);
        false
    }

    /// With an M from the list, or a deeper call on the thread's own; `own` is the thread's value.
    #[inline(never)]
    fn enter_otherwise(
        &'static self,
        manner: Manner,
        sp: usize,
        own: *mut (),
    ) -> Result<&'static M<R>, EnterError> {
        let mut outer = own;
        if let Some(m) = own_m(own) {
            if let Some(now) = self.hold_shared(m, manner) {
                self.let_in(m, now, manner, sp)?;
                return Ok(m);
            }
            outer = P::tls_get(&self.local);
        }
        let m = match self.list.take(&self.table) {
            Taken::M { m, last: false } => m,
            other => self.take_slowly(other, manner)?,
        };
        let now = self.install(m, manner, outer);
        self.let_in(m, now, manner, sp)?;
        Ok(m)
    }

    /// Counts one more call on the thread's own M and returns its new `depth`; `None` if it is not
    /// the thread's any more, or (for a handler) is just changing hands.
    #[inline(never)]
    fn hold_shared(&'static self, m: &M<R>, manner: Manner) -> Option<u32> {
        let token = P::thread_token();
        // Relaxed: the thread's own token was stored by itself.
        let mut now = m.hold.load(Ordering::Relaxed);
        loop {
            if hold::token(now) != token {
                // Taken back. A handler that interrupted the interrupted code's own discovery of
                // that does no harm: both store null.
                let _ = P::tls_set(&self.local, core::ptr::null_mut());
                return None;
            }
            if now & (BUSY | PLAIN) != 0 {
                // Inside a call; or just about to be, when only a handler or the runtime's own
                // `admit` can come here.
                let depth = m.depth.load(Ordering::Relaxed);
                let may_nest = depth & CALLS > 0 && (depth & ADMITTED != 0 || manner != Manner::Signal);
                if !may_nest {
                    return None;
                }
                m.depth.store(depth + 1, Ordering::Relaxed);
                return Some(depth + 1);
            }
            // Relaxed: whoever takes the M back replaces the token, so it was not away since this
            // thread stored it.
            match m.hold.compare_exchange_weak(now, now | BUSY, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    m.depth.store(1, Ordering::Relaxed);
                    return Some(1);
                }
                Err(other) => now = other,
            }
        }
    }

    /// The last spare M, which owes a refill; or none.
    #[cold]
    fn take_slowly(
        &'static self,
        mut taken: Taken<'static, M<R>>,
        manner: Manner,
    ) -> Result<&'static M<R>, EnterError> {
        loop {
            match taken {
                Taken::M { m, last } => {
                    if last {
                        // Relaxed: this thread holds the M now.
                        m.needextram.store(LAST, Ordering::Relaxed);
                    }
                    return Ok(m);
                }
                Taken::Closed if self.was_started() => return Err(EnterError::Closed),
                Taken::Closed => return Err(EnterError::NotStarted),
                Taken::Empty | Taken::Failed if manner != Manner::Signal && self.adopt()? => {
                    taken = self.list.take(&self.table);
                    continue;
                }
                Taken::Failed => return Err(EnterError::CreationFailed),
                Taken::Crowded => return Err(EnterError::Exhausted),
                Taken::Empty => {}
            }
            let limit = match manner {
                Manner::Wait(limit) => limit,
                Manner::WaitUnbound => None,
                Manner::Try | Manner::Signal => {
                    let idle = self.table.iter().find(|m| self.takes_back() && self.take_back(m));
                    return idle.ok_or(if self.limit_reached() {
                        EnterError::Exhausted
                    } else {
                        EnterError::WouldBlock
                    });
                }
            };
            match self.list.line_up(&self.table) {
                LinedUp::Instead(instead) => taken = instead,
                LinedUp::Waiting => return self.wait(limit),
            }
        }
    }

    fn wait(&'static self, limit: Option<Duration>) -> Result<&'static M<R>, EnterError> {
        self.runtime.observe(Event::Waiting);
        if self.takes_back() {
            self.ask_for_idle();
        }
        let start = P::now();
        let mut waits = 0;
        let waited = self.list.wait::<P, _>(&self.table, || {
            let limit = limit?;
            match (start, P::now()) {
                (Some(start), Some(now)) => Some(limit.saturating_sub(now.saturating_sub(start))),
                // No clock: waits of a microsecond are counted.
                _ => {
                    waits += 1;
                    let over = Duration::from_micros(waits) > limit;
                    Some(if over { Duration::ZERO } else { Duration::from_micros(1) })
                }
            }
        });
        let error = match waited {
            Waited::M(id) => {
                self.runtime.observe(Event::Granted { m: id });
                return Ok(self.table.get(id));
            }
            Waited::TimedOut => EnterError::TimedOut,
            Waited::Failed => EnterError::CreationFailed,
            // The pool may be gone: no event.
            Waited::Closed => return Err(EnterError::Closed),
        };
        self.runtime.observe(Event::Refused);
        Err(error)
    }

    /// Takes one idle M back for those who wait, and asks the holders of all others to look before
    /// they go idle (Invariant Mark).
    fn ask_for_idle(&'static self) {
        for m in self.table.iter() {
            if self.take_back_or_mark(m) {
                self.runtime.observe(Event::Returned { m: m.id() });
                self.list.give::<P, _>(&self.table, m, m.id());
                return;
            }
        }
    }

    /// Makes an M that came from the list the thread's own, in place of `outer`, and returns its
    /// `depth`.
    #[inline(always)]
    fn install(&'static self, m: &'static M<R>, manner: Manner, outer: *mut ()) -> u32 {
        // With the hook, an M comes home even if the thread exits inside the call.
        let hook = manner != Manner::Signal && self.hooks();
        if self.binds() {
            return self.install_bound(m, manner, outer, hook);
        }
        m.set_thread_id(P::thread_id());
        m.outer.store(outer, Ordering::Relaxed);
        m.depth.store(1 | UNBOUND, Ordering::Relaxed);
        m.hold.store(P::thread_token() | BUSY, Ordering::Relaxed);
        // Refused: the call works, and nested calls will not find this M.
        let _ = P::tls_set(&self.local, (&raw const *m).cast_mut().cast());
        1 | UNBOUND
    }

    #[inline(never)]
    fn install_bound(&'static self, m: &'static M<R>, manner: Manner, outer: *mut (), hook: bool) -> u32 {
        let token = P::thread_token();
        m.set_thread(P::thread_id());
        m.outer.store(outer, Ordering::Relaxed);
        let stays = matches!(manner, Manner::Wait(_) | Manner::Try);
        let bound = stays && hook && outer.is_null();
        let plainly = bound && self.binds_plainly();
        let now = if bound { 1 } else { 1 | UNBOUND };
        // Before `hold`: whoever revokes what `hold` says must find the call counted.
        m.depth.store(now, Ordering::Relaxed);
        if plainly {
            // Release: partner of the exchange in `revoke_bound`.
            m.hold.store(token | PLAIN, Ordering::Release);
        } else if !self.binds_plainly() {
            // Not a store: a mark must not be lost (Invariant Mark). Relaxed: what the M carries came
            // through the list, and the mark's release goes on through this to `go_idle`.
            m.hold.fetch_or(token | BUSY, Ordering::Relaxed);
        } else {
            m.hold.store(token | BUSY, Ordering::Relaxed);
        }
        let value = (&raw const *m).cast_mut().map_addr(|a| if plainly { a | PLAINLY } else { a }).cast();
        // Refused: the call works, unbound, and nested calls will not find this M. If `close` has
        // revoked it in between, it drops the context when the call is over.
        if P::tls_set(&self.local, value).is_err() && bound && self.seize(m, true) {
            m.depth.store(1 | UNBOUND, Ordering::Relaxed);
            return 1 | UNBOUND;
        }
        now
    }

    /// Admits a call and does what its M owes. `now` is the M's `depth`, known to the caller.
    #[inline(always)]
    fn let_in(
        &'static self,
        m: &'static M<R>,
        now: u32,
        manner: Manner,
        sp: usize,
    ) -> Result<(), EnterError> {
        let depth = now & CALLS;
        if now & UNBOUND == 0 && m.came_in_elsewhere(sp) {
            self.ask_stack(m, depth, sp, manner);
        }
        if depth > 1 {
            return Ok(());
        }
        self.admit(m, now, manner)?;
        if m.needextram.load(Ordering::Relaxed) != 0 {
            self.pay(m, manner);
        }
        Ok(())
    }

    #[cold]
    fn pay(&'static self, m: &'static M<R>, manner: Manner) {
        if manner != Manner::Signal {
            // A panic in here leaves, too.
            let leaving = Leaving { pool: self, m };
            self.refill(m);
            core::mem::forget(leaving);
        }
    }

    /// Lets the runtime admit an outermost call; if it refuses or panics, the call is over.
    #[inline(always)]
    fn admit(&'static self, m: &'static M<R>, now: u32, manner: Manner) -> Result<(), EnterError> {
        let leaving = Leaving { pool: self, m };
        match manner {
            Manner::Wait(_) | Manner::WaitUnbound => self.runtime.admit(m),
            Manner::Try | Manner::Signal => {
                if !self.runtime.try_admit(m) {
                    return Err(EnterError::WouldBlock);
                }
            }
        }
        // Relaxed: for this thread and its handlers.
        m.depth.store(now | ADMITTED, Ordering::Relaxed);
        self.runtime.observe(Event::Entered { m: m.id() });
        core::mem::forget(leaving);
        Ok(())
    }

    #[cold]
    fn ask_stack(&'static self, m: &M<R>, depth: u32, sp: usize, manner: Manner) {
        let signal = manner == Manner::Signal;
        let told = if signal { P::stack_bounds_in_signal(sp) } else { P::stack_bounds(sp) };
        let bounds = told.filter(|stack| stack.contains(&sp));
        // What a handler is not told is asked again by the next call, which may be an ordinary one.
        m.set_stack(if signal { bounds.or(Some(0..0)) } else { bounds }, depth);
    }

    /// Leaves the innermost call of an M by hand; for callers that have no guard, such as C.
    ///
    /// # Errors
    ///
    /// [`LeaveError::NotHeld`] if the calling thread is in no call with this M,
    /// [`LeaveError::NotInnermost`] if it entered with another one since. Nothing has changed.
    #[doc(hidden)]
    pub fn leave(&'static self, m: &'static M<R>) -> Result<(), LeaveError> {
        if !core::ptr::eq(m.pool.load(Ordering::Relaxed).cast(), self) {
            return Err(LeaveError::NotHeld);
        }
        let depth = m.depth();
        // Relaxed: only the thread itself stores its token.
        if hold::token(m.hold.load(Ordering::Relaxed)) != P::thread_token() || depth == 0 {
            return Err(LeaveError::NotHeld);
        }
        if own_m(P::tls_get(&self.local)).is_some_and(|own: &M<R>| !core::ptr::eq(own, m)) {
            return Err(LeaveError::NotInnermost);
        }
        self.leave_call(m, depth);
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn leave_early(&'static self, m: &'static M<R>) {
        self.leave_call(m, 1);
    }

    /// The M of that number, if the calling thread is inside a call with it; for callers that have
    /// no guard and whose numbers may be stale or invented, such as C.
    #[doc(hidden)]
    pub fn held(&'static self, id: u32) -> Option<&'static M<R>> {
        if !self.table.numbers().contains(&id) {
            return None;
        }
        let m = self.table.get(id);
        // Relaxed: only the thread itself stores its token.
        let mine = hold::token(m.hold.load(Ordering::Relaxed)) == P::thread_token();
        (mine && m.depth() != 0).then_some(m)
    }

    /// The calling thread's own M, if it is inside a call.
    #[doc(hidden)]
    pub fn inside(&'static self) -> Option<&'static M<R>> {
        let own: &M<R> = own_m(P::tls_get(&self.local))?;
        self.held(own.id())
    }

    /// Leaves the call at `depth`, or lets it count on if it is not the innermost one.
    #[inline(always)]
    fn leave_call(&'static self, m: &'static M<R>, depth: u32) {
        let now = m.depth.load(Ordering::Relaxed);
        if now == 1 | KEPT | ADMITTED {
            self.retire(m, now);
            // Release: partner of the acquire in `revoke_bound`. The last access to the pool.
            m.depth.store(0, Ordering::Release);
        } else if now == 1 | UNBOUND | KEPT | ADMITTED {
            self.leave_for_call(m, now);
        } else {
            self.leave_otherwise(m, now, depth);
        }
    }

    #[inline(always)]
    fn leave_for_call(&'static self, m: &'static M<R>, now: u32) {
        self.retire(m, now);
        let _ = P::tls_set(&self.local, core::ptr::null_mut());
        m.depth.store(0, Ordering::Relaxed);
        // Nobody marks an M of a pool that does not bind.
        m.hold.store(0, Ordering::Relaxed);
        let id = m.id();
        self.runtime.observe(Event::Returned { m: id });
        if !self.list.give_spare::<Table<R, P>>(m, id) {
            self.list.give::<P, _>(&self.table, m, id);
        }
    }

    #[inline(never)]
    fn leave_otherwise(&'static self, m: &'static M<R>, now: u32, depth: u32) {
        if now & CALLS == 1 {
            self.leave_outermost(m, now);
        } else {
            self.leave_nested(m, now, depth);
        }
    }

    /// `depth` counts the calls that have not been left in order, `deferred` those of them that have
    /// been left out of order; the difference is inside.
    #[inline(always)]
    fn leave_nested(&'static self, m: &'static M<R>, now: u32, depth: u32) {
        let mut left = now;
        let mut deferred = m.deferred.load(Ordering::Relaxed);
        if now & CALLS == depth {
            m.restore_stack(depth);
            left -= 1;
        } else {
            deferred += 1;
        }
        if left & CALLS == deferred {
            m.deferred.store(0, Ordering::Relaxed);
            return self.leave_outermost(m, (left & !CALLS) | 1);
        }
        m.deferred.store(deferred, Ordering::Relaxed);
        m.depth.store(left, Ordering::Relaxed);
    }

    #[inline(always)]
    fn leave_outermost(&'static self, m: &'static M<R>, depth: u32) {
        self.retire(m, depth);
        self.let_go(m, depth);
    }

    /// Lets the runtime retire an outermost call. If it panics, the call is over all the same.
    #[inline(always)]
    fn retire(&'static self, m: &'static M<R>, depth: u32) {
        if depth & ADMITTED != 0 {
            // A handler must not nest any more.
            m.depth.store(depth & !ADMITTED, Ordering::Relaxed);
            let letting_go = LettingGo { pool: self, m };
            self.runtime.retire(m);
            self.runtime.observe(Event::Left { m: m.id() });
            core::mem::forget(letting_go);
        }
    }

    /// The outermost call is over: the M stays with its thread, idle, or goes back.
    #[inline(always)]
    fn let_go(&'static self, m: &'static M<R>, depth: u32) {
        if depth & UNBOUND != 0 {
            self.give_back(m, m.outer.load(Ordering::Relaxed));
        } else {
            self.let_go_slowly(m);
        }
    }

    #[inline(never)]
    fn let_go_slowly(&'static self, m: &'static M<R>) {
        // Relaxed, both: PLAIN is set by this thread alone, `needextram` too.
        let plain = m.hold.load(Ordering::Relaxed) & PLAIN != 0;
        if m.needextram.load(Ordering::Relaxed) != 0 {
            // The duty could not be done (admission was refused, or making failed). It must not sit
            // idle with this thread while others wait: it goes on with the M (Invariant Duty).
            if self.seize(m, true) {
                self.give_back(m, core::ptr::null_mut());
            } else {
                // Revoked by `close`: nobody waits. Release: as in `leave_call`.
                m.depth.store(0, Ordering::Release);
            }
        } else if plain {
            // Release: as in `leave_call`.
            m.depth.store(0, Ordering::Release);
        } else {
            self.go_idle(m);
        }
    }

    fn go_idle(&'static self, m: &'static M<R>) {
        loop {
            let mut now = m.hold.load(Ordering::Relaxed);
            if now & WANTED != 0 {
                // Acquire: whoever set the mark was counted before, or had closed the pool; the look
                // below sees that.
                now = m.hold.fetch_and(!WANTED, Ordering::Acquire) & !WANTED;
                let word = self.list.glance();
                if word.closed() || (self.takes_back() && word.waiting() > 0) {
                    // The mark goes on with the M: others may wait, too.
                    return self.give_back(m, core::ptr::null_mut());
                }
            }
            m.depth.store(0, Ordering::Relaxed);
            // Release: partner of the acquire in `take_back`. The last access to the pool, if it
            // succeeds; it fails if a mark was set since.
            if m.hold.compare_exchange(now, now & !BUSY, Ordering::Release, Ordering::Relaxed).is_ok() {
                return;
            }
            m.depth.store(1, Ordering::Relaxed);
        }
    }

    /// Gives back an M that this thread holds; `outer` becomes the thread's value.
    #[inline]
    fn give_back(&'static self, m: &'static M<R>, outer: *mut ()) {
        let id = m.id();
        let _ = P::tls_set(&self.local, outer);
        m.outer.store(core::ptr::null_mut(), Ordering::Relaxed);
        m.depth.store(0, Ordering::Relaxed);
        // Others change it only by adding the mark, which stays with the M (Invariant Mark).
        m.hold.store(if self.takes_back() { WANTED } else { 0 }, Ordering::Relaxed);
        self.runtime.observe(Event::Returned { m: id });
        self.list.give::<P, _>(&self.table, m, id);
    }

    /// Gives the calling thread's M back now, if it has one and is outside; `false` if not. Inside
    /// a call it does nothing.
    pub fn unbind(&'static self) -> bool {
        let Some(m) = own_m(P::tls_get(&self.local)) else { return false };
        if !self.seize(m, false) {
            return false;
        }
        self.give_back(m, core::ptr::null_mut());
        true
    }

    /// Makes sure that the calling thread holds `m`, and nobody can take it back or revoke it any
    /// more. An M inside a call is left alone unless `inside` says otherwise.
    fn seize(&'static self, m: &M<R>, inside: bool) -> bool {
        let token = P::thread_token();
        loop {
            let now = m.hold.load(Ordering::Relaxed);
            if hold::token(now) != token || now & REVOKED != 0 {
                return false;
            }
            if !inside && (now & BUSY != 0 || m.depth.load(Ordering::Relaxed) != 0) {
                return false;
            }
            // Relaxed: as in `hold_shared`.
            let busy = (now & !PLAIN) | BUSY;
            if m.hold.compare_exchange(now, busy, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                return true;
            }
        }
    }
}

/// Leaves a call whose admission ends early.
struct Leaving<R: Runtime, P: Port> {
    pool: &'static Pool<R, P>,
    m: &'static M<R>,
}

impl<R: Runtime, P: Port> Drop for Leaving<R, P> {
    fn drop(&mut self) {
        self.pool.leave_early(self.m);
    }
}

/// Lets go even if `retire` panics.
struct LettingGo<R: Runtime, P: Port> {
    pool: &'static Pool<R, P>,
    m: &'static M<R>,
}

impl<R: Runtime, P: Port> Drop for LettingGo<R, P> {
    fn drop(&mut self) {
        self.pool.let_go(self.m, self.m.depth.load(Ordering::Relaxed));
    }
}

/// The exit hook: the M comes home, even if the thread exits inside a call.
///
/// # Safety
///
/// For `Port::tls_open`: `pool` is a `Pool<R, P>` that is not closed, and `value` what the calling
/// thread stored for it, or for another pool.
#[doc(alias = "cgoBindM")]
pub(crate) unsafe extern "C" fn at_exit<R: Runtime, P: Port>(pool: *mut (), value: *mut ()) {
    // SAFETY: by the contract above.
    let pool = unsafe { &*pool.cast_const().cast::<Pool<R, P>>() };
    // A value of another pool's is an address that may not be looked at: that pool may be gone. By
    // accident it may be that of an M of this pool's, which is another thread's then.
    let own = |value: *mut ()| pool.table.at(value.addr() & !PLAINLY);
    let mut next = own(value);
    if next.is_none() && value.addr() != EXITED {
        return;
    }
    let _ = P::tls_set(&pool.local, core::ptr::without_provenance_mut(EXITED));
    while let Some(m) = next {
        let depth = m.depth.load(Ordering::Relaxed);
        let outer = m.outer.load(Ordering::Relaxed);
        if pool.seize(m, true) {
            m.deferred.store(0, Ordering::Relaxed);
            if depth & ADMITTED != 0 {
                m.depth.store(1, Ordering::Relaxed);
                pool.runtime.retire(m);
            }
            pool.give_back(m, core::ptr::without_provenance_mut(EXITED));
        } else if hold::token(m.hold.load(Ordering::Relaxed)) == P::thread_token() {
            // Revoked while the thread was inside: `close` waits for this.
            if depth & ADMITTED != 0 {
                pool.runtime.retire(m);
            }
            m.depth.store(0, Ordering::Release);
            return;
        }
        next = if depth & UNBOUND != 0 { own(outer) } else { None };
    }
}
