//! A thread's further words: those of pools that have no pair in its ELF TLS block.
//!
//! A word is a pair, too: which incarnation of a pool wrote it, and what. A thread has room for one
//! per slot, in chunks of 32, so that 1,024 pools do not cost a thread 16 KiB. A chunk is made by
//! `calloc` when the thread first stores something for a pool of it, and all are freed when the
//! thread ends. Reading makes nothing, so a handler may read; it sees each pointer before or after
//! it was stored, and what a stored one leads to is zero or a word.
//!
//! The thread finds them by its block. Where there is no block, they are the value under the key.
//!
//! - **Hook.** Whoever has words has a value under the key that is not null, so that they are
//!   freed; except while the destructor runs, which puts one back if it leaves them.

use crate::key;
use crate::slot::{POOLS, SLOTS};
use core::cell::Cell;
use core::sync::atomic::{Ordering, compiler_fence};
use extram_core::Refused;
use extram_elf_tls::{AVAILABLE, Pair};

const CHUNK: usize = 32;

type Chunk = [Pair; CHUNK];

/// What the block's list has for this copy of the library. All zeros are a value.
#[repr(C)]
pub(crate) struct Words {
    /// Whose it is: [`copy`]. This word and the next are where every copy expects them.
    copy: Cell<*const ()>,
    next: Cell<*mut Words>,
    /// Where there is no block: how often the destructor has been called.
    pub(crate) rounds: Cell<u32>,
    /// The destructor is looking at them: they stay, whatever is in them.
    pub(crate) visited: Cell<bool>,
    chunks: [Cell<*mut Chunk>; POOLS / CHUNK],
}

/// An address that no other copy of the library has.
fn copy() -> *const () {
    (&raw const SLOTS).cast()
}

/// Stands under the key of a thread without words, to have the destructor called. Where there is no
/// block, of one whose words have been freed in what is the last round as far as we know: that
/// thread is promised nothing any more.
pub(crate) fn none() -> *const () {
    copy()
}

/// How many rounds of destructors C libraries make.
pub(crate) const ROUNDS: u32 = 4;

/// The calling thread's words, or null.
pub(crate) fn mine() -> *mut Words {
    if !AVAILABLE {
        let words = key::value();
        return if words.cast_const() == none() { core::ptr::null_mut() } else { words.cast() };
    }
    let mut words: *mut Words = extram_elf_tls::with(|block| block.more.get()).cast();
    // SAFETY: the list of the calling thread, whose members are there while they are on it; only the
    // two words that all copies have are looked at until one is ours.
    while let Some(found) = unsafe { words.as_ref() } {
        if found.copy.get() == copy() {
            break;
        }
        words = found.next.get();
    }
    words
}

/// Whether the calling thread is in its last moments: its hook has run for some pool.
pub(crate) fn exiting() -> bool {
    if AVAILABLE {
        return extram_elf_tls::with(|block| block.exiting.get() != 0);
    }
    let value = key::value();
    // SAFETY: the thread's own words.
    value.cast_const() == none()
        || unsafe { value.cast::<Words>().as_ref() }.is_some_and(|w| w.rounds.get() != 0)
}

/// Makes sure that the destructor is called for this thread.
///
/// # Errors
///
/// There is no key, or no memory for its value.
pub(crate) fn hook() -> Result<(), Refused> {
    // By Invariant Hook.
    if mine().is_null() { key::set(none()) } else { Ok(()) }
}

/// The word for a slot, or null if nothing was ever stored there.
pub(crate) fn word(index: usize) -> *const Pair {
    // SAFETY: the calling thread's own, which no other thread frees.
    let Some(words) = (unsafe { mine().as_ref() }) else { return core::ptr::null() };
    let chunk = words.chunks[index / CHUNK % words.chunks.len()].get();
    if chunk.is_null() {
        return core::ptr::null();
    }
    // SAFETY: a chunk of ours, with that many words.
    unsafe { (&raw const (*chunk)[index % CHUNK]).cast() }
}

/// The same, made if it is not there.
///
/// # Errors
///
/// There is no memory, or no key that would have it freed.
pub(crate) fn make_word(index: usize) -> Result<*const Pair, Refused> {
    let mut words = mine();
    if words.is_null() {
        words = make_words()?;
    }
    // SAFETY: the calling thread's own.
    let place = unsafe { &(*words).chunks[index / CHUNK % (POOLS / CHUNK)] };
    if place.get().is_null() {
        let chunk = zeroed::<Chunk>()?;
        // A handler that finds the chunk finds its zeros.
        compiler_fence(Ordering::Release);
        place.set(chunk);
    }
    Ok(word(index))
}

#[cold]
fn make_words() -> Result<*mut Words, Refused> {
    let ended = !AVAILABLE && exiting();
    let words = zeroed::<Words>()?;
    // SAFETY: made above; nobody has seen it.
    let fresh = unsafe { &*words };
    fresh.copy.set(copy());
    fresh.rounds.set(if ended { ROUNDS } else { 0 });
    if AVAILABLE {
        fresh.next.set(extram_elf_tls::with(|block| block.more.get()).cast());
    }
    // Invariant Hook.
    if key::set(words.cast()).is_err() {
        // SAFETY: made above; nobody has seen it.
        unsafe { give_back(words) };
        return Err(Refused);
    }
    if AVAILABLE {
        compiler_fence(Ordering::Release);
        extram_elf_tls::with(|block| block.more.set(words.cast()));
    }
    Ok(words)
}

/// Frees the calling thread's words. What a handler stores afterwards is made anew.
///
/// # Safety
///
/// They are [`mine`], and nobody on this thread looks at them.
pub(crate) unsafe fn free(words: *mut Words) {
    if AVAILABLE {
        extram_elf_tls::with(|block| {
            // SAFETY: as in `mine`: members of the thread's own list.
            unsafe {
                let next = (*words).next.get();
                let mut before: *mut Words = block.more.get().cast();
                if before == words {
                    block.more.set(next.cast());
                } else {
                    while (*before).next.get() != words {
                        before = (*before).next.get();
                    }
                    (*before).next.set(next);
                }
            }
        });
    }
    compiler_fence(Ordering::Release);
    // SAFETY: nothing leads to them any more.
    unsafe {
        for index in 0..POOLS / CHUNK {
            give_back((*words).chunks[index].get());
        }
        give_back(words);
    }
}

/// Every word of a thread, and its slot.
pub(crate) fn each(words: &Words, mut f: impl FnMut(usize, &Pair)) {
    for (at, chunk) in words.chunks.iter().enumerate() {
        // SAFETY: null, or a chunk of the calling thread's.
        let Some(chunk) = (unsafe { chunk.get().as_ref() }) else { continue };
        for (index, word) in chunk.iter().enumerate() {
            f(at * CHUNK + index, word);
        }
    }
}

/// Zeros of that size.
fn zeroed<T>() -> Result<*mut T, Refused> {
    const { assert!(align_of::<T>() <= align_of::<usize>() && size_of::<T>() > 0) };
    #[cfg(test)]
    if crate::tests::has_no_memory() {
        return Err(Refused);
    }
    // SAFETY: takes numbers only.
    let memory = unsafe { libc::calloc(1, size_of::<T>()) }.cast::<T>();
    #[cfg(test)]
    MADE.fetch_add(usize::from(!memory.is_null()), Ordering::Relaxed);
    if memory.is_null() { Err(Refused) } else { Ok(memory) }
}

/// Frees what `zeroed` made, or null.
///
/// # Safety
///
/// Nothing leads to it any more.
unsafe fn give_back<T>(memory: *mut T) {
    #[cfg(test)]
    MADE.fetch_sub(usize::from(!memory.is_null()), Ordering::Relaxed);
    // SAFETY: made by `calloc`, or null.
    unsafe { libc::free(memory.cast()) };
}

/// How many of `zeroed` have not been freed.
#[cfg(test)]
pub(crate) static MADE: core::sync::atomic::AtomicUsize = core::sync::atomic::AtomicUsize::new(0);

const _: () = assert!(size_of::<Words>() < 400 && POOLS / CHUNK * CHUNK == POOLS);
