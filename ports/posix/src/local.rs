//! One thread-local word per pool, with a hook that runs when a thread exits.
//!
//! **Where the word is.** In the pool's pair of words of the thread's ELF TLS block; if all pairs
//! are taken, or the processor is not known to `extram-elf-tls`, under a POSIX key.
//!
//! **The hook** is the destructor of a POSIX key. The C library clears a key's value before it
//! calls the destructor and gives up after a few rounds. Each open pool has one of `SLOTS`, and
//! each slot a destructor of its own, so a destructor that the C library calls late, when its pool
//! is closed, finds an empty slot and touches nothing else.
//!
//! **After the hook.** Nobody knows whether the C library makes another round, so an M that was
//! bound then might never come home. A thread whose hook has run for one pool is therefore marked
//! in its block, and none of its later entries, to whatever pool, is promised a hook: the M comes
//! home at the end of each call. What the mark cannot tell is a thread that has had no hook at all:
//! if its very first entry is made in a destructor that the C library calls in its last round,
//! after ours, the M stays with the dead thread until the pool is closed.
//!
//! Where there is no block to be marked, the key's value is put back instead, for as many rounds as
//! the C library makes. FreeBSD's reports each such thread on its standard error, as it does with
//! whatever is left under a key; the block is there on all its processors that are supported.
//!
//! Invariant Slot: `running` is raised before `local` is read, and `close` changes `local` before it
//! reads `running`, all sequentially consistent; so either the destructor sees the slot closed, or
//! `close` sees it running and waits. Only then does it give up the key, whose number somebody else
//! may get at once, and the slot. A destructor that the C library has decided on before the
//! key was deleted, and calls after, finds no pool, or another one that has the slot by then; the
//! value that it brings from under the old key is not one of that pool's, which `at_exit` notices.

use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use extram_core::{AtExit, Refused};
use extram_elf_tls::Place;

/// How many pools can be open with a hook at once.
const SLOT_COUNT: usize = 64;

pub(crate) struct Slot {
    /// The pool's `Local`, with [`CLOSING`] added to its address while the pool is being closed, or
    /// null.
    local: AtomicPtr<Local>,
    /// The POSIX key plus one, for whoever closes the pool. 0 = none.
    key: AtomicU32,
    /// Destructors between their first and last look at `local`.
    running: AtomicUsize,
}

/// In the address that a slot holds: the pool is being closed.
const CLOSING: usize = 1;

impl Slot {
    const fn free() -> Self {
        Slot {
            local: AtomicPtr::new(core::ptr::null_mut()),
            key: AtomicU32::new(0),
            running: AtomicUsize::new(0),
        }
    }

    /// The open pool's.
    fn open(&self) -> Option<&'static Local> {
        let local = self.local.load(Ordering::SeqCst);
        // SAFETY: null or what `Local::open` stored, whose lifetime does not end.
        if local.addr() & CLOSING != 0 { None } else { unsafe { local.as_ref() } }
    }

    /// Whether the pool is open.
    #[cfg(test)]
    pub(crate) fn is_open(&self) -> bool {
        self.open().is_some()
    }

    /// Stands for a destructor that is running, until it is dropped.
    #[cfg(test)]
    pub(crate) fn hold_up(&self) -> impl Drop + '_ {
        struct Running<'a>(&'a Slot);
        impl Drop for Running<'_> {
            fn drop(&mut self) {
                self.0.running.fetch_sub(1, Ordering::Release);
            }
        }
        self.running.fetch_add(1, Ordering::SeqCst);
        Running(self)
    }

    /// Whether it is taken by this one.
    fn holds(&self, local: &Local) -> bool {
        let held = self.local.load(Ordering::SeqCst).map_addr(|address| address & !CLOSING);
        core::ptr::eq(held, local)
    }

    /// The pool's that is open or is being closed. Not while other threads close pools.
    pub(crate) fn taken(&self) -> Option<&'static Local> {
        let local = self.local.load(Ordering::SeqCst).map_addr(|address| address & !CLOSING);
        // SAFETY: as above; the slot is emptied before `Local::close` returns.
        unsafe { local.as_ref() }
    }
}

/// Where the search for a free slot begins.
static NEXT_SLOT: AtomicUsize = AtomicUsize::new(0);

pub(crate) static SLOTS: [Slot; SLOT_COUNT] = [const { Slot::free() }; SLOT_COUNT];

/// How many forks this process is away from the first one.
static FORKS: AtomicUsize = AtomicUsize::new(0);

/// In a forked child: threads that were running a destructor have vanished, and `close` does not
/// wait for them. Nor for this one, should it have forked in a destructor.
pub(crate) fn forget_running() {
    // Relaxed: one thread.
    FORKS.fetch_add(1, Ordering::Relaxed);
    for slot in &SLOTS {
        slot.running.store(0, Ordering::Relaxed);
    }
}

/// [`Port::fork_hook`](extram_core::Port::fork_hook)'s repair.
type Hook = unsafe extern "C" fn(*mut ());
type Destructor = unsafe extern "C" fn(*mut libc::c_void);

/// A pool's thread-local word.
#[derive(Debug)]
pub struct Local {
    /// Which pair of the block; nowhere if the key holds the word.
    place: Place,
    /// Tells this opening from earlier ones; shifted left by two, with [`HOOKED`]. [`NOT_OPEN`]
    /// is what no pair ever holds.
    hooked: AtomicUsize,
    /// The POSIX key plus one. 0 = none.
    key: AtomicU32,
    at_exit: AtomicPtr<()>,
    repair: AtomicPtr<()>,
    pool: AtomicPtr<()>,
}

const NOT_OPEN: usize = usize::MAX;

/// In a pair's incarnation: the thread's hook is set.
const HOOKED: usize = 1;

impl Local {
    /// Not open yet: [`Port::LOCAL`](extram_core::Port::LOCAL).
    pub const fn closed() -> Self {
        Local {
            place: Place::nowhere(),
            hooked: AtomicUsize::new(NOT_OPEN),
            key: AtomicU32::new(0),
            at_exit: AtomicPtr::new(core::ptr::null_mut()),
            repair: AtomicPtr::new(core::ptr::null_mut()),
            pool: AtomicPtr::new(core::ptr::null_mut()),
        }
    }

    /// [`Port::tls_open`](extram_core::Port::tls_open).
    ///
    /// # Errors
    ///
    /// No slot or no key is left.
    pub fn open(&'static self, pool: *mut (), at_exit: AtExit) -> Result<(), Refused> {
        self.pool.store(pool, Ordering::Relaxed);
        self.at_exit.store(at_exit as *mut (), Ordering::Relaxed);
        self.repair.store(core::ptr::null_mut(), Ordering::Relaxed);
        let this = core::ptr::from_ref(self).cast_mut();
        let free = |slot: &usize| {
            let null = core::ptr::null_mut();
            SLOTS[*slot].local.compare_exchange(null, this, Ordering::SeqCst, Ordering::Relaxed).is_ok()
        };
        // Relaxed: two that begin at the same slot do not get the same.
        let first = NEXT_SLOT.fetch_add(1, Ordering::Relaxed);
        let slot = (0..SLOT_COUNT).map(|slot| first.wrapping_add(slot) % SLOT_COUNT).find(free);
        let slot = slot.ok_or(Refused)?;
        let mut key: libc::pthread_key_t = 0;
        // SAFETY: a valid place for the key, and a destructor that lives as long as this library.
        if unsafe { libc::pthread_key_create(&mut key, Some(DESTRUCTORS[slot])) } != 0 {
            SLOTS[slot].local.store(core::ptr::null_mut(), Ordering::SeqCst);
            return Err(Refused);
        }
        let incarnation = if extram_elf_tls::AVAILABLE { extram_elf_tls::next_incarnation() } else { 1 };
        self.place.claim(incarnation);
        SLOTS[slot].key.store(key as u32 + 1, Ordering::Relaxed);
        // Relaxed, here and below: published by the pool's opening of its list. A thread that comes
        // earlier finds no word, or one that nobody has written.
        self.key.store(key as u32 + 1, Ordering::Relaxed);
        self.hooked.store(incarnation << 2 | HOOKED, Ordering::Relaxed);
        Ok(())
    }

    /// [`Port::tls_close`](extram_core::Port::tls_close).
    pub fn close(&'static self) {
        self.hooked.store(NOT_OPEN, Ordering::Relaxed);
        self.key.store(0, Ordering::Relaxed);
        let this = core::ptr::from_ref(self).cast_mut();
        // A child that was forked in the middle of this does what is left to be done.
        let Some(slot) = SLOTS.iter().find(|slot| slot.holds(self)) else {
            return;
        };
        // Invariant Slot.
        slot.local.store(this.map_addr(|address| address | CLOSING), Ordering::SeqCst);
        while slot.running.load(Ordering::SeqCst) != 0 {
            crate::time::osyield();
        }
        match slot.key.swap(0, Ordering::Relaxed) {
            0 => {}
            // SAFETY: made by `open`, deleted once.
            key => _ = unsafe { libc::pthread_key_delete((key - 1) as libc::pthread_key_t) },
        }
        self.place.release();
        slot.local.store(core::ptr::null_mut(), Ordering::SeqCst);
    }

    /// The incarnation as a pair has it before the thread's hook is set.
    fn incarnation(&self) -> usize {
        self.hooked.load(Ordering::Relaxed) & !HOOKED
    }

    /// [`Port::tls_look`](extram_core::Port::tls_look): the word, and whether the thread's hook is
    /// known to be set. The pair that is nobody's never looks like this pool's.
    #[inline(always)]
    pub fn look(&self) -> (*mut (), bool) {
        if extram_elf_tls::AVAILABLE {
            let hooked = self.hooked.load(Ordering::Relaxed);
            let (value, differ) = self.place.with(|pair| (pair.value.get(), pair.incarnation.get() ^ hooked));
            if differ <= HOOKED {
                return (value, differ == 0);
            }
        }
        (self.get_otherwise(), false)
    }

    /// [`Port::tls_get`](extram_core::Port::tls_get).
    #[inline(always)]
    pub fn get(&self) -> *mut () {
        self.look().0
    }

    /// Under the key; or the pair is another incarnation's still.
    #[cold]
    fn get_otherwise(&self) -> *mut () {
        if self.place.is_somewhere() { core::ptr::null_mut() } else { self.get_by_key() }
    }

    fn get_by_key(&self) -> *mut () {
        match self.key.load(Ordering::Relaxed) {
            0 => core::ptr::null_mut(),
            // SAFETY: a live key of ours.
            key => unsafe { libc::pthread_getspecific((key - 1) as libc::pthread_key_t) }.cast(),
        }
    }

    /// [`Port::tls_set`](extram_core::Port::tls_set).
    ///
    /// # Errors
    ///
    /// It is not open, or the C library has no memory for the key.
    #[inline(always)]
    pub fn set(&self, value: *mut ()) -> Result<(), Refused> {
        if extram_elf_tls::AVAILABLE {
            let hooked = self.hooked.load(Ordering::Relaxed);
            let set = self.place.with(|pair| {
                let ours = pair.incarnation.get() ^ hooked <= HOOKED;
                if ours {
                    pair.value.set(value);
                }
                ours
            });
            if set {
                return Ok(());
            }
        }
        self.set_otherwise(value)
    }

    #[cold]
    fn set_otherwise(&self, value: *mut ()) -> Result<(), Refused> {
        if !self.place.is_somewhere() {
            return self.set_by_key(value);
        }
        self.place.with(|pair| {
            // First the value, so that nobody takes the old one for this pool's.
            pair.value.set(core::ptr::null_mut());
            pair.incarnation.set(self.incarnation());
            pair.value.set(value);
        });
        Ok(())
    }

    fn set_by_key(&self, value: *mut ()) -> Result<(), Refused> {
        match self.key.load(Ordering::Relaxed) {
            0 => Err(Refused),
            // SAFETY: a live key of ours; the value is stored, not read.
            key => match unsafe { libc::pthread_setspecific((key - 1) as libc::pthread_key_t, value.cast()) }
            {
                0 => Ok(()),
                _ => Err(Refused),
            },
        }
    }

    /// [`Port::exit_hook`](extram_core::Port::exit_hook).
    #[cold]
    pub fn exit_hook(&'static self) -> bool {
        let _errno = crate::errno::Preserved::new();
        let hooked = self.hooked.load(Ordering::Relaxed);
        if !self.place.is_somewhere() {
            // The key that holds the word has the destructor.
            return self.key.load(Ordering::Relaxed) != 0 && !exiting();
        }
        let was = self.place.with(|pair| pair.incarnation.get());
        if was == hooked {
            return true;
        }
        if exiting() {
            return false;
        }
        let key = (self.key.load(Ordering::Relaxed) - 1) as libc::pthread_key_t;
        // SAFETY: a live key of ours. The value only has to differ from null.
        if unsafe { libc::pthread_setspecific(key, core::ptr::from_ref(self).cast()) } != 0 {
            return false;
        }
        self.place.with(|pair| {
            if was & !HOOKED != self.incarnation() {
                pair.value.set(core::ptr::null_mut());
            }
            pair.incarnation.set(hooked);
        });
        true
    }

    pub(crate) fn set_repair(&self, repair: Hook, pool: *mut ()) {
        self.pool.store(pool, Ordering::Relaxed);
        self.repair.store(repair as *mut (), Ordering::Release);
    }

    pub(crate) fn repair(&self) -> Option<(Hook, *mut ())> {
        let repair = self.repair.load(Ordering::Acquire);
        // SAFETY: null or what `set_repair` stored.
        let repair: Option<Hook> = unsafe { core::mem::transmute(repair) };
        Some((repair?, self.pool.load(Ordering::Relaxed)))
    }

    /// The hook has come for this thread.
    fn run_at_exit(&self, key_value: *mut ()) {
        let by_key = !self.place.is_somewhere();
        if by_key && !self.get_by_key().is_null() {
            // The C library clears a key before it calls: this is about a key that is gone.
            return;
        }
        if extram_elf_tls::AVAILABLE {
            extram_elf_tls::with(|block| block.exiting.set(1));
        }
        let value = if by_key {
            key_value
        } else {
            let value = self.get();
            self.place.with(|pair| {
                pair.value.set(value);
                pair.incarnation.set(self.incarnation());
            });
            value
        };
        if !value.is_null() {
            // SAFETY: what `open` stored.
            let at_exit: AtExit = unsafe { core::mem::transmute(self.at_exit.load(Ordering::Relaxed)) };
            // SAFETY: the thread's own value, and the pool is open (Invariant Slot).
            unsafe { at_exit(self.pool.load(Ordering::Relaxed), value) };
        }
        if by_key && extram_elf_tls::AVAILABLE {
            // The block says what the hook has left behind; the C library has nothing to complain of.
            let _ = self.set_by_key(core::ptr::null_mut());
        }
    }
}

/// Whether the calling thread is known to be in its last moments: its hook has run for some pool.
fn exiting() -> bool {
    extram_elf_tls::AVAILABLE && extram_elf_tls::with(|block| block.exiting.get() != 0)
}

unsafe extern "C" fn destructor<const SLOT: usize>(key_value: *mut libc::c_void) {
    let _errno = crate::errno::Preserved::new();
    let slot = &SLOTS[SLOT];
    // Relaxed: changed by this thread alone, if it forks in here.
    let forks = FORKS.load(Ordering::Relaxed);
    // Invariant Slot.
    slot.running.fetch_add(1, Ordering::SeqCst);
    if let Some(local) = slot.open() {
        local.run_at_exit(key_value.cast());
    }
    if FORKS.load(Ordering::Relaxed) == forks {
        // Release: partner of the load in `close`.
        slot.running.fetch_sub(1, Ordering::Release);
    }
}

macro_rules! destructors {
    ($($tens:literal)*) => {
        [$(
            destructor::<$tens>, destructor::<{ $tens + 1 }>, destructor::<{ $tens + 2 }>,
            destructor::<{ $tens + 3 }>, destructor::<{ $tens + 4 }>, destructor::<{ $tens + 5 }>,
            destructor::<{ $tens + 6 }>, destructor::<{ $tens + 7 }>,
        )*]
    };
}

static DESTRUCTORS: [Destructor; SLOT_COUNT] = destructors!(0 8 16 24 32 40 48 56);
