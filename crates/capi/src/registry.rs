//! Every pool that C has made, by slot; and how a pool is freed while others may be using it.
//!
//! A function that was given a handle reads the pool's address from the slot and works on the pool;
//! another thread may free that pool at any moment. A counter in the slot would settle it, at two
//! locked instructions per call on a line that all threads share, five times what re-entry costs.
//! So there are two ways of saying "I am at work on the pool in this slot":
//!
//! - **A note.** Each thread has one, found by a hash of its token and kept in a thread-local word: it stores the slot's number,
//!   reads the pool's address, works, and clears the note.
//! - **The count** of the slot, where a note will not do: the note belongs to another thread with
//!   the same hash, it is taken by a call for another slot that this one is nested in (a handler, a
//!   function of the configuration), or the system has no heavy barrier.
//!
//! `evict` marks the address, runs a heavy barrier ([`Port::heavy_barrier`]), reads all notes and the
//! count, and, if nobody is at work, replaces the marked address by null in one exchange:
//!
//! ```text
//!  a call                                evict
//!  1  note: at work in slot 7            a  address → address + mark
//!     (compiler fence)                      (heavy barrier)
//!  2  read the address                   b  read the notes and the count: nobody?
//!  3  marked? take the mark off          c  address + mark → null, or else take the mark off
//! ```
//!
//! The compiler fence between 1 and 2 pairs with the heavy barrier between a and b: either 2 finds
//! the mark (or what came after it), or b finds the note. A call that finds the mark cannot know
//! whether b is over. It takes the mark off, so that c fails, and goes on as if nothing had been.
//! So while a pool is there every call finds it: a `free` that comes to nothing is seen by nobody.
//!
//! Nobody ever waits: `evict` says `EXTRAM_BUSY` if somebody is
//! at work, if another thread is in `evict` for the same slot, or if the system refuses the barrier.
//! Only one thread at a time can be between a and c (Invariant Tenure), or else one could take off
//! the other's mark and c would succeed without a look at the notes after it.
//!
//! - **Tenancy.** While a note or the count names a slot, and the address read after that was not
//!   null, the pool at this address is not freed and `place` does not change.
//!
//! - **Tenure.** `tenure` says who may make the address of a slot null or not null, and advance
//!   `place`: the one thread that is making the pool, or the one that is ending it. In a forked child
//!   what a thread that did not come along had begun is undone.

use crate::Native;
use crate::code::extram_code::{self, EXTRAM_BUSY, EXTRAM_INVALID, EXTRAM_TOO_MANY};
use crate::handle::{Place, SLOTS, extram_pool};
#[cfg(all(feature = "std", any(unix, test)))]
use crate::note;
use crate::note::{Note, Noted, Notes, Said};
use crate::runtime::Foreign;
use crate::seat;
use extram_core::Port;
use extram_core::sync::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, fence};

/// A pool of C's.
pub(crate) type Pool = extram_core::Pool<Foreign, Native>;

/// In the address of a pool: it is being ended.
const MARK: usize = 1;

#[cfg_attr(feature = "std", repr(align(64)))]
pub(crate) struct Slot<T> {
    /// Null when free, or being made; with [`MARK`] between a and c.
    pool: AtomicPtr<T>,
    /// Calls at work that have no note.
    count: AtomicUsize,
    /// The number of the place of the pool that is here, or is to be next; 0 = the first.
    place: AtomicUsize,
    tenure: Tenure,
    /// `extram_pool_close` has succeeded.
    closed: AtomicBool,
}

/// What becomes of a slot, and in whose hands that is: one of the states below, with the token of
/// the thread in the last two.
struct Tenure(AtomicUsize);

/// Nobody's.
const FREE: usize = 0;
/// There is a pool.
const LET: usize = 1;
/// With a token: that thread makes a pool.
const MAKING: usize = 2;
/// With a token: that thread ends the pool.
const ENDING: usize = 3;

/// The bits of a state: a token has zeros there (`Port`'s Token).
const STATES: usize = 0b1111;

impl Tenure {
    /// `FREE` to `MAKING`.
    fn claim(&self, token: usize) -> bool {
        // Acquire: partner of the release in `vacate`; what the last tenant did comes before.
        let claimed = self.0.compare_exchange(FREE, token | MAKING, Ordering::Acquire, Ordering::Relaxed);
        claimed.is_ok()
    }

    /// `LET` to `ENDING`.
    fn begin_ending(&self, token: usize) -> Result<(), extram_code> {
        // Acquire: partner of the release in `let_it`.
        match self.0.compare_exchange(LET, token | ENDING, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => Ok(()),
            Err(state) if state & STATES == ENDING => Err(EXTRAM_BUSY),
            Err(_) => Err(EXTRAM_INVALID),
        }
    }

    /// The pool is there, or stays.
    fn let_it(&self) {
        self.0.store(LET, Ordering::Release);
    }

    /// Others may claim it.
    fn vacate(&self) {
        self.0.store(FREE, Ordering::Release);
    }

    /// In a forked child: the state in which a thread that did not come along has left it.
    #[cfg(all(feature = "std", any(unix, test)))]
    fn orphaned(&self, token: usize) -> Option<usize> {
        // Relaxed: one thread.
        let now = self.0.load(Ordering::Relaxed);
        (now & !STATES != 0 && now & !STATES != token).then_some(now & STATES)
    }
}

impl<T> Slot<T> {
    const fn new() -> Self {
        Slot {
            pool: AtomicPtr::new(core::ptr::null_mut()),
            count: AtomicUsize::new(0),
            place: AtomicUsize::new(0),
            tenure: Tenure(AtomicUsize::new(FREE)),
            closed: AtomicBool::new(false),
        }
    }

    #[inline]
    fn is(&self, place: Place) -> bool {
        // Relaxed: it does not change where the answer matters (Tenancy, Tenure).
        self.place.load(Ordering::Relaxed) == place.number()
    }

    /// The pool's address, without a mark. For a thread that has said that it is at work.
    #[inline]
    fn address(&self) -> *mut T {
        // Acquire: partner of the release in `fill`; the pool is complete and so is `place`.
        let pool = self.pool.load(Ordering::Acquire);
        if pool.addr() & MARK == 0 { pool } else { self.take_mark_off(pool) }
    }

    #[cold]
    fn take_mark_off(&self, mut pool: *mut T) -> *mut T {
        while pool.addr() & MARK != 0 {
            let unmarked = pool.map_addr(|address| address & !MARK);
            // Acquire, both: as above. If it fails, somebody else took it off, or the pool is gone.
            match self.pool.compare_exchange(pool, unmarked, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => return unmarked,
                Err(other) => pool = other,
            }
        }
        pool
    }

    /// The next pool here is another tenant's.
    fn vacate(&self, place: Place) {
        // Relaxed: published by the release in `Tenure::vacate`.
        self.place.store(place.next().number(), Ordering::Relaxed);
        self.tenure.vacate();
    }

    /// The place of the pool that is here, or is to be next. For whoever has the tenure.
    fn now(&self, slot: usize) -> Place {
        // Relaxed: ours (Tenure).
        Place::from_number(self.place.load(Ordering::Relaxed)).unwrap_or(Place::first(slot))
    }

    #[cfg(all(feature = "std", any(unix, test)))]
    fn in_child(&self, slot: usize, token: usize) {
        // Relaxed, all: one thread.
        note::count_own(&self.count);
        let pool = self.pool.load(Ordering::Relaxed).map_addr(|address| address & !MARK);
        match self.tenure.orphaned(token) {
            // Nobody has been told of a pool in the making. What it has in memory is lost.
            Some(MAKING) => {
                self.pool.store(core::ptr::null_mut(), Ordering::Relaxed);
                self.vacate(self.now(slot));
            }
            // Taken out of the registry already.
            Some(ENDING) if pool.is_null() => self.vacate(self.now(slot)),
            Some(ENDING) => {
                self.pool.store(pool, Ordering::Relaxed);
                self.tenure.let_it();
            }
            _ => {}
        }
    }
}

pub(crate) struct Registry<T: 'static> {
    slots: [Slot<T>; SLOTS],
    notes: Notes,
}

static REGISTRY: Registry<Pool> = Registry::new();

/// A call at work on the pool of a slot.
pub(crate) struct AtWork<T: 'static = Pool> {
    pub(crate) pool: &'static T,
    pub(crate) place: Place,
    _said: Said,
}

/// The pool in that place, if that tenant is still there.
#[inline(always)]
pub(crate) fn find(place: Place) -> Option<AtWork> {
    REGISTRY.find(place, seat::note(&REGISTRY.notes))
}

/// Whether the pool in the slot is that one, and stays, for a thread that has a note. `None` also if another
/// way is to be taken.
#[inline(always)]
pub(crate) fn stays(pool: *mut extram_pool, slot: &'static Slot<Pool>, note: &'static Note) -> Option<Noted> {
    let noted = Noted::begin(note, slot)?;
    // Acquire: as in `address`.
    let there = slot.pool.load(Ordering::Acquire).addr();
    if there & MARK != 0 || slot.place.load(Ordering::Relaxed) != pool.addr() || there == 0 {
        return None;
    }
    Some(noted)
}

/// The slot of the pool that a call is at work on.
pub(crate) fn slot(at_work: &AtWork) -> &'static Slot<Pool> {
    &REGISTRY.slots[at_work.place.slot()]
}

/// The pool in whose M the calling thread sits ([`seat`]).
///
/// # Safety
///
/// The thread is inside a call with an M of the pool in that place.
#[inline(always)]
pub(crate) unsafe fn seated(place: Place) -> AtWork {
    let slot = &REGISTRY.slots[place.slot()];
    let said = Said::begin(seat::note(&REGISTRY.notes), &slot.count, slot);
    // SAFETY: by the caller's promise the pool is there now, since it is not closed while somebody is
    // inside; and it stays while `said` stands: that was stored before the call ends, and `evict` looks
    // for it after it has seen that the pool is closed.
    let pool = unsafe { &*slot.address() };
    AtWork { pool, place, _said: said }
}

/// Finds a place for a pool.
pub(crate) fn vacant() -> Result<Vacant, extram_code> {
    #[cfg(all(feature = "std", unix))]
    crate::fork::watch()?;
    REGISTRY.notes.settle(|| Native::HAS_HEAVY_BARRIER && Native::heavy_barrier_init());
    REGISTRY.claim(Native::thread_token())
}

/// Takes a closed pool out of the registry and hands its address over. Nobody is at work on it, and
/// nobody finds it any more.
pub(crate) fn evict(place: Place) -> Result<*mut Pool, extram_code> {
    REGISTRY.evict(place, Native::thread_token(), Native::heavy_barrier)
}

/// In a forked child, on its only thread.
#[cfg(all(feature = "std", unix))]
pub(crate) fn in_child() {
    REGISTRY.in_child(Native::thread_token());
}

impl AtWork {
    /// The pool has been closed to the end.
    pub(crate) fn set_closed(&self) {
        // Release: partner of the acquire in `evict`, which then finds what those have said who were
        // inside (`seated`).
        REGISTRY.slots[self.place.slot()].closed.store(true, Ordering::Release);
    }
}

/// A place that nobody has yet.
pub(crate) struct Vacant<T: 'static = Pool> {
    pub(crate) place: Place,
    slot: &'static Slot<T>,
}

impl<T> Vacant<T> {
    /// From now on `find` finds the pool, which is there until `evict` hands the pointer back.
    pub(crate) fn fill(self, pool: *mut T) {
        // Relaxed: published by the release below.
        self.slot.closed.store(false, Ordering::Relaxed);
        // Release: partner of the acquire in `address`.
        self.slot.pool.store(pool, Ordering::Release);
        self.slot.tenure.let_it();
        core::mem::forget(self);
    }
}

impl<T> Drop for Vacant<T> {
    fn drop(&mut self) {
        self.slot.tenure.vacate();
    }
}

/// An end that comes to nothing: the pool stays.
struct Ending<'a>(&'a Tenure);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.let_it();
    }
}

impl<T> Registry<T> {
    const fn new() -> Self {
        Registry { slots: [const { Slot::new() }; SLOTS], notes: Notes::new() }
    }

    #[inline(always)]
    fn find(&'static self, place: Place, note: Option<&'static Note>) -> Option<AtWork<T>> {
        let slot = &self.slots[place.slot()];
        let said = Said::begin(note, &slot.count, slot);
        // SAFETY: not freed while `said` stands (Tenancy), which goes with the reference in `AtWork`.
        let pool = unsafe { slot.address().as_ref() }?;
        slot.is(place).then_some(AtWork { pool, place, _said: said })
    }

    fn claim(&'static self, token: usize) -> Result<Vacant<T>, extram_code> {
        let claimed = self.slots.iter().position(|slot| slot.tenure.claim(token));
        let number = claimed.ok_or(EXTRAM_TOO_MANY)?;
        let slot = &self.slots[number];
        let place = slot.now(number);
        // Relaxed: published by the release in `fill`.
        slot.place.store(place.number(), Ordering::Relaxed);
        Ok(Vacant { place, slot })
    }

    fn evict(
        &'static self,
        place: Place,
        token: usize,
        heavy_barrier: impl FnOnce() -> bool,
    ) -> Result<*mut T, extram_code> {
        let slot = &self.slots[place.slot()];
        if !slot.is(place) {
            return Err(EXTRAM_INVALID);
        }
        slot.tenure.begin_ending(token)?;
        let ending = Ending(&slot.tenure);
        // Again: now it does not change any more (Tenure).
        if !slot.is(place) {
            return Err(EXTRAM_INVALID);
        }
        // Acquire: partner of the release in `set_closed`.
        if !slot.closed.load(Ordering::Acquire) {
            return Err(EXTRAM_BUSY);
        }
        // Acquire and release: what `fill` published goes on through this to `address`.
        let pool = slot.pool.load(Ordering::Acquire);
        let marked = pool.map_addr(|address| address | MARK);
        slot.pool.store(marked, Ordering::Release);
        // For the count; partner of the fence in `Said::count`.
        fence(Ordering::SeqCst);
        // For the notes, the heavy side; partner of the compiler fence in `Said::begin`.
        let ordered = !self.notes.in_use() || heavy_barrier();
        // Acquire: partner of the releases when the work was over.
        let at_work = self.notes.name(slot) || slot.count.load(Ordering::Acquire) != 0;
        let ended = ordered && !at_work && slot.closed.load(Ordering::Relaxed);
        let then = if ended { core::ptr::null_mut() } else { pool };
        // An exchange: if the mark is gone, a call that came later has taken it off and is at work.
        // Relaxed: who finds null reads nothing, and the pool was published before.
        let exchanged = slot.pool.compare_exchange(marked, then, Ordering::Relaxed, Ordering::Relaxed);
        if !ended || exchanged.is_err() {
            return Err(EXTRAM_BUSY);
        }
        core::mem::forget(ending);
        slot.vacate(place);
        Ok(pool)
    }

    #[cfg(all(feature = "std", any(unix, test)))]
    fn in_child(&self, token: usize) {
        self.notes.in_child(token);
        self.slots.iter().enumerate().for_each(|(number, slot)| slot.in_child(number, token));
    }
}

#[cfg(all(test, feature = "std"))]
mod tests;
