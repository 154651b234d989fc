//! Forked children: the threads that did not come along are forgotten, the Ms they had are written off
//! (their contexts are neither used again nor dropped: somebody was in the middle of something), and
//! the pool works again.
//!
//! What the forking thread itself has in transit stays its own: it is told by the thread's token in
//! `hold`, and by its thread-local value ([`Own::Taking`]) while the token cannot tell. A handler may fork
//! between any two of its steps: what it counts then, claims or gives names the era in which it began
//! ([`crate::count`]), and it looks again if that is over. If it waits, or is about to, or is refused, it is a
//! guest of the child's, too ([`Guest::come_along`]), unless its thread-local value could not say so: there was
//! no memory for it, or the thread has a bound M that `close` had revoked and `reopen` gave back meanwhile. Two things are not told apart, and then an M is
//! kept that nobody will bring back (`close` in that child says Busy): the thread forks in `observe`, or in
//! a handler while it takes an M, at the very moment at which another thread is between the list and
//! `hold`.
//!
//! An M on which another thread was inside by a guard is never used again, for a reference to its context
//! may be with the thread that forked.

use crate::hold::Popped;
use crate::life::{Phase, Switcher};
use crate::list::Guest;
use crate::m::{M, Stage};
use crate::own::Own;
use crate::port::Port;
use crate::sync::{Ordering, fence};
use crate::table::Kept;
use crate::{EnterError, Pool, Runtime};

/// In `orphaned`: nobody is left who would make the next M.
const ORPHANED: usize = 1;

/// The hook for forked children.
///
/// # Safety
///
/// For [`Hooks::in_child`](crate::Hooks): `pool` is a `Pool<R, P>` whose thread-local value is open, and
/// the calling thread is the only one in the process.
pub(crate) unsafe extern "C" fn in_child<R: Runtime, P: Port>(pool: *mut ()) {
    // SAFETY: by the contract above.
    unsafe { &*pool.cast_const().cast::<Pool<R, P>>() }.repair();
}

/// The hook where there are no forked children.
pub(crate) unsafe extern "C" fn no_child(_: *mut ()) {}

impl<R: Runtime, P: Port> Pool<R, P> {
    pub(crate) fn switcher(&self) -> Switcher {
        Switcher { token: P::thread_token(), forks: P::forks() }
    }

    /// In a forked child, on the thread that forked.
    fn repair(&'static self) {
        let phase = self.life.phase();
        let mine = self.life.renew(self.switcher());
        if phase == Phase::Starting && !mine {
            return self.forget_start();
        }
        let token = P::thread_token();
        self.list.reset_after_fork::<P, _>(&self.table);
        for id in self.list.numbers(&self.table) {
            self.table.get(id).set_stage(Stage::Found);
        }
        let own = self.own();
        if let Own::Taking(guest) = own {
            // SAFETY: Invariant Own.
            if let Some(guest) = unsafe { guest.cast::<Guest<'_, P>>().as_ref() } {
                guest.come_along();
            }
        }
        self.table.reset_after_fork::<P>(|m| kept(m, &own, token), token);
        self.idle.forget();
        if self.mode.lists_idle::<P>() {
            // The thread's own one is idle and on no stack now, against Invariant Idle. Not put there again: a
            // handler forks also where the number has just been popped.
            for m in self.table.iter().filter(|m| m.stage() == Stage::Made) {
                if m.hold().pop_idle(token) == Popped::Taken {
                    m.note_now::<P>();
                    self.list.give::<P, _>(&self.table, m, m.id());
                }
            }
        }
        let is_mine = |m: &&M<R>| m.hold().token() == token && (m.depth() > 0 || m.hold().is_bound());
        for m in self.table.iter().filter(is_mine) {
            m.set_thread_id(P::thread_id());
        }
        // Relaxed: one thread. An M that is spare owes a refill to whoever takes it, if it is the last.
        let open = !self.list.glance().closed();
        let orphaned = open && !self.list.glance().has_spare();
        self.orphaned.store(if orphaned { ORPHANED } else { 0 }, Ordering::Relaxed);
        if phase == Phase::Closing && !mine {
            // To be called again.
            self.life.settle(Phase::Draining);
        }
    }

    /// A start by somebody who vanished comes to nothing, and nobody has seen its M.
    fn forget_start(&'static self) {
        self.list.reset_after_fork::<P, _>(&self.table);
        while self.list.drain::<P, _>(&self.table).is_some() {}
        self.table.reset_after_fork::<P>(
            |m| if m.hold().is_retired() { Kept::AsItIs } else { Kept::Bare },
            P::thread_token(),
        );
        // Nobody is in a hook: the thread is alone.
        let _ = P::tls_close(&self.local);
        self.table.return_slots();
        self.life.settle(Phase::Idle);
    }

    /// Before a switch: ends one whose thread has vanished in a fork, where no hook could do it, because
    /// the thread-local value was not open yet, or not any more.
    pub(crate) fn settle(&'static self) {
        if !P::FORKS {
            return;
        }
        let Some(switch) = self.life.take_over(self.switcher()) else { return };
        if self.life.phase() == Phase::Ending {
            if !P::tls_close(&self.local) {
                return switch.stay_draining();
            }
            let token = P::thread_token();
            self.list.reset_after_fork::<P, _>(&self.table);
            for id in self.list.numbers(&self.table) {
                self.table.get(id).set_stage(Stage::Found);
            }
            self.table.reset_after_fork::<P>(|m| kept(m, &Own::Nothing, token), token);
            let _ = self.end(switch);
        } else {
            // Nothing had been set up but the slots.
            self.table.return_slots();
        }
    }

    /// Takes on the duty of those who vanished in a fork, or gave up with the last M, for a newcomer that
    /// found none: makes one if nobody does. `Ok(false)` where there is nothing to take on, or the limit is
    /// reached.
    ///
    /// Invariant Duty holds in a child from the moment of this: a newcomer waits only after it
    /// has found `orphaned` lowered, and it is lowered by a thread that goes on to the claim.
    #[cold]
    pub(crate) fn adopt(&'static self) -> Result<bool, EnterError> {
        // Relaxed, here and wherever it is written: the claim may look at an older word than theirs who
        // gave up; so whoever lowers it looks once more, after a fence (`bereave`).
        if self.orphaned.load(Ordering::Relaxed) == ORPHANED { self.adopt_from(ORPHANED) } else { Ok(false) }
    }

    /// The same whether somebody has given up or not.
    pub(crate) fn adopt_anew(&'static self) -> Result<bool, EnterError> {
        match self.orphaned.load(Ordering::Relaxed) {
            orphaned @ (0 | ORPHANED) => self.adopt_from(orphaned),
            // Somebody is at it.
            _ => Ok(false),
        }
    }

    fn adopt_from(&'static self, orphaned: usize) -> Result<bool, EnterError> {
        let token = P::thread_token();
        if self.orphaned.compare_exchange(orphaned, token, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return Ok(false);
        }
        let mut adopting = Adopting { pool: self, then: ORPHANED };
        let made = self.make_for_orphans();
        if made.is_ok() {
            adopting.then = 0;
        }
        made
    }

    /// Whether the calling thread is making the M for orphans.
    pub(crate) fn is_adopter(&self) -> bool {
        self.orphaned.load(Ordering::Relaxed) == P::thread_token()
    }

    /// If the attempt to make an M failed, and the M is gone that owed it: the next newcomer makes it.
    pub(crate) fn bereave(&'static self) {
        // Partner of itself in whoever adopts: that one sees that making failed again, or we see that it is
        // done.
        fence(Ordering::SeqCst);
        if self.list.glance().failed() {
            // If it fails somebody is at it already.
            let _ = self.orphaned.compare_exchange(0, ORPHANED, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

/// Says what becomes of the duty: if making the M fails, by unwinding too, it is the next newcomer's.
struct Adopting<R: Runtime, P: Port> {
    pool: &'static Pool<R, P>,
    then: usize,
}

impl<R: Runtime, P: Port> Drop for Adopting<R, P> {
    fn drop(&mut self) {
        self.pool.orphaned.store(self.then, Ordering::Relaxed);
        if self.then == 0 {
            // Meanwhile the M may have been taken, and gone.
            self.pool.bereave();
        }
    }
}

/// What becomes of an M in a forked child whose thread has that token and that own value.
fn kept<R: Runtime>(m: &M<R>, own: &Own<R>, token: usize) -> Kept {
    let mine = m.hold().token() == token;
    match m.stage() {
        _ if m.hold().is_retired() => Kept::AsItIs,
        Stage::Lost => Kept::AsItIs,
        Stage::Bare => Kept::Bare,
        Stage::Making | Stage::Parting if mine => Kept::Live,
        Stage::Making | Stage::Parting => Kept::Bare,
        Stage::Found => {
            m.set_stage(Stage::Made);
            Kept::Live
        }
        // Inside, or bound and idle.
        Stage::Made if mine && (m.depth() > 0 || m.hold().is_bound()) => Kept::Live,
        // Let go of by a thread that ended, for `close`.
        Stage::Made if m.hold().token() == 0 && m.hold().is_revoked() => Kept::Live,
        Stage::Made if mine => match own {
            // Only a handler can have forked here, while the M was being given back.
            Own::Nothing => Kept::Lost,
            _ => Kept::Live,
        },
        // A reference to its context may have got about: from a scope, or a guard that was leaked. Nothing is
        // ever put in its place.
        Stage::Made if m.depth() > m.call().raw() => Kept::Lost,
        // Another's by what `hold` says, which this thread may be about to overwrite.
        Stage::Made => match own {
            Own::Taking(_) if m.depth() == 0 && !m.hold().is_bound() => Kept::Live,
            _ => Kept::Bare,
        },
    }
}
