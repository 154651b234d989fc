//! Every pool that C has made, by slot; and how a pool is freed while others may be using it.
//!
//! A function that was given a handle reads the pool's address from the slot and works on the pool;
//! another thread may free that pool at any moment. A counter in the slot would settle it, at two
//! locked instructions per call on a line that all threads share, five times what re-entry costs.
//! So there are two ways of saying "I am at work on the pool in this slot":
//!
//! - **A note.** Each thread has a [`Note`], found by a hash of its token: it stores the slot's
//!   number, reads the pool's address, works, and clears the note. `free` empties the slot, runs a
//!   heavy barrier ([`Port::heavy_barrier`]), and reads all notes. Either the thread's read finds
//!   the slot empty or the reading of notes finds the thread: the compiler fence between the two
//!   accesses of the thread pairs with the heavy barrier between those of `free`.
//! - **The count** of the slot, where a note will not do: the note belongs to another thread with
//!   the same hash, it is taken by a call for another slot that this one is nested in (a handler, a
//!   function of the configuration), or the system has no heavy barrier.
//!
//! `free` never waits for a thread at work: it puts the address back and says
//! [`EXTRAM_BUSY`](crate::extram_code::EXTRAM_BUSY).
//!
//! Invariant Tenancy: while a note or the count names a slot and the address read after that was
//! not null, the pool at this address is not freed and `tenant` does not change.

use crate::Native;
use crate::code::extram_code::{self, EXTRAM_BUSY, EXTRAM_INVALID, EXTRAM_NO_MEMORY};
use crate::handle::{Place, SLOTS, tenant};
use crate::runtime::Foreign;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, compiler_fence, fence};
use extram_core::Port;

/// A pool of C's.
pub(crate) type Pool = extram_core::Pool<Foreign, Native>;
/// A call of C's.
pub(crate) type Entered = extram_core::Entered<Foreign, Native>;

struct Slot {
    /// Null when free, being made, or being freed.
    pool: AtomicPtr<Pool>,
    /// Calls at work that have no note.
    count: AtomicUsize,
    /// Counts the pools that were here.
    tenant: AtomicUsize,
    taken: AtomicBool,
    /// `extram_pool_close` has succeeded.
    closed: AtomicBool,
}

static REGISTRY: [Slot; SLOTS] = [const {
    Slot {
        pool: AtomicPtr::new(core::ptr::null_mut()),
        count: AtomicUsize::new(0),
        tenant: AtomicUsize::new(0),
        taken: AtomicBool::new(false),
        closed: AtomicBool::new(false),
    }
}; SLOTS];

/// What one thread is at work on. A line of its own, so that nobody else writes there.
#[repr(align(64))]
struct Note {
    /// The token of the thread that it belongs to. Kept for ever: no two living threads share a
    /// token, so a later thread with the same one takes the note over.
    owner: AtomicUsize,
    /// The slot plus one; 0 = nothing. Written by the owner alone.
    slot: AtomicUsize,
}

const NOTES_LOG: u32 = if cfg!(feature = "std") { 10 } else { 1 };

static NOTES: [Note; 1 << NOTES_LOG] =
    [const { Note { owner: AtomicUsize::new(0), slot: AtomicUsize::new(0) } }; 1 << NOTES_LOG];

/// Whether notes do: there is a heavy barrier.
static NOTED: AtomicBool = AtomicBool::new(false);

/// The calling thread's note, if it has one.
#[inline]
fn note() -> Option<&'static Note> {
    // Relaxed: settled before the first pool was made.
    if !NOTED.load(Ordering::Relaxed) {
        return None;
    }
    let token = Native::thread_token();
    // Fibonacci hashing: the tokens of neighbouring threads differ in few bits.
    let hash = ((token >> 4) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - NOTES_LOG);
    let note = &NOTES[hash as usize];
    // Relaxed, and in the exchange: only equality with this thread's own token matters.
    match note.owner.load(Ordering::Relaxed) {
        owner if owner == token => Some(note),
        0 => {
            let claimed = note.owner.compare_exchange(0, token, Ordering::Relaxed, Ordering::Relaxed);
            claimed.is_ok().then_some(note)
        }
        _ => None,
    }
}

/// A call at work on the pool of a slot.
pub(crate) struct AtWork {
    pub(crate) pool: &'static Pool,
    pub(crate) place: Place,
    said: Said,
}

enum Said {
    Noted(&'static Note),
    Counted(&'static Slot),
    /// A call that this one is nested in has said it.
    Already,
}

impl Said {
    #[inline]
    fn begin(slot: usize) -> Said {
        if let Some(note) = note() {
            // Relaxed: this thread's own.
            match note.slot.load(Ordering::Relaxed) {
                0 => {
                    note.slot.store(slot + 1, Ordering::Relaxed);
                    // The light side; partner of the heavy barrier in `free`.
                    compiler_fence(Ordering::SeqCst);
                    return Said::Noted(note);
                }
                same if same == slot + 1 => return Said::Already,
                _ => {}
            }
        }
        Said::count(slot)
    }

    #[cold]
    fn count(slot: usize) -> Said {
        let slot = &REGISTRY[slot];
        slot.count.fetch_add(1, Ordering::Relaxed);
        // Partner of the fence in `free`: it sees the count, or we see the slot empty.
        fence(Ordering::SeqCst);
        Said::Counted(slot)
    }
}

impl Drop for Said {
    #[inline]
    fn drop(&mut self) {
        match self {
            // Release, in both: partner of the acquire in `free`; the work comes before.
            Said::Noted(note) => note.slot.store(0, Ordering::Release),
            Said::Counted(slot) => {
                // Not below 0: a forked child has forgotten the calls that it was forked from.
                let less = |count: usize| count.checked_sub(1);
                let _ = slot.count.fetch_update(Ordering::Release, Ordering::Relaxed, less);
            }
            Said::Already => {}
        }
    }
}

/// The pool in that place, if that tenant is still there.
#[inline]
pub(crate) fn find(place: Place) -> Option<AtWork> {
    let said = Said::begin(place.slot);
    let slot = &REGISTRY[place.slot];
    // Acquire: partner of the release in `Vacant::fill`; the pool is complete and so is `tenant`.
    let pool = slot.pool.load(Ordering::Acquire);
    // SAFETY: not freed while `said` stands (Tenancy), which goes with the reference in `AtWork`.
    let pool = unsafe { pool.as_ref() }?;
    // Relaxed: does not change now (Tenancy).
    if tenant(slot.tenant.load(Ordering::Relaxed)) != place.tenant {
        return None;
    }
    Some(AtWork { pool, place, said })
}

impl AtWork {
    /// The pool has been closed to the end.
    pub(crate) fn closed(&self) {
        REGISTRY[self.place.slot].closed.store(true, Ordering::Relaxed);
    }

    /// No more at work.
    pub(crate) fn done(self) {
        drop(self.said);
    }
}

/// A place that nobody has yet.
pub(crate) struct Vacant {
    pub(crate) place: Place,
    filled: bool,
}

/// Finds a place for a pool.
pub(crate) fn vacant() -> Result<Vacant, extram_code> {
    prepare();
    // Acquire and the releases of `taken`: what the last tenant did comes before.
    let free = |slot: &Slot| !slot.taken.swap(true, Ordering::Acquire);
    let slot = REGISTRY.iter().position(free).ok_or(EXTRAM_NO_MEMORY)?;
    let tenant = tenant(REGISTRY[slot].tenant.load(Ordering::Relaxed));
    Ok(Vacant { place: Place { slot, tenant }, filled: false })
}

impl Vacant {
    /// From now on `find` finds the pool.
    pub(crate) fn fill(mut self, pool: &'static Pool) {
        self.filled = true;
        let slot = &REGISTRY[self.place.slot];
        slot.closed.store(false, Ordering::Relaxed);
        // Release: partner of the acquire in `find`.
        slot.pool.store((&raw const *pool).cast_mut(), Ordering::Release);
    }
}

impl Drop for Vacant {
    fn drop(&mut self) {
        if !self.filled {
            REGISTRY[self.place.slot].taken.store(false, Ordering::Release);
        }
    }
}

/// Takes a closed pool out of the registry and hands its address over. Nobody is at work on it, and
/// nobody finds it any more.
pub(crate) fn evict(place: Place) -> Result<*mut Pool, extram_code> {
    let slot = &REGISTRY[place.slot];
    let at_work = find(place).ok_or(EXTRAM_INVALID)?;
    if !slot.closed.load(Ordering::Relaxed) {
        return Err(EXTRAM_BUSY);
    }
    if matches!(at_work.said, Said::Already) {
        // A function of the configuration is trying to free its own pool.
        return Err(EXTRAM_BUSY);
    }
    // Of several threads in here one empties the slot. Acquire: as in `find`.
    let pool = slot.pool.swap(core::ptr::null_mut(), Ordering::Acquire);
    at_work.done();
    if pool.is_null() {
        return Err(EXTRAM_INVALID);
    }
    // The heavy side, and for the counters an ordinary one; partners in `Said`.
    fence(Ordering::SeqCst);
    if NOTED.load(Ordering::Relaxed) {
        Native::heavy_barrier();
    }
    // Acquire: partner of the releases when the work was over.
    let noted = NOTES.iter().any(|note| note.slot.load(Ordering::Acquire) == place.slot + 1);
    if noted || slot.count.load(Ordering::Acquire) != 0 {
        slot.pool.store(pool, Ordering::Release);
        return Err(EXTRAM_BUSY);
    }
    slot.tenant.fetch_add(1, Ordering::Relaxed);
    slot.taken.store(false, Ordering::Release);
    Ok(pool)
}

/// Before the first pool is made.
#[cfg(feature = "std")]
fn prepare() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        NOTED.store(Native::heavy_barrier_init(), Ordering::Relaxed);
        // SAFETY: a function of this library, which the C library forgets when it is unloaded.
        unsafe { libc::pthread_atfork(None, None, Some(in_forked_child)) };
    });
}

#[cfg(not(feature = "std"))]
fn prepare() {}

/// The threads that are not in the child are not at work there.
#[cfg(feature = "std")]
unsafe extern "C" fn in_forked_child() {
    let token = Native::thread_token();
    for note in &NOTES {
        if note.owner.load(Ordering::Relaxed) != token {
            note.slot.store(0, Ordering::Relaxed);
        }
    }
    for slot in &REGISTRY {
        slot.count.store(0, Ordering::Relaxed);
    }
}
