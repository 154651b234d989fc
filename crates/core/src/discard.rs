//! Contexts that are not lent again: discarded by whoever used them, or more than may stay spare.
//!
//! Whoever takes an M out of use gives back a slot, and others may have found the limit reached and
//! dropped their duty before ([`crate::refill`]). So it holds another M meanwhile, which goes back
//! owing. Where none is spare the M stays, with a context made in the old one's place; if that fails,
//! the M goes, all who wait are told, and if it was the last one the next newcomer makes another.

use crate::list::Guest;
use crate::m::LAST;
use crate::port::Port;
use crate::sync::Ordering;
use crate::{EnterError, Entered, Event, M, Pool, Runtime};

/// What discarding takes. The pool comes to know it when somebody discards, so that a program that never
/// does has no code for it.
pub(crate) struct Parting<R: Runtime, P: Port> {
    /// Told whether another context may be made in the old one's place.
    part: fn(&'static Pool<R, P>, &'static M<R>, bool),
    adopt: fn(&'static Pool<R, P>) -> Result<bool, EnterError>,
}

/// [`Pool::give_within`], where there is a bound.
pub(crate) type GiveWithin<R, P> = fn(&'static Pool<R, P>, Option<&'static M<R>>);

impl<R: Runtime, P: Port> Entered<R, P> {
    /// Leaves, and the context is not lent again: for one that is broken. It is dropped on this thread
    /// when the last call of this M has been left and retired, with nothing of the pool held.
    ///
    /// Another one is made when it is needed: at once, on this thread, if no M is spare then. For that
    /// the runtime admits and retires the thread once more, with the old context still in the M. If no other
    /// can be made, that is as after any other failure: those who wait are told, and who enters first when no
    /// M is left tries again. In an interrupt handler none is made, nor while a panic of the runtime unwinds.
    /// Not for signal handlers.
    ///
    /// [`Pool::ms`] shows the M with its old context until that is taken out, and never while it is dropped.
    /// It is taken out on a thread that is not admitted, so a collector that stops the world does not keep
    /// that from happening. The guide in the crate `extram` says what such a collector does instead.
    pub fn discard(self) {
        self.pool().may_part();
        self.mark_broken();
    }
}

impl<R: Runtime, P: Port> Pool<R, P> {
    const PARTING: &'static Parting<R, P> = &Parting { part: Self::part_with_broken, adopt: Self::adopt };

    /// Before a context is marked as broken.
    pub(crate) fn may_part(&'static self) {
        // Release: partner of the acquire in `parting`.
        self.parting.store(core::ptr::from_ref(Self::PARTING).cast_mut(), Ordering::Release);
    }

    fn parting(&self) -> Option<&'static Parting<R, P>> {
        // SAFETY: null, or a constant.
        unsafe { self.parting.load(Ordering::Acquire).as_ref() }
    }

    /// The last call of an M is over whose context is broken. While a function of the runtime unwinds none
    /// is made in its place: for that the thread is admitted and retired again, and if that panics, too, the
    /// process ends.
    #[cold]
    pub(crate) fn part<const UNWINDING: bool>(&'static self, m: &'static M<R>) {
        if let Some(parting) = self.parting() {
            (parting.part)(self, m, !UNWINDING);
        }
    }

    /// [`adopt`](Pool::adopt), where there can be something to take on.
    pub(crate) fn adopted(&'static self) -> Result<bool, EnterError> {
        if P::FORKS {
            return self.adopt();
        }
        self.parting().map_or(Ok(false), |parting| (parting.adopt)(self))
    }

    #[inline(never)]
    fn part_with_broken(&'static self, m: &'static M<R>, makes: bool) {
        self.unbind_held(m);
        let parting = PartingWith { pool: self, m };
        self.runtime.observe(Event::Discarded { m: m.id() });
        if let Some((context, guest)) = self.shed(m) {
            core::mem::forget(parting);
            drop(context);
            return self.keep_within(&guest);
        }
        let fresh = if makes { self.make_in_place(m) } else { None };
        core::mem::forget(parting);
        self.part_with(m, fresh);
    }

    /// Makes a context to be put in another's place, on a thread that has left: so it is admitted for
    /// that. `None` if there is to be none, or it cannot be made.
    fn make_in_place(&'static self, m: &'static M<R>) -> Option<R::Context> {
        if P::in_handler() || self.list.glance().closed() || m.depth() > 1 {
            return None;
        }
        self.runtime.admit(m);
        m.call().admit();
        let retiring = Retiring { pool: self, m };
        let context = self.new_context();
        if context.is_some() {
            self.runtime.observe(Event::Made { m: m.id() });
        } else {
            self.failures.fetch_add(1, Ordering::Relaxed);
            self.runtime.observe(Event::Failed);
        }
        // Not at the end of the function: if it panics then, what is being returned is lost.
        drop(retiring);
        context
    }

    /// Ends the last call of an M whose context goes, with another one in its place or without. A guard
    /// that a function of the runtime has entered and kept goes on with the old one.
    fn part_with(&'static self, m: &'static M<R>, fresh: Option<R::Context>) {
        if m.depth() > 1 {
            return m.call().less();
        }
        // Until the old context is dropped: what it refers to may go when `close` has succeeded.
        let _guest = self.list.guest::<P>();
        let _old = match fresh {
            Some(fresh) => {
                // SAFETY: in this thread's hands (Hold), with a context and no other call.
                let old = unsafe { m.replace_context(fresh) };
                m.owe(LAST);
                m.note_now::<P>();
                self.let_loose(m);
                self.list.give::<P, _>(&self.table, m, m.id());
                old
            }
            None => {
                let old = self.take_out(m);
                self.list.abandon::<P>(None);
                self.bereave();
                old
            }
        };
    }

    /// Takes an M in this thread's hands out of use, if another one is spare. Until its context is dropped the pool is
    /// there.
    fn shed(&'static self, m: &'static M<R>) -> Option<(R::Context, Guest<'static, P>)> {
        if m.depth() > 1 {
            return None;
        }
        let guest = self.list.guest::<P>();
        let anchor = self.take_spare()?;
        Some((self.take_out_beside(m, anchor), guest))
    }

    /// Takes an M out of use while another one is in this thread's hands too, which goes back owing. To be
    /// dropped: the context, when nothing is held any more.
    pub(crate) fn take_out_beside(&'static self, m: &'static M<R>, anchor: &'static M<R>) -> R::Context {
        let context = self.take_out(m);
        anchor.owe(LAST);
        self.list.give::<P, _>(&self.table, anchor, anchor.id());
        context
    }

    /// The slot of an M in this thread's hands is nobody's any more.
    fn take_out(&'static self, m: &'static M<R>) -> R::Context {
        self.let_loose(m);
        // SAFETY: in this thread's hands (Hold), with a context (Context).
        unsafe { self.table.take_apart::<P>(m) }
    }

    /// Gives an M back, if there is one, and drops what is then more than may stay spare. After the giving: of
    /// several threads that leave at a time the last one sees what all have given. Not for a handler's M: dropping
    /// a context is nothing for handlers.
    pub(crate) fn give_within(&'static self, m: Option<&'static M<R>>) {
        // Until the last context is dropped: what it refers to may go when `close` has succeeded.
        let guest = self.list.guest::<P>();
        if let Some(m) = m {
            self.let_loose(m);
            self.list.give::<P, _>(&self.table, m, m.id());
        }
        let too_many = self.spare_max.max(1).saturating_add(1);
        let more = |_| self.list.has_at_least(&self.table, too_many);
        self.drop_surplus(&guest, TIMES, more, |_| ());
    }
}

/// So often whoever drops what is too much looks again, where others came between: nobody does it in its place.
const TIMES: u32 = 8;

/// Parts with the M even if a function of the runtime panics.
struct PartingWith<R: Runtime, P: Port> {
    pool: &'static Pool<R, P>,
    m: &'static M<R>,
}

impl<R: Runtime, P: Port> Drop for PartingWith<R, P> {
    fn drop(&mut self) {
        self.pool.part_with(self.m, None);
    }
}

/// Retires even if making the context panics.
struct Retiring<R: Runtime, P: Port> {
    pool: &'static Pool<R, P>,
    m: &'static M<R>,
}

impl<R: Runtime, P: Port> Drop for Retiring<R, P> {
    fn drop(&mut self) {
        self.m.call().retire();
        self.pool.runtime.retire(self.m);
    }
}
