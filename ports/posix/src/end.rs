//! A thread's end: the destructor of the key.
//!
//! The C library clears a key's value before it calls the destructor, and makes a few rounds, as
//! long as some destructor has stored something. Ours tells every pool for which the thread has a
//! value, and frees the thread's words. Whatever is called from then on gets no promise of a hook,
//! since nobody knows whether there is another round, and its M comes home at the end of each call.
//!
//! **Later calls.** Another key's destructor may enter a pool after ours has run. Nested calls need a
//! word then as ever; it is made anew, and freed as soon as nothing is stored in it any more. If
//! something is, there is another round, or it stays with the dead thread: a thread that ended inside
//! of a call that it made in the last round.
//!
//! **Where there is no block** that could be marked, the thread's words carry the mark. They are put
//! back for as many rounds as C libraries make, and freed in the last. If our destructor was first
//! called in a later round, they stay behind.
//!
//! What no mark tells is a thread that has had no hook at all: if its very first entry is made in a
//! destructor that the C library calls in its last round, the M stays with the dead thread until the
//! pool is closed.

use crate::errno::Preserved;
use crate::key;
use crate::local::{HOOKED, pool_of_pair};
use crate::slot::SLOTS;
use crate::words::{self, ROUNDS, Words};
use extram_elf_tls::{AVAILABLE, Pair};

/// The destructor of the key.
pub(crate) unsafe extern "C" fn at_thread_end(value: *mut libc::c_void) {
    let _errno = Preserved::new();
    if !AVAILABLE {
        if value.cast_const().cast() == words::none() {
            return;
        }
        // Those who look for the words look here. If it is refused, they find none.
        let _ = key::set(value.cast_const().cast());
    }
    begin();
    if AVAILABLE {
        extram_elf_tls::with(|block| {
            for (at, pair) in block.pairs().iter().enumerate() {
                if let Some(index) = pool_of_pair(at) {
                    tell(index, pair);
                }
            }
        });
    }
    let mine = words::mine();
    // SAFETY: the thread's own, freed below at the earliest: they are marked as visited.
    if let Some(words) = unsafe { mine.as_ref() } {
        words.visited.set(true);
        words::each(words, tell);
        words.visited.set(false);
        end(mine);
    }
}

/// From now on no hook is promised.
fn begin() {
    let forget = |word: &Pair| word.incarnation.set(word.incarnation.get() & !HOOKED);
    if AVAILABLE {
        extram_elf_tls::with(|block| {
            block.exiting.set(1);
            block.pairs().iter().for_each(forget);
        });
    }
    // SAFETY: the thread's own.
    if let Some(words) = unsafe { words::mine().as_ref() } {
        words.rounds.set(words.rounds.get().saturating_add(1));
        words::each(words, |_, word| forget(word));
    }
}

/// Tells the pool that has the slot, if what the thread stored there is that pool's.
fn tell(index: usize, word: &Pair) {
    let value = word.value.get();
    if value.is_null() {
        return;
    }
    let Some(inside) = SLOTS[index].begin() else { return };
    if inside.is(word.incarnation.get() & !HOOKED) {
        // SAFETY: stored by this thread for that incarnation.
        unsafe { inside.at_exit(value) };
    }
}

/// Frees the words, or sees to it that there is another round.
fn end(mine: *mut Words) {
    // SAFETY: the thread's own.
    let words = unsafe { &*mine };
    let (stored, round) = (is_stored(words), words.rounds.get());
    if AVAILABLE {
        if stored {
            // Invariant Hook. If it is refused, they stay with the dead thread.
            let _ = key::set(mine.cast());
        } else {
            // Words that a hook has made have a value there: no round for those.
            let _ = key::set(core::ptr::null());
            // SAFETY: looked at by nobody.
            unsafe { words::free(mine) };
        }
    } else if round > ROUNDS || (round == ROUNDS && !stored) {
        let _ = key::set(words::none());
        // SAFETY: looked at by nobody.
        unsafe { words::free(mine) };
    }
}

/// Whether there is anything in them for a pool that is open.
fn is_stored(words: &Words) -> bool {
    let mut stored = false;
    words::each(words, |index, word| {
        stored |= !word.value.get().is_null() && SLOTS[index].is(word.incarnation.get() & !HOOKED);
    });
    stored
}

/// After null was stored: frees the words of a thread whose destructor may not be called again, if
/// nothing is in them.
#[cold]
pub(crate) fn tidy() {
    let mine = words::mine();
    // SAFETY: the thread's own.
    let Some(words) = (unsafe { mine.as_ref() }) else { return };
    let last = if AVAILABLE { words::exiting() } else { words.rounds.get() >= ROUNDS };
    if last && !words.visited.get() && !is_stored(words) {
        let _ = key::set(if AVAILABLE { core::ptr::null() } else { words::none() });
        // SAFETY: looked at by nobody.
        unsafe { words::free(mine) };
    }
}
