//! Closing a pool, and taking that back.

use crate::count::Here;
use crate::life::Switch;
use crate::m::Stage;
use crate::port::Port;
use crate::{Busy, Pool, Runtime, StartError};
use core::mem::ManuallyDrop;

impl<R: Runtime, P: Port> Pool<R, P> {
    /// Turns newcomers (threads that are not inside) away with
    /// [`EnterError::Closed`](crate::EnterError::Closed) and wakes waiters with it. Once no M is in use,
    /// drops every context, and from then on nothing of the pool is touched by the threads that used
    /// it, not even when they exit: its memory, and the code of `Runtime`, may go.
    ///
    /// Closing a pool that was never started, or is closed, does nothing. Not for handlers.
    ///
    /// # Errors
    ///
    /// [`Busy`] while an M is in use, waited for or being made, a thread is just being turned away or
    /// ending, or somebody else is starting, closing, prewarming or trimming the pool; also while threads
    /// keep idle Ms on a system that has begun to refuse its memory barrier. Newcomers are turned away from
    /// now on. Call again when those threads have left (`close` does not wait for them), or
    /// [`reopen`](Pool::reopen).
    pub fn close(&'static self) -> Result<(), Busy> {
        self.settle();
        let Some(mut closing) = self.life.begin_close(self.switcher())? else {
            return Ok(());
        };
        self.list.close::<P>();
        // Quiet once more at the end: whoever gives an M back and has something left to do came as a guest
        // before, so if the M is at home the guest is seen.
        if !self.recall() || !self.list.quiet() || !self.all_home() || !self.list.quiet() {
            return Err(Busy);
        }
        // First: once the value is closed no hook repairs the pool in a forked child, which then goes on by
        // this (`settle`), and a pool without the value is not to be reopened.
        closing.end_in_idle();
        if !P::tls_close(&self.local) {
            closing.stay_draining();
            return Err(Busy);
        }
        self.end(closing)
    }

    /// Takes back a [`close`](Pool::close) that said [`Busy`]: newcomers are let in again, and threads
    /// that are inside have noticed nothing. Not for handlers.
    ///
    /// # Errors
    ///
    /// [`StartError::NotStarted`] if the pool was never started, or is closed to the end;
    /// [`StartError::AlreadyStarted`] if it is open, or somebody else is starting or closing it;
    /// [`StartError::CreationFailed`] or [`StartError::NoMemory`] if no M was spare and none could be
    /// made: it stays closed.
    pub fn reopen(&'static self) -> Result<(), StartError> {
        self.settle();
        let switch = self.life.begin_reopen(self.switcher())?;
        // Those who found the pool closed have dropped their duties; one M on the list is nobody's to
        // make but ours.
        if !self.list.glance().has_spare() && !self.limit_reached() {
            self.make_first()?;
        }
        if self.mode.is_unshared::<P>() {
            for m in self.table.iter() {
                if m.hold().reinstate() {
                    m.note_now::<P>();
                    self.list.give::<P, _>(&self.table, m, m.id());
                }
            }
        }
        let _guest = self.list.guest::<P>();
        self.list.open();
        switch.open();
        // Once more: a creator that had the last slot, and failed before that, has dropped its duty, too.
        let _ = self.adopt_anew();
        Ok(())
    }

    /// Takes every idle bound M away from its thread. `false` if the system refuses to say which are.
    fn recall(&'static self) -> bool {
        if self.mode.lists_idle::<P>() {
            // What is inside looks at the closed list before it goes idle (Invariant Idle).
            self.give_idle();
        }
        if !self.mode.is_unshared::<P>() {
            return true;
        }
        let mut any = false;
        for m in self.table.iter() {
            m.hold().revoke();
            any |= m.hold().may_come_back();
        }
        // A thread that enters from now on finds its M revoked: it writes `call` before it looks, and
        // the barrier lies between our mark and our look at `call`.
        !any || P::heavy_barrier()
    }

    /// In a closed pool that is quiet: whether every M is on the list, or revoked with nobody inside.
    fn all_home(&'static self) -> bool {
        let mut home = self.list.numbers(&self.table).count() as u32;
        if self.mode.is_unshared::<P>() {
            // First the call: a thread that takes a revoked M to the list says so in `hold` before its
            // call is over. Until it is on the list it is counted in neither place.
            let revoked = self
                .table
                .iter()
                .filter(|m| m.stage() == Stage::Made && m.call().is_over() && m.hold().is_revoked());
            home += revoked.count() as u32;
        }
        home == self.table.live()
    }

    /// Drops every context. Nobody but the caller has anything of the pool's.
    ///
    /// In a child that a drop forks, whoever starts or closes the pool next goes on with that, from within the
    /// drop perhaps; the caller touches nothing of the pool any more, and says so.
    pub(crate) fn end(&'static self, closing: Switch<'static>) -> Result<(), Busy> {
        let here = Here::now::<P>();
        let ended = Ended { pool: self, here, closing: ManuallyDrop::new(closing) };
        self.drop_contexts(here);
        drop(ended);
        if here.is::<P>() { Ok(()) } else { Err(Busy) }
    }

    /// One after the other, each when its M is out of use. If a drop panics, the rest are dropped while
    /// unwinding, as those of a `Vec` are.
    fn drop_contexts(&'static self, here: Here) {
        let rest = Rest(self, here);
        while here.is::<P>()
            && let Some(id) = self.list.drain::<P, _>(&self.table)
        {
            // SAFETY: taken off the list, so it is ours alone (One place), with a context.
            drop(unsafe { self.table.take_apart::<P>(self.table.get(id)) });
        }
        let numbers = here.is::<P>().then(|| self.table.numbers()).into_iter().flatten();
        let ms = numbers.take_while(|_| here.is::<P>()).map(|id| self.table.get(id));
        for m in ms.filter(|m| m.stage() == Stage::Made) {
            self.table.part::<P>(m);
            // SAFETY: revoked, with nobody inside, so it is ours alone (Hold), with a context.
            let context = unsafe { m.take_context() };
            if m.hold().retire() {
                self.table.retire::<P>(m.id());
            } else {
                self.table.release::<P>(m.id());
            }
            drop(context);
        }
        core::mem::forget(rest);
    }
}

/// What is left to drop.
struct Rest<R: Runtime, P: Port>(&'static Pool<R, P>, Here);

impl<R: Runtime, P: Port> Drop for Rest<R, P> {
    fn drop(&mut self) {
        self.0.drop_contexts(self.1);
    }
}

/// The last steps of a close.
struct Ended<R: Runtime, P: Port> {
    pool: &'static Pool<R, P>,
    here: Here,
    closing: ManuallyDrop<Switch<'static>>,
}

impl<R: Runtime, P: Port> Drop for Ended<R, P> {
    fn drop(&mut self) {
        if !self.here.is::<P>() {
            return;
        }
        if self.pool.mode.lists_idle::<P>() {
            self.pool.idle.forget();
            self.pool.table.iter().for_each(|m| m.hold().unlist());
        }
        self.pool.table.return_slots();
        // SAFETY: dropped here alone, and not used after it.
        unsafe { ManuallyDrop::drop(&mut self.closing) };
    }
}
