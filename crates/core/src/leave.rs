//! Leaving: the call that ends, and what becomes of its M when it was the last.

use crate::hold::Resumed;
use crate::own::Own;
use crate::port::Port;
use crate::sync::{Ordering, compiler_fence, fence};
use crate::table::Table;
use crate::{Event, M, Pool, Runtime};

impl<R: Runtime, P: Port> Pool<R, P> {
    /// Ends one call. The short way is a special case of
    /// [`leave_otherwise`](Pool::leave_otherwise).
    #[inline(always)]
    pub(crate) fn leave_call(&'static self, m: &'static M<R>) {
        // First: what is asked runs something of the runtime's, which may enter and keep a guard.
        if self.asks_stacks() || !m.call().leaves_shortly() {
            return self.leave_otherwise::<false>(m);
        }
        self.retire::<true>(m);
        if !m.call().still_leaves_shortly() {
            return self.leave_otherwise::<false>(m);
        }
        if self.mode.is_unshared::<P>() {
            // The last access to the pool.
            m.call().end();
        } else {
            self.leave_for_call(m);
        }
    }

    /// The M of an ordinary call goes back to a pool that does not bind; a special case of
    /// [`give_back`](Pool::give_back). Not in line, as `take_for_call`.
    #[cfg_attr(target_has_atomic = "64", inline(never))]
    #[cfg_attr(not(target_has_atomic = "64"), inline(always))]
    fn leave_for_call(&'static self, m: &'static M<R>) {
        let giving = GivingBack { pool: self, m };
        self.runtime.observe(Event::Returned { m: m.id() });
        core::mem::forget(giving);
        if !m.call().still_leaves_shortly() {
            return self.hand_over::<false>(m);
        }
        // While the call is inside (`give_spare`).
        let word = self.list.glance();
        if P::FORKS {
            compiler_fence(Ordering::SeqCst);
        }
        let _ = self.set_own(Own::Nothing);
        m.call().end();
        if !self.list.give_spare::<Table<R>>(m, m.id(), word) {
            self.list.give::<P, _>(&self.table, m, m.id());
        }
    }

    /// `UNWINDING`, here and below: a function of the runtime has panicked (see [`part`](Pool::part)).
    #[inline(never)]
    pub(crate) fn leave_otherwise<const UNWINDING: bool>(&'static self, m: &'static M<R>) {
        if m.depth() == 1 && m.call().is_admitted() {
            self.retire::<false>(m);
        }
        self.let_go::<UNWINDING>(m);
    }

    /// Lets the runtime retire the last call, which leaves the short way if `SHORT`. If it panics, the call is
    /// over all the same.
    #[inline(always)]
    fn retire<const SHORT: bool>(&'static self, m: &'static M<R>) {
        // A handler must not nest any more.
        if SHORT {
            m.call().retire_shortly();
        } else {
            m.call().retire();
        }
        let letting_go = LettingGo { pool: self, m };
        self.runtime.retire(m);
        self.runtime.observe(Event::Left { m: m.id() });
        core::mem::forget(letting_go);
    }

    /// A call is over. If it was the last, the M stays with its thread, idle, or goes back. Another one
    /// may be inside that `retire` has entered and kept.
    #[inline]
    fn let_go<const UNWINDING: bool>(&'static self, m: &'static M<R>) {
        if self.asks_stacks() {
            m.bounds().left(crate::enter::stack_pointer(), m.depth() - 1);
        }
        if m.depth() > 1 {
            return m.call().less();
        }
        if m.is_broken() {
            return self.part::<UNWINDING>(m);
        }
        // One that is bound and owes: the duty could not be done (admission was refused, or making failed).
        // It must not sit idle with this thread while others wait: it goes on with the M (Duty).
        if !m.call().is_bound::<P>() || m.owes() != 0 || !self.go_idle(m) {
            self.come_home::<UNWINDING>(m);
        }
    }

    /// Lets a bound M go idle; `false` if it was bound the shared way, and somebody waits or the pool is
    /// closed.
    #[inline(always)]
    fn go_idle(&'static self, m: &'static M<R>) -> bool {
        let plain = m.hold().is_plain::<P>();
        // Bound the plain way: the last access to the pool. Else before the exchange: afterwards it may be
        // another's.
        m.call().end();
        plain || m.hold().go_idle() || self.list_idle(m)
    }

    /// Puts an M that is bound the shared way, and about to go idle, on the stack of idle ones first.
    #[cold]
    #[inline(never)]
    fn list_idle(&'static self, m: &'static M<R>) -> bool {
        loop {
            m.call().begin(true, false);
            let era = self.list.era::<P>();
            // Invariant Idle.
            m.hold().list();
            if !self.idle.push_while(m.id(), m.idlelink(), || self.list.era::<P>() == era) {
                // A handler forked, and there the stack of idle Ms began anew.
                continue;
            }
            // Partner of the fences in `List::count` and `List::close`: they see the M among the idle ones,
            // and make the exchange below fail; or we see them here.
            fence(Ordering::SeqCst);
            let word = self.list.glance();
            if word.closed() || (self.mode.reclaims::<P>() && word.waiting() > 0) {
                // Off the stack again, or whoever gets it would go idle past those who wait. What is
                // idle on the way is theirs, too.
                self.give_idle();
                return false;
            }
            m.call().end();
            if m.hold().go_idle() {
                return true;
            }
        }
    }

    /// Gives what is on the stack of idle Ms, and idle, to whoever waits.
    pub(crate) fn give_idle(&'static self) {
        while let Some(idle) = self.pop_idle() {
            // Its thread may have used it until now. (Who enters with it notes that.)
            idle.note_now::<P>();
            self.list.give::<P, _>(&self.table, idle, idle.id());
        }
    }

    /// The last call of an M is over, which does not stay with its thread.
    #[inline(never)]
    pub(crate) fn come_home<const UNWINDING: bool>(&'static self, m: &'static M<R>) {
        // Its thread has used it until now, at whichever call it was noted.
        if R::SINCE && m.call().is_bound::<P>() {
            m.note_now::<P>();
        }
        self.unbind_held(m);
        self.give_back::<UNWINDING>(m);
    }

    /// An M in whose last call the thread is does not stay with it.
    pub(crate) fn unbind_held(&'static self, m: &'static M<R>) {
        if m.hold().is_plain::<P>() {
            // Revoked or not: `close` does not touch an M while a call is inside.
            m.hold().unbind(P::thread_token());
        }
        m.call().unbind();
    }

    /// Gives back an M whose last call is over, and counts still: what `observe` enters is nested in it,
    /// and does not wait for the very M that is about to come back.
    pub(crate) fn give_back<const UNWINDING: bool>(&'static self, m: &'static M<R>) {
        let giving = GivingBack { pool: self, m };
        self.runtime.observe(Event::Returned { m: m.id() });
        core::mem::forget(giving);
        self.hand_over::<UNWINDING>(m);
    }

    /// The M goes to whoever waits, or onto the list; unless `observe` has entered and kept a guard.
    #[inline(never)]
    fn hand_over<const UNWINDING: bool>(&'static self, m: &'static M<R>) {
        if m.depth() > 1 {
            return m.call().less();
        }
        if m.is_broken() {
            return self.part::<UNWINDING>(m);
        }
        if let Some(give) = self.give_within
            && m.call().is_own()
            && !P::in_handler()
        {
            return give(self, Some(m));
        }
        // Before it is given: afterwards it may be another's, and the pool gone.
        self.let_loose(m);
        self.list.give::<P, _>(&self.table, m, m.id());
    }

    /// An M in this thread's hands is in no call, and not its own.
    pub(crate) fn let_loose(&'static self, m: &'static M<R>) {
        if self.is_own(m) {
            let _ = self.set_own(Own::Nothing);
        }
        m.call().forget();
    }

    /// Gives the calling thread's idle M back now, before the thread exits; `false` if it has none, is
    /// inside a call (which goes on), or this is a handler.
    pub fn unbind(&self) -> bool {
        let pool = self.lasting();
        let Own::M { m, plain } = pool.own() else { return false };
        if !pool.mode.binds::<P>() || P::in_handler() || pool.come_again(m, plain) != Resumed::Outermost {
            return false;
        }
        pool.come_home::<false>(m);
        true
    }
}

/// Lets go even if `retire` panics.
struct LettingGo<R: Runtime, P: Port> {
    pool: &'static Pool<R, P>,
    m: &'static M<R>,
}

impl<R: Runtime, P: Port> Drop for LettingGo<R, P> {
    fn drop(&mut self) {
        self.pool.let_go::<true>(self.m);
    }
}

/// Hands over even if `observe` panics.
struct GivingBack<R: Runtime, P: Port> {
    pool: &'static Pool<R, P>,
    m: &'static M<R>,
}

impl<R: Runtime, P: Port> Drop for GivingBack<R, P> {
    fn drop(&mut self) {
        self.pool.hand_over::<true>(self.m);
    }
}
