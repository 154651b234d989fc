//! The whole of entering, on which the fast paths rest.

use super::{Leaving, Manner, Wait};
use crate::count::Era;
use crate::hold::{Popped, Resumed};
use crate::list::{Guest, Taken, Waited};
use crate::m::{LAST, Stage};
use crate::own::{self, Own};
use crate::port::Port;
use crate::sync::{Ordering, compiler_fence, fence};
use crate::{EnterError, Event, M, Pool, Runtime};
use core::cell::Cell;
use core::time::Duration;

impl<R: Runtime, P: Port> Pool<R, P> {
    /// A deeper call on the thread's own M, or the first one with it, or with another.
    #[inline(never)]
    pub(crate) fn enter_otherwise(
        &'static self,
        manner: &Manner<'_, R, P>,
        sp: usize,
    ) -> Result<&'static M<R>, EnterError> {
        if let Own::M { m, plain } = self.own() {
            match self.come_again(m, plain) {
                Resumed::Outermost => return self.let_in(m, manner, sp).map(|()| m),
                Resumed::Inside => return self.nest(m, sp).map(|()| m),
                // Revoked: `reopen` may give it back.
                Resumed::TakenBack if plain => {}
                Resumed::TakenBack => _ = self.set_own(Own::Nothing),
            }
        }
        self.enter_anew(manner, sp)
    }

    /// The first call with an M; a handler's with one that is nobody's own.
    #[inline(never)]
    pub(crate) fn enter_anew(
        &'static self,
        manner: &Manner<'_, R, P>,
        sp: usize,
    ) -> Result<&'static M<R>, EnterError> {
        let guest = self.list.guest::<P>();
        let taking = Taking::begin(self, manner, &guest);
        if !manner.handler {
            self.retired_of_mine();
        }
        let obtained = self.obtain(manner)?;
        debug_assert!(!taking.own || guest.is_counted(), "a call that comes along is a guest");
        let m = obtained.m;
        if let Own::M { m: own, plain: true } = self.own()
            && !manner.handler
            && self.come_again(own, true) == Resumed::Outermost
        {
            // Revoked when the thread came, and reopened since: it is not to have two.
            self.list.give::<P, _>(&self.table, m, m.id());
            return self.let_in(own, manner, sp).map(|()| own);
        }
        self.install(m, manner, &taking);
        drop(taking);
        // Last, so that it goes when nothing else is left to do.
        drop(guest);
        self.tell(&obtained);
        self.let_in(m, manner, sp)?;
        Ok(m)
    }

    /// Tells how an M was obtained, once it is in a call: what `observe` enters is nested in that.
    fn tell(&'static self, obtained: &Obtained<R>) {
        let leaving = Leaving { pool: self, m: obtained.m };
        if obtained.returned != 0 {
            self.runtime.observe(Event::Returned { m: obtained.returned });
        }
        if obtained.granted {
            self.runtime.observe(Event::Granted { m: obtained.m.id() });
        }
        core::mem::forget(leaving);
    }

    /// What the thread's own M is to the call that comes, or to a thread that parts with it. If it was idle
    /// a call has begun.
    pub(crate) fn come_again(&'static self, m: &'static M<R>, plain: bool) -> Resumed {
        if !P::HAS_HEAVY_BARRIER || !plain {
            return match m.hold().resume(P::thread_token()) {
                Resumed::Outermost => {
                    m.call().begin(true, false);
                    Resumed::Outermost
                }
                // On the list, or with a handler: this thread has taken it back itself.
                Resumed::Inside if !self.is_inside_own(m) => Resumed::TakenBack,
                resumed => resumed,
            };
        }
        if !m.call().is_outside() {
            Resumed::Inside
        } else if self.hold_again(m) {
            Resumed::Outermost
        } else {
            Resumed::TakenBack
        }
    }

    fn nest(&'static self, m: &'static M<R>, sp: usize) -> Result<(), EnterError> {
        m.call().nest()?;
        self.ask_stack(m, sp, P::stack_bounds);
        Ok(())
    }

    /// Admits an outermost call and does what its M owes.
    pub(crate) fn let_in(
        &'static self,
        m: &'static M<R>,
        manner: &Manner<'_, R, P>,
        sp: usize,
    ) -> Result<(), EnterError> {
        let ask = if manner.handler { P::stack_bounds_in_signal } else { P::stack_bounds };
        self.ask_stack(m, sp, ask);
        self.admit(m, manner)?;
        if m.owes() != 0 && !manner.handler {
            self.pay(m);
        }
        Ok(())
    }

    /// Asks for the stack of `sp`, if the runtime wants to know and it is another than the known one.
    #[inline]
    pub(crate) fn ask_stack(
        &'static self,
        m: &M<R>,
        sp: usize,
        ask: fn(usize) -> Option<core::ops::Range<usize>>,
    ) {
        if self.asks_stacks() && !m.bounds().hold(sp) {
            m.bounds().set(ask(sp).filter(|stack| stack.contains(&sp)), m.depth());
        }
    }

    /// Makes slots usable again that `close` took from this thread, which is a guest: a pool that it finds open
    /// is not closed meanwhile, and started again in another mode.
    fn retired_of_mine(&'static self) {
        if P::HAS_HEAVY_BARRIER && self.list.is_open() && self.mode.is_unshared::<P>() {
            self.table.reclaim::<P>(P::thread_token());
        }
    }

    /// Gets an M from the list, from an idle thread, or by waiting. The caller is a guest. The answer is
    /// in the caller's hands: `hold` says so, should it fork.
    fn obtain(&'static self, manner: &Manner<'_, R, P>) -> Result<Obtained<R>, EnterError> {
        let mut lines_up = false;
        let mut told = false;
        // When this thread has found nothing to adopt.
        let mut asked = None;
        loop {
            let era = self.list.era::<P>();
            let taken = self.list.take_or::<P, _>(&self.table, lines_up);
            lines_up = false;
            match taken {
                Taken::M { m, last } => {
                    if !self.hold_taken(m, era) {
                        continue;
                    }
                    if last {
                        m.owe(LAST);
                    }
                    return Ok(Obtained { m, returned: 0, granted: false });
                }
                Taken::Waiting { era } => match self.wait(era, !P::FORKS || asked == Some(era), manner)? {
                    Some(obtained) => return Ok(obtained),
                    None => continue,
                },
                Taken::Closed => match self.life.turned_away() {
                    Some(error) => return Err(error),
                    None => continue,
                },
                Taken::Empty | Taken::Failed if !manner.handler && self.adopted()? => continue,
                _ => {}
            }
            if let Some(m) = self.take_idle_back() {
                return Ok(Obtained { m, returned: m.id(), granted: false });
            }
            match taken {
                Taken::Failed => return Err(EnterError::CreationFailed),
                Taken::TooMany => return Err(EnterError::TooMany),
                _ => {}
            }
            if matches!(manner.wait, Wait::Never) {
                let exhausted = self.limit_reached();
                return Err(if exhausted { EnterError::Exhausted } else { EnterError::WouldBlock });
            }
            if self.is_adopter() {
                // The one M that is being made is this thread's to make.
                return Err(EnterError::WouldBlock);
            }
            if !told {
                // Before it is counted: nothing of this thread is on its way then, whatever the hook does.
                self.runtime.observe(Event::Waiting);
                told = true;
            }
            lines_up = true;
            asked = Some(era);
        }
    }

    /// Waits as one of the counted threads; `None` if the thread is not counted any more and has to
    /// begin anew. So has one that was forked on its way here: it has not `asked` in this era whether the M
    /// that others owed is its to make (Invariant Duty).
    fn wait(
        &'static self,
        era: Era,
        asked: bool,
        manner: &Manner<'_, R, P>,
    ) -> Result<Option<Obtained<R>>, EnterError> {
        let mut returned = 0;
        // It may have gone idle after we looked, and before we were counted.
        if let Some(m) = self.take_idle_back() {
            // Told when the wait is over: a thread that is counted runs nothing foreign.
            returned = m.id();
            m.note_now::<P>();
            self.list.give::<P, _>(&self.table, m, returned);
        }
        let waited = match manner.wait {
            _ if !asked => self.list.wait::<P, _>(&self.table, era, || Some(Duration::ZERO)),
            Wait::For(timed) => timed(self, era),
            _ => self.list.wait::<P, _>(&self.table, era, || None),
        };
        let error = match waited {
            Waited::M(id) => {
                let m = self.table.get(id);
                if !self.hold_taken(m, era) {
                    return Ok(None);
                }
                return Ok(Some(Obtained { m, returned, granted: true }));
            }
            Waited::Forgotten => return Ok(None),
            Waited::TimedOut if !asked => None,
            Waited::TimedOut => Some(EnterError::TimedOut),
            Waited::Failed => Some(EnterError::CreationFailed),
            // If it has been opened again since, that was meant for one who waited before.
            Waited::Closed => self.life.turned_away(),
        };
        // The caller is a guest still, so the pool is there (Guest).
        if returned != 0 {
            self.runtime.observe(Event::Returned { m: returned });
        }
        let Some(error) = error else { return Ok(None) };
        self.runtime.refused(error);
        self.runtime.observe(Event::Refused);
        Err(error)
    }

    /// Waits as one of the counted threads, for `limit` at most since the clock said `since`.
    pub(super) fn wait_timed(
        &'static self,
        era: Era,
        limit: Duration,
        since: &Cell<Option<Duration>>,
    ) -> Waited {
        // A thread that was forgotten in a forked child, and waits once more, began then.
        since.set(since.get().or_else(P::now));
        let mut waits = 0;
        self.list.wait::<P, _>(&self.table, era, || match (since.get(), P::now()) {
            (Some(since), Some(now)) => Some(limit.saturating_sub(now.saturating_sub(since))),
            // No clock: waits of a microsecond are counted.
            _ => {
                waits += 1;
                let over = Duration::from_micros(waits) > limit;
                Some(if over { Duration::ZERO } else { Duration::from_micros(1) })
            }
        })
    }

    /// Takes an idle M back from its thread, if the pool does that and there is one.
    pub(crate) fn take_idle_back(&'static self) -> Option<&'static M<R>> {
        if !self.mode.reclaims::<P>() {
            return None;
        }
        self.pop_idle()
    }

    /// Pops the stack of idle Ms until one is idle indeed.
    pub(crate) fn pop_idle(&'static self) -> Option<&'static M<R>> {
        loop {
            let m = self.table.get(self.idle.pop::<P, _>(&self.table, M::idlelink)?);
            if m.hold().pop_idle(P::thread_token()) == Popped::Taken {
                return Some(m);
            }
        }
    }

    /// Notes that an M which was taken off a list, or is being made, is in this thread's hands.
    pub(crate) fn hold(&'static self, m: &M<R>) {
        if self.mode.lists_idle::<P>() {
            m.hold().hold_listed(P::thread_token());
        } else {
            m.hold().hold(P::thread_token());
        }
    }

    /// The same, of an M that was spare in that era; `false` if a handler has forked since, and there the
    /// slot was found bare.
    #[inline(always)]
    pub(crate) fn hold_taken(&'static self, m: &M<R>, era: Era) -> bool {
        self.hold(m);
        if P::FORKS && self.list.era::<P>() != era && m.stage() == Stage::Bare {
            m.hold().forget();
            return false;
        }
        true
    }

    /// Takes a spare M into this thread's hands.
    pub(crate) fn take_spare(&'static self) -> Option<&'static M<R>> {
        loop {
            let era = self.list.era::<P>();
            let Taken::M { m, .. } = self.list.take::<P, _>(&self.table) else { return None };
            if self.hold_taken(m, era) {
                return Some(m);
            }
        }
    }

    /// Says for observers which thread has the M, and forgets where the last one came in.
    fn note_thread(m: &M<R>) {
        m.note_thread::<P>();
        if R::STACKS {
            m.bounds().forget();
        }
    }

    /// Begins the outermost call of an M in this thread's hands, and makes it the thread's own unless
    /// that has one.
    fn install(&'static self, m: &'static M<R>, manner: &Manner<'_, R, P>, taking: &Taking<'_, R, P>) {
        Self::note_thread(m);
        // With the hook, an M comes home when its thread exits.
        let bound = taking.own && manner.bind && self.mode.binds::<P>() && P::exit_hook(&self.local);
        let mut plain = bound && self.mode.is_unshared::<P>();
        // Before `hold`: whoever revokes what `hold` says must find the call counted.
        m.call().begin(bound, plain && m.owes() == 0);
        if plain {
            m.hold().bind_plainly(P::thread_token());
            // Partner of the fence in `List::close`: the M is revoked, or we see that the pool is closed,
            // and do not keep an M that would let this thread in again.
            fence(Ordering::SeqCst);
            if self.list.glance().closed() {
                m.hold().unbind(P::thread_token());
                m.call().unbind();
                plain = false;
            }
        }
        if taking.own && self.set_own(Own::M { m, plain }) {
            return;
        }
        // The call works, unbound, and nested calls will not find this M.
        if bound {
            m.hold().unbind(P::thread_token());
        }
        m.call().begin_detached();
    }
}

/// An M in the caller's hands, and what is to be told of it.
struct Obtained<R: Runtime> {
    m: &'static M<R>,
    /// An M that was idle and has been taken back: this one, or one for those who wait; 0 for none.
    returned: u32,
    /// It came to a thread that waited.
    granted: bool,
}

/// On the way to an M, with a thread-local value that says so, unless the thread has another M of its own.
struct Taking<'a, R: Runtime, P: Port> {
    pool: &'static Pool<R, P>,
    guest: &'a Guest<'static, P>,
    own: bool,
}

impl<'a, R: Runtime, P: Port> Taking<'a, R, P> {
    fn begin(pool: &'static Pool<R, P>, manner: &Manner<'_, R, P>, guest: &'a Guest<'static, P>) -> Self {
        let mut own = !manner.handler
            && P::tls_get(&pool.local).is_null()
            && pool.set_own(Own::Taking(own::taking(guest)));
        // A handler may have forked when the guest had come, and the value did not say so.
        while own && !guest.is_counted() {
            let _ = pool.set_own(Own::Nothing);
            guest.come();
            own = pool.set_own(Own::Taking(own::taking(guest)));
        }
        Taking { pool, guest, own }
    }
}

impl<R: Runtime, P: Port> Drop for Taking<'_, R, P> {
    fn drop(&mut self) {
        // The guest is counted still.
        if self.own && own::is_taking(P::tls_get(&self.pool.local), self.guest) {
            let _ = self.pool.set_own(Own::Nothing);
            // A handler that forks from now on leaves the guest as it is.
            compiler_fence(Ordering::SeqCst);
        }
    }
}
