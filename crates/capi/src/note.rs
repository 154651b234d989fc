//! "I am at work on the pool in this slot": how a thread says so. `registry.rs` has the whole.

use extram_core::sync::{AtomicU32, AtomicUsize, Ordering, compiler_fence, fence};

/// What one thread is at work on. A line of its own, so that nobody else writes there.
#[repr(align(64))]
pub(crate) struct Note {
    /// The token of the thread that it belongs to. Kept for ever: no two living threads share a
    /// token, so a later thread with the same one takes the note over.
    owner: AtomicUsize,
    /// The address of the slot; 0 = nothing. Written by the owner alone.
    slot: AtomicUsize,
}

/// Few in Miri, as in [`crate::handle`].
const NOTES_LOG: u32 = if cfg!(miri) {
    3
} else if cfg!(feature = "std") {
    10
} else {
    1
};

/// All notes, and whether there is a heavy barrier, without which they are of no use.
pub(crate) struct Notes {
    notes: [Note; 1 << NOTES_LOG],
    /// One of the states below. Never changes once it is settled, and it is settled before any pool
    /// is in the registry: so a thread that was given a handle and the thread that frees the pool
    /// agree about it.
    use_them: AtomicU32,
}

/// In `use_them`: nobody has asked.
const UNSETTLED: u32 = 0;
/// In `use_them`: there is no heavy barrier.
const NO: u32 = 1;
/// In `use_them`: there is one.
const YES: u32 = 2;

impl Notes {
    pub(crate) const fn new() -> Self {
        Notes {
            notes: [const { Note { owner: AtomicUsize::new(0), slot: AtomicUsize::new(0) } }; 1 << NOTES_LOG],
            use_them: AtomicU32::new(UNSETTLED),
        }
    }

    /// Before a pool is made. Of several threads in here at once the first answer counts, and nobody
    /// waits for it: a thread that vanished in a fork leaves nothing locked.
    pub(crate) fn settle(&self, prepare_barrier: impl FnOnce() -> bool) {
        // Relaxed, here and wherever it is read: what depends on it is only whether both sides take
        // the same way, and whoever has a handle has it from after this.
        if self.use_them.load(Ordering::Relaxed) == UNSETTLED {
            let answer = if prepare_barrier() { YES } else { NO };
            let _ = self.use_them.compare_exchange(UNSETTLED, answer, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    pub(crate) fn in_use(&self) -> bool {
        self.use_them.load(Ordering::Relaxed) == YES
    }

    /// The calling thread's note, if it has one: the same one for as long as the thread lives.
    pub(crate) fn of_this_thread(&'static self, token: impl FnOnce() -> usize) -> Option<&'static Note> {
        if !self.in_use() {
            return None;
        }
        let token = token();
        // Fibonacci hashing: the tokens of neighbouring threads differ in few bits.
        let hash = ((token >> 4) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - NOTES_LOG);
        let note = &self.notes[hash as usize];
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

    /// Whether a note names the slot. After the heavy barrier.
    pub(crate) fn name<T>(&self, slot: &T) -> bool {
        // Acquire: partner of the release when the work was over.
        self.notes.iter().any(|note| note.slot.load(Ordering::Acquire) == core::ptr::from_ref(slot).addr())
    }

    /// In a forked child: the threads that have not come along are not at work there.
    #[cfg(all(feature = "std", any(unix, test)))]
    pub(crate) fn in_child(&self, token: usize) {
        // Relaxed: one thread.
        for note in self.notes.iter().filter(|note| note.owner.load(Ordering::Relaxed) != token) {
            note.slot.store(0, Ordering::Relaxed);
        }
    }
}

/// A thread at work by its note, until this is dropped: a special case of [`Said`].
pub(crate) struct Noted(&'static AtomicUsize);

impl Noted {
    /// `None` if the note says something already.
    #[inline(always)]
    pub(crate) fn begin<T>(note: &'static Note, slot: &T) -> Option<Noted> {
        if note.slot.load(Ordering::Relaxed) != 0 {
            return None;
        }
        // As in `Said`.
        note.slot.store(core::ptr::from_ref(slot).addr(), Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        Some(Noted(&note.slot))
    }
}

impl Drop for Noted {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.store(0, Ordering::Release);
    }
}

/// A thread at work, until this is dropped.
pub(crate) enum Said {
    /// By its note, which said this before: nothing, or the same, for a call that this one is nested in.
    Noted(&'static AtomicUsize, usize),
    /// By the count of the slot.
    Counted(&'static AtomicUsize),
}

impl Said {
    #[inline(always)]
    pub(crate) fn begin<T>(note: Option<&'static Note>, count: &'static AtomicUsize, slot: &T) -> Said {
        let slot = core::ptr::from_ref(slot).addr();
        if let Some(note) = note {
            // Relaxed: this thread's own.
            let before = note.slot.load(Ordering::Relaxed);
            if before == 0 || before == slot {
                note.slot.store(slot, Ordering::Relaxed);
                // The light side; partner of the heavy barrier in `evict`.
                compiler_fence(Ordering::SeqCst);
                return Said::Noted(&note.slot, before);
            }
        }
        Said::count(count)
    }

    #[cold]
    fn count(count: &'static AtomicUsize) -> Said {
        // First: a handler that forks in between finds one more, which is not counted yet.
        own::more(count);
        compiler_fence(Ordering::SeqCst);
        count.fetch_add(1, Ordering::Relaxed);
        // Partner of the fence in `evict`: it sees the count, or we see the mark.
        fence(Ordering::SeqCst);
        Said::Counted(count)
    }

    #[cold]
    fn count_less(count: &AtomicUsize) {
        // Not below 0: a handler may have forked before the call was counted, or since it is not any more.
        let less = |count: usize| count.checked_sub(1);
        // Release: as in `drop`.
        let _ = count.fetch_update(Ordering::Release, Ordering::Relaxed, less);
        compiler_fence(Ordering::SeqCst);
        own::less(count);
    }
}

/// What the calling thread has counted, for a child that it may fork meanwhile: there the count is its
/// own alone. In a word of the thread's block, where there is one ([`seat`]). Elsewhere nothing is known of it,
/// so in a child all calls stay counted, and a pool with one cannot be freed there; a word of the language's
/// would have to be made, which is nothing for handlers.
///
/// Sixteen numbers of four bits, each for a sixteenth of all counts. One word, so that a handler finds and
/// leaves it whole; and a number that has reached the end of its bits stays there. Too many may stay counted
/// in a child, then, or if two pools have the same number, or a handler forks beside the change of a count: such
/// a pool stays busy there.
mod own {
    use super::AtomicUsize;
    use crate::seat;

    const BITS: u32 = 4;
    const MOST: usize = (1 << BITS) - 1;

    fn place(count: &AtomicUsize) -> u32 {
        let slot = core::ptr::from_ref(count).addr() / size_of::<crate::registry::Slot<()>>();
        (slot % (usize::BITS / BITS) as usize) as u32 * BITS
    }

    fn number(word: usize, count: &AtomicUsize) -> usize {
        word >> place(count) & MOST
    }

    pub(super) fn more(count: &AtomicUsize) {
        seat::with(|words, _| {
            let word = words.counted();
            if number(word.get(), count) < MOST {
                word.set(word.get() + (1 << place(count)));
            }
        });
    }

    pub(super) fn less(count: &AtomicUsize) {
        seat::with(|words, _| {
            let word = words.counted();
            if !matches!(number(word.get(), count), 0 | MOST) {
                word.set(word.get() - (1 << place(count)));
            }
        });
    }

    /// How many of this count are the calling thread's, or more.
    #[cfg(all(feature = "std", any(unix, test)))]
    pub(super) fn at_most(count: &AtomicUsize) -> usize {
        seat::with(|words, _| number(words.counted().get(), count)).unwrap_or(usize::MAX)
    }
}

/// In a forked child: the calls that the threads which have not come along had counted are over, and those
/// of this thread are not.
#[cfg(all(feature = "std", any(unix, test)))]
pub(crate) fn count_own(count: &AtomicUsize) {
    // Relaxed: one thread.
    let own = count.load(Ordering::Relaxed).min(own::at_most(count));
    count.store(own, Ordering::Relaxed);
}

impl Drop for Said {
    #[inline(always)]
    fn drop(&mut self) {
        match *self {
            // Release, in both: partner of the acquire in `evict`; the work comes before.
            Said::Noted(slot, before) => slot.store(before, Ordering::Release),
            Said::Counted(count) => Self::count_less(count),
        }
    }
}

#[cfg(all(test, feature = "std"))]
impl Notes {
    /// What a thread's note says when its store has left the processor's buffer.
    pub(crate) fn say<T>(&'static self, token: usize, slot: Option<&T>) {
        let note = self.of_this_thread(|| token).expect("the thread has a note");
        note.slot.store(slot.map_or(0, |slot| core::ptr::from_ref(slot).addr()), Ordering::Release);
    }
}
