//! What is kept for each thread, in the words of the block that `extram-elf-tls` declares for a face: its
//! note ([`crate::note`]), so that it is looked for once; what it has counted; its *seat*, the M that it is
//! inside; and the M that it has bound, with the pool of that.
//!
//! A call that is handed the M of the thread's seat needs neither a look at the registry nor at the
//! pool: the thread is inside, so the pool is there.
//!
//! - **Seat.** While the word is not null, the calling thread is inside a call with the M that it names,
//!   which has been admitted, and `handles` in the M's context are its handle and its pool's. So the M and its pool
//!   stay: `close` is Busy.
//!
//!   The word is set once a call has been admitted, and a call that is admitted stays so until
//!   [`Runtime::retire`](extram_core::Runtime::retire) is called on its thread, which is before the last
//!   call ends, whichever way it ends ([`raw::is_admitted`]): there the word is made null. A handler
//!   comes before or after a store of the word, and finds it true in both cases; so it may set it, too.
//!
//! - **Bound.** If `pool` is the handle of a pool, `slot` is its slot, `bound` is an M of that pool, which is
//!   quiet ([`Foreign::quiet`]), and `handles` in the context of the M are its own while the M is bound to the
//!   thread. The M's memory is there as long as the pool is, so it is looked at only by who has seen
//!   to that ([`registry::stays`](crate::registry::stays)). Three words, which a handler may find or leave
//!   half way, though none is to enter as a thread does: so `pool` is null while `bound` is
//!   written, and whoever reads them looks at `bound` first and last.
//!
//! Where there is no such block the other ways are taken, of which all here is a special case.

use crate::handle::{extram_m, extram_pool};
use crate::note::{Note, Notes};
use crate::registry::{self, AtWork};
use crate::runtime::Foreign;
use core::cell::Cell;
use core::ptr::null_mut;
use extram_core::sync::{Ordering, compiler_fence};
use extram_core::{M, Port, quiet, raw};

/// A pool's slot.
type Slot = registry::Slot<registry::Pool>;

/// The words of the calling thread.
#[repr(C)]
pub(crate) struct Words {
    seat: Cell<*const M<Foreign>>,
    note: Cell<*const Note>,
    pool: Cell<*mut extram_pool>,
    bound: Cell<*const M<Foreign>>,
    slot: Cell<*const Slot>,
    counted: Cell<usize>,
}

#[cfg(feature = "std")]
const _: () = assert!(size_of::<Words>() == 6 * size_of::<*mut ()>());

/// Runs `f` with the words of the calling thread and its token; `None` if there are none.
#[inline(always)]
pub(crate) fn with<T>(f: impl FnOnce(&Words, usize) -> T) -> Option<T> {
    #[cfg(feature = "std")]
    if extram_elf_tls::AVAILABLE {
        return Some(extram_elf_tls::with(|block| {
            // SAFETY: cells of pointers and a number, all null or 0 at first, which nobody but this file uses.
            let words = unsafe { &*(&raw const block.face).cast::<Words>() };
            f(words, core::ptr::from_ref(block).addr())
        }));
    }
    let _ = f;
    None
}

impl Words {
    /// What the thread has counted ([`crate::note`]).
    pub(crate) fn counted(&self) -> &Cell<usize> {
        &self.counted
    }

    /// The thread's note, if it has been looked for.
    #[inline(always)]
    pub(crate) fn note(&self) -> Option<&'static Note> {
        // SAFETY: null, or what `find_note` stored: a part of the registry.
        unsafe { self.note.get().as_ref() }
    }

    /// The M behind the handle, if the thread is seated there.
    #[inline(always)]
    pub(crate) fn seated(&self, m: *const extram_m) -> Option<&'static M<Foreign>> {
        // SAFETY: Invariant Seat. The caller uses it on this thread and before the call is left.
        let seated: &'static M<Foreign> = unsafe { self.seat.get().as_ref() }?;
        core::ptr::addr_eq(handles(seated).0, m).then_some(seated)
    }

    /// The thread has entered with an M, and has been admitted.
    #[inline(always)]
    pub(crate) fn sit(&self, m: &'static M<Foreign>) {
        self.seat.set(m);
    }

    /// The last call with the M of the seat is about to end.
    #[inline(always)]
    pub(crate) fn rise(&self) {
        self.seat.set(null_mut());
    }

    /// The M that the thread had bound in that pool when it entered last, and the pool's slot; `None` if that
    /// was another pool.
    #[inline(always)]
    pub(crate) fn bound(&self, pool: *mut extram_pool) -> Option<(*const M<Foreign>, &'static Slot)> {
        let bound = self.bound.get();
        compiler_fence(Ordering::SeqCst);
        let (slot, known) = (self.slot.get(), self.pool.get() == pool);
        compiler_fence(Ordering::SeqCst);
        // SAFETY: null, or a part of the registry (`take`).
        let slot = unsafe { slot.as_ref() }?;
        (known && self.bound.get() == bound).then_some((bound, slot))
    }
}

/// The M's handle and that of its pool, as its context has them.
#[inline(always)]
pub(crate) fn handles(m: &M<Foreign>) -> (*mut extram_m, *mut extram_pool) {
    m.context().handles.get()
}

/// The calling thread's note, if it has one.
#[inline(always)]
pub(crate) fn note(notes: &'static Notes) -> Option<&'static Note> {
    with(|words, _| words.note()).flatten().or_else(|| find_note(notes))
}

#[cold]
#[inline(never)]
fn find_note(notes: &'static Notes) -> Option<&'static Note> {
    let note = notes.of_this_thread(crate::Native::thread_token);
    if let Some(note) = note {
        with(|words, _| words.note.set(note));
    }
    note
}

/// The M behind the handle, if the calling thread is seated there.
#[inline(always)]
pub(crate) fn taken(m: *const extram_m) -> Option<&'static M<Foreign>> {
    with(|words, _| words.seated(m)).flatten()
}

/// The calling thread has entered with an M of that pool; this is the M's handle.
pub(crate) fn take(pool: *mut extram_pool, at_work: &AtWork, m: &'static M<Foreign>, handle: *mut extram_m) {
    if !raw::is_admitted(m) {
        return;
    }
    let (quiet, slot) = (at_work.pool.runtime().quiet, registry::slot(at_work));
    with(|words, token| {
        m.context().handles.set((handle, pool));
        // For a handler that finds the thread seated.
        compiler_fence(Ordering::SeqCst);
        words.sit(m);
        if quiet && quiet::is_bound::<_, crate::Native>(m, token) {
            words.pool.set(null_mut());
            compiler_fence(Ordering::SeqCst);
            words.bound.set(m);
            words.slot.set(slot);
            compiler_fence(Ordering::SeqCst);
            words.pool.set(pool);
        }
    });
}

/// The last call of the calling thread with that M is about to end.
#[inline(always)]
pub(crate) fn leave(m: &M<Foreign>) {
    with(|words, _| {
        if core::ptr::eq(words.seat.get(), m) {
            words.rise();
        }
    });
}
