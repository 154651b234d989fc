//! One thread-local word per pool, with a hook that runs when a thread exits.
//!
//! **Where the word is.** In the pool's pair of words of the thread's ELF TLS block; if all pairs
//! are taken, or the processor is not known to `extram-elf-tls`, under a POSIX key.
//!
//! **The hook** is the destructor of a POSIX key. The C library clears a key's value before it
//! calls the destructor and gives up after a few rounds. Each open pool has one of [`SLOTS`], and
//! each slot a destructor of its own, so a destructor that the C library calls late, when its pool
//! is closed, finds an empty slot and touches nothing else.
//!
//! Invariant Slot: `running` is raised before `local` is read, and `close` clears `local` before it
//! reads `running`, all sequentially consistent; so either the destructor sees the slot empty, or
//! `close` sees it running and waits.

use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use extram_core::Refused;
use extram_elf_tls::with;

/// How many pools can be open with a hook at once.
const SLOT_COUNT: usize = 64;

pub(crate) struct Slot {
    /// The open pool's `Local`, or null.
    pub(crate) local: AtomicPtr<Local>,
    /// Destructors between their first and last look at `local`.
    running: AtomicUsize,
}

pub(crate) static SLOTS: [Slot; SLOT_COUNT] =
    [const { Slot { local: AtomicPtr::new(core::ptr::null_mut()), running: AtomicUsize::new(0) } };
        SLOT_COUNT];

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

type Hook = unsafe extern "C" fn(*mut ());
type Destructor = unsafe extern "C" fn(*mut libc::c_void);

/// A pool's thread-local word.
#[derive(Debug)]
pub struct Local {
    /// Which pair of the block; [`NO_PAIR`] if the key holds the word.
    pair: AtomicUsize,
    /// Tells this opening from earlier ones; shifted left by two. 0 = not open.
    incarnation: AtomicUsize,
    /// The POSIX key plus one. 0 = none.
    key: AtomicU32,
    slot: AtomicUsize,
    at_exit: AtomicPtr<()>,
    repair: AtomicPtr<()>,
    pool: AtomicPtr<()>,
}

const NO_PAIR: usize = usize::MAX;

/// In a pair's incarnation: the thread's hook is set.
const HOOKED: usize = 1;
/// In a pair's incarnation: the hook has run. It is not set again, because nobody knows whether the
/// C library makes another round.
const EXITING: usize = 2;
const BITS: usize = HOOKED | EXITING;

impl Local {
    /// Not open yet: [`Port::LOCAL`](extram_core::Port::LOCAL).
    pub const fn closed() -> Self {
        Local {
            pair: AtomicUsize::new(NO_PAIR),
            incarnation: AtomicUsize::new(0),
            key: AtomicU32::new(0),
            slot: AtomicUsize::new(0),
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
    pub fn open(&'static self, at_exit: Hook) -> Result<(), Refused> {
        self.at_exit.store(at_exit as *mut (), Ordering::Relaxed);
        self.repair.store(core::ptr::null_mut(), Ordering::Relaxed);
        let this = core::ptr::from_ref(self).cast_mut();
        let free = |slot: &Slot| {
            let null = core::ptr::null_mut();
            slot.local.compare_exchange(null, this, Ordering::SeqCst, Ordering::Relaxed).is_ok()
        };
        let slot = SLOTS.iter().position(free).ok_or(Refused)?;
        self.slot.store(slot, Ordering::Relaxed);
        let mut key: libc::pthread_key_t = 0;
        // SAFETY: a valid place for the key, and a destructor that lives as long as this library.
        if unsafe { libc::pthread_key_create(&mut key, Some(DESTRUCTORS[slot])) } != 0 {
            SLOTS[slot].local.store(core::ptr::null_mut(), Ordering::SeqCst);
            return Err(Refused);
        }
        let incarnation = if extram_elf_tls::AVAILABLE { extram_elf_tls::next_incarnation() } else { 1 };
        let pair = extram_elf_tls::claim_pair(incarnation).unwrap_or(NO_PAIR);
        self.key.store(key as u32 + 1, Ordering::Relaxed);
        self.pair.store(pair, Ordering::Relaxed);
        // Release: partner of the acquire in `get`, for a thread that comes by another way than
        // through the opened list.
        self.incarnation.store(incarnation << 2, Ordering::Release);
        Ok(())
    }

    /// [`Port::tls_close`](extram_core::Port::tls_close).
    pub fn close(&'static self) {
        if self.incarnation.swap(0, Ordering::Relaxed) == 0 {
            return;
        }
        let key = self.key.swap(0, Ordering::Relaxed) - 1;
        let slot = &SLOTS[self.slot.load(Ordering::Relaxed)];
        // Invariant Slot.
        slot.local.store(core::ptr::null_mut(), Ordering::SeqCst);
        // SAFETY: made by `open`, deleted once.
        unsafe { libc::pthread_key_delete(key as libc::pthread_key_t) };
        while slot.running.load(Ordering::SeqCst) != 0 {
            crate::time::osyield();
        }
        let pair = self.pair.swap(NO_PAIR, Ordering::Relaxed);
        if pair != NO_PAIR {
            extram_elf_tls::release_pair(pair);
        }
    }

    /// [`Port::tls_get`](extram_core::Port::tls_get).
    #[inline(always)]
    pub fn get(&self) -> *mut () {
        let pair = self.pair.load(Ordering::Relaxed);
        if pair < extram_elf_tls::PAIRS {
            // Relaxed: a value that another incarnation wrote does not match whatever is read here.
            let incarnation = self.incarnation.load(Ordering::Relaxed);
            return with(|block| {
                let pair = &block.pairs[pair];
                if pair.incarnation.get() & !BITS == incarnation {
                    pair.value.get()
                } else {
                    core::ptr::null_mut()
                }
            });
        }
        self.get_by_key()
    }

    #[cold]
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
        let pair = self.pair.load(Ordering::Relaxed);
        if pair < extram_elf_tls::PAIRS {
            let incarnation = self.incarnation.load(Ordering::Relaxed);
            with(|block| {
                let pair = &block.pairs[pair];
                if pair.incarnation.get() & !BITS != incarnation {
                    // First the value, so that nobody takes the old one for this pool's.
                    pair.value.set(core::ptr::null_mut());
                    pair.incarnation.set(incarnation);
                }
                pair.value.set(value);
            });
            return Ok(());
        }
        self.set_by_key(value)
    }

    #[cold]
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
    #[inline(always)]
    pub fn exit_hook(&'static self) -> bool {
        let pair = self.pair.load(Ordering::Relaxed);
        if pair < extram_elf_tls::PAIRS {
            let hooked = self.incarnation.load(Ordering::Relaxed) | HOOKED;
            return with(|block| block.pairs[pair].incarnation.get() == hooked) || self.set_hook(pair);
        }
        // The key that holds the word has the destructor.
        self.key.load(Ordering::Relaxed) != 0
    }

    #[cold]
    fn set_hook(&'static self, pair: usize) -> bool {
        let _errno = crate::errno::Preserved::new();
        let incarnation = self.incarnation.load(Ordering::Relaxed);
        if with(|block| block.pairs[pair].incarnation.get() == incarnation | EXITING) {
            return false;
        }
        let key = (self.key.load(Ordering::Relaxed) - 1) as libc::pthread_key_t;
        // SAFETY: a live key of ours. The value only has to differ from null.
        if unsafe { libc::pthread_setspecific(key, core::ptr::from_ref(self).cast()) } != 0 {
            return false;
        }
        with(|block| {
            let pair = &block.pairs[pair];
            if pair.incarnation.get() != incarnation {
                pair.value.set(core::ptr::null_mut());
            }
            pair.incarnation.set(incarnation | HOOKED);
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
        let pair = self.pair.load(Ordering::Relaxed);
        let value = if pair != NO_PAIR {
            let value = self.get();
            let exiting = self.incarnation.load(Ordering::Relaxed) | EXITING;
            with(|block| {
                block.pairs[pair].value.set(value);
                block.pairs[pair].incarnation.set(exiting);
            });
            value
        } else {
            // The C library has cleared it. Put back, it keeps the hook coming for as many rounds
            // as the C library makes, and entries in between find it. Except under ThreadSanitizer,
            // which forgets the thread in the last round, before this hook, and crashes when it
            // meets it again.
            if !cfg!(extram_tsan) {
                let _ = self.set(key_value);
            }
            key_value
        };
        if !value.is_null() {
            // SAFETY: what `open` stored.
            let at_exit: Hook = unsafe { core::mem::transmute(self.at_exit.load(Ordering::Relaxed)) };
            // SAFETY: the thread's own value, and the pool is open (Invariant Slot).
            unsafe { at_exit(value) };
        }
    }
}

unsafe extern "C" fn destructor<const SLOT: usize>(key_value: *mut libc::c_void) {
    let _errno = crate::errno::Preserved::new();
    let slot = &SLOTS[SLOT];
    // Relaxed: changed by this thread alone, if it forks in here.
    let forks = FORKS.load(Ordering::Relaxed);
    // Invariant Slot.
    slot.running.fetch_add(1, Ordering::SeqCst);
    // SAFETY: a registered local is alive while the slot is running.
    if let Some(local) = unsafe { slot.local.load(Ordering::SeqCst).as_ref() } {
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
