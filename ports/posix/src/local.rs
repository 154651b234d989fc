//! One thread-local word per pool, with a hook that runs when a thread ends.
//!
//! **Where the word is.** The first pools that are open have a pair of words in every thread's ELF
//! TLS block; the others, and all on processors that `extram-elf-tls` does not know, a word of the
//! thread's own memory (`words.rs`), by the number of their slot (`slot.rs`).
//!
//! **Incarnations.** Beside each value stands which opening of a pool stored it. A value that an
//! earlier pool has left behind does not match and counts as null, so that opening and closing a pool
//! need no walk over the threads.
//!
//! **The hook** is the destructor of one POSIX key for all pools (`key.rs`, `end.rs`): unlike a C++
//! thread-local destructor it does not keep a shared library from being unloaded.
//!
//! - **Word.** No two openings have the same incarnation, no pair or word holds `NOT_OPEN`, and
//!   a thread writes an incarnation only together with a value that is null or stored by it for that
//!   opening. So what matches is the thread's own value for that pool.

use crate::slot::{self, SLOTS};
use crate::{end, key, words};
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use extram_core::{Hooks, Refused};
use extram_elf_tls::{AVAILABLE, PAIRS, Pair, Place};

/// A pool's thread-local word.
#[derive(Debug)]
pub struct Local {
    /// Which pair of the block; nowhere if there is none for it.
    place: Place,
    /// The incarnation with [`HOOKED`], or [`NOT_OPEN`].
    hooked: AtomicUsize,
    /// Which slot, if it is open.
    slot: AtomicU32,
}

const NOT_OPEN: usize = usize::MAX;

/// In the incarnation beside a value: the thread's hook is set. Incarnations are multiples of four.
pub(crate) const HOOKED: usize = 1;

/// Which slot has each pair of the block. Looked at together with the incarnation in the slot.
static SLOT_OF_PAIR: [AtomicUsize; PAIRS] = [const { AtomicUsize::new(usize::MAX) }; PAIRS];

/// The slot of the pool that has that pair, or had it last.
pub(crate) fn pool_of_pair(pair: usize) -> Option<usize> {
    // Relaxed: a number.
    Some(SLOT_OF_PAIR[pair].load(Ordering::Relaxed)).filter(|&slot| slot < SLOTS.len())
}

/// The number of an opening, shifted.
fn next_incarnation() -> Result<usize, Refused> {
    /// Where there is no block.
    static LAST: AtomicUsize = AtomicUsize::new(0);
    if AVAILABLE {
        // 2^62 are enough.
        return Ok(extram_elf_tls::next_incarnation() << 2);
    }
    // With 32 bits they may run out; then no pool is opened any more (Invariant Word).
    let next = |last: usize| last.checked_add(4).filter(|&next| next < NOT_OPEN & !3);
    // Relaxed: numbers only have to differ.
    LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).map(|last| last + 4).map_err(|_| Refused)
}

impl Local {
    /// Not open yet: [`Port::LOCAL`](extram_core::Port::LOCAL).
    pub const fn closed() -> Self {
        Local { place: Place::nowhere(), hooked: AtomicUsize::new(NOT_OPEN), slot: AtomicU32::new(0) }
    }

    /// [`Port::tls_open`](extram_core::Port::tls_open). Like `close`, by one thread at a time.
    ///
    /// # Errors
    ///
    /// All slots are taken; or the system refuses the handler of forks, or, if no pair is free, the
    /// key.
    pub fn open(&'static self, pool: *mut (), hooks: &'static Hooks) -> Result<(), Refused> {
        let _errno = crate::errno::Preserved::new();
        // Whoever opened it has vanished in a fork.
        if !self.close() {
            return Err(Refused);
        }
        key::prepare()?;
        let incarnation = next_incarnation()?;
        let index = slot::claim()?;
        // Before the pair is claimed: in a child without this thread both are given up by what is in
        // the slot (Invariant Child).
        SLOTS[index].fill(incarnation, self, pool, hooks);
        if !self.take_place(incarnation, index) {
            SLOTS[index].free();
            return Err(Refused);
        }
        SLOTS[index].open();
        Ok(())
    }

    /// From now on there is a word for it; `false` if there is no pair and no key.
    fn take_place(&self, incarnation: usize, index: usize) -> bool {
        self.place.claim(incarnation);
        match self.place.index() {
            // Relaxed, here and below: published by the pool's opening of its list. A thread that
            // comes earlier finds no word, or one that nobody has written.
            Some(pair) => SLOT_OF_PAIR[pair].store(index, Ordering::Relaxed),
            None if key::is_there() => {}
            None => return false,
        }
        self.slot.store(index as u32, Ordering::Relaxed);
        self.hooked.store(incarnation | HOOKED, Ordering::Relaxed);
        true
    }

    /// [`Port::tls_close`](extram_core::Port::tls_close).
    #[must_use]
    pub fn close(&self) -> bool {
        if self.hooked.load(Ordering::Relaxed) == NOT_OPEN {
            return true;
        }
        let slot = &SLOTS[self.index()];
        if !slot.close() {
            return false;
        }
        self.hooked.store(NOT_OPEN, Ordering::Relaxed);
        self.place.release();
        slot.free();
        true
    }

    /// In a forked child: nobody has it open.
    pub(crate) fn abandon(&self) {
        self.hooked.store(NOT_OPEN, Ordering::Relaxed);
        self.place.forget();
    }

    /// The number of its slot.
    fn index(&self) -> usize {
        self.slot.load(Ordering::Relaxed) as usize % SLOTS.len()
    }

    /// [`Port::tls_look`](extram_core::Port::tls_look): the word, and whether the thread's hook is
    /// known to be set. The pair that is nobody's never looks like this pool's.
    #[inline(always)]
    pub fn look(&self) -> (*mut (), bool) {
        if AVAILABLE {
            let hooked = self.hooked.load(Ordering::Relaxed);
            let (value, differ) = self.place.with(|pair| (pair.value.get(), pair.incarnation.get() ^ hooked));
            if differ <= HOOKED {
                return (value, differ == 0);
            }
        }
        self.look_slow()
    }

    /// [`Port::tls_get`](extram_core::Port::tls_get).
    #[inline(always)]
    pub fn get(&self) -> *mut () {
        self.look().0
    }

    /// There is no pair; or it is another incarnation's still.
    #[cold]
    fn look_slow(&self) -> (*mut (), bool) {
        let nothing = (core::ptr::null_mut(), false);
        let hooked = self.hooked.load(Ordering::Relaxed);
        if hooked == NOT_OPEN || self.place.index().is_some() {
            return nothing;
        }
        // SAFETY: null, or a word of the calling thread's, which it does not free here.
        match unsafe { words::word(self.index()).as_ref() } {
            // Invariant Word.
            Some(word) if word.incarnation.get() ^ hooked <= HOOKED => {
                (word.value.get(), word.incarnation.get() == hooked)
            }
            _ => nothing,
        }
    }

    /// [`Port::tls_set`](extram_core::Port::tls_set).
    ///
    /// # Errors
    ///
    /// It is not open, or there is no memory for the word. Null is never refused.
    #[inline(always)]
    pub fn set(&self, value: *mut ()) -> Result<(), Refused> {
        if AVAILABLE {
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
        self.set_slow(value)
    }

    #[cold]
    fn set_slow(&self, value: *mut ()) -> Result<(), Refused> {
        let _errno = crate::errno::Preserved::new();
        let hooked = self.hooked.load(Ordering::Relaxed);
        if hooked == NOT_OPEN {
            return if value.is_null() { Ok(()) } else { Err(Refused) };
        }
        if value.is_null() {
            self.clear(hooked);
            return Ok(());
        }
        self.with_word(|word| {
            if word.incarnation.get() ^ hooked > HOOKED {
                word.adopt(hooked & !HOOKED);
            }
            word.value.set(value);
        })
    }

    /// Stores null. What another incarnation has left is as good as that.
    fn clear(&self, hooked: usize) {
        if self.place.index().is_some() {
            return;
        }
        // SAFETY: null, or a word of the calling thread's; not used after it may have been freed.
        if let Some(word) = unsafe { words::word(self.index()).as_ref() } {
            if word.incarnation.get() ^ hooked <= HOOKED {
                word.value.set(core::ptr::null_mut());
            }
            if words::exiting() {
                end::tidy();
            }
        }
    }

    /// The calling thread's pair or word for it, made if need be.
    fn with_word(&self, f: impl FnOnce(&Pair)) -> Result<(), Refused> {
        match self.place.index() {
            Some(pair) => extram_elf_tls::with(|block| f(&block.pairs()[pair])),
            // SAFETY: a word of the calling thread's, which it does not free in `f`.
            None => f(unsafe { &*words::make_word(self.index())? }),
        }
        Ok(())
    }

    /// [`Port::exit_hook`](extram_core::Port::exit_hook).
    #[cold]
    pub fn exit_hook(&self) -> bool {
        let _errno = crate::errno::Preserved::new();
        let hooked = self.hooked.load(Ordering::Relaxed);
        if hooked == NOT_OPEN || words::exiting() {
            return false;
        }
        if self.look().1 {
            return true;
        }
        // First the hook, then what says that it is set. A word has it by Invariant Hook.
        if self.place.index().is_some() && words::hook().is_err() {
            return false;
        }
        let promised = self.with_word(|word| {
            if word.incarnation.get() != hooked & !HOOKED {
                word.adopt(hooked & !HOOKED);
            }
            word.incarnation.set(hooked);
        });
        promised.is_ok()
    }
}

/// Half the way, for tests of what a fork finds.
#[cfg(all(test, not(miri)))]
impl Local {
    /// All that `open` does, but for the gate.
    pub(crate) fn open_half(&'static self, index: usize, pool: *mut (), hooks: &'static Hooks) {
        let incarnation = next_incarnation().unwrap();
        SLOTS[index].fill(incarnation, self, pool, hooks);
        assert!(self.take_place(incarnation, index));
    }

    /// The first thing that `close` does.
    pub(crate) fn close_half(&self) -> bool {
        SLOTS[self.index()].close()
    }

    pub(crate) fn has_pair(&self) -> bool {
        self.place.index().is_some()
    }
}
