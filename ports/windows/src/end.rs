//! A thread's end: a TLS callback of the image, which the loader calls on each thread that ends,
//! whoever made it, for all pools at once.
//!
//! **When.** After the destructors of fibre-local storage, and after those of Rust's and C++'s
//! thread-local values in the same image, whose callbacks stand before ours in the table (the linker
//! sorts `.CRT$XL?` by name). The loader's lock is held: what the pool calls then (`retire`, a
//! context's drop) must not wait for a thread to begin or to end, nor load a library.
//!
//! **Later calls**, of the callbacks of libraries that are told after ours, find the thread marked and
//! are promised no hook.
//!
//! **When it does not come.** `TerminateThread` calls nobody, and `ExitProcess` ends all other threads
//! so; their Ms stay where they are. A library that has been unloaded is not told of anything any more,
//! and has nothing to be told of: its pools were closed, or are gone with it.

use crate::error::Preserved;
use crate::local::{Index, set_value, value};
use crate::slot;
use core::ffi::c_void;
use core::sync::atomic::{AtomicU32, Ordering};
use extram_core::Refused;
use windows_sys::Win32::System::SystemServices::{DLL_PROCESS_DETACH, DLL_THREAD_DETACH};

/// The index, plus one, under which a thread that is ending is marked; 0 = none yet.
static MARK: AtomicU32 = AtomicU32::new(0);

/// Sees to it that threads can be marked.
pub(crate) fn prepare() -> Result<(), Refused> {
    // Relaxed, here and below: a number, and threads that enter a pool came after its opening.
    if MARK.load(Ordering::Relaxed) != 0 {
        return Ok(());
    }
    let index = Index::new()?.keep();
    // Whoever comes second keeps the first one's.
    if MARK.compare_exchange(0, index + 1, Ordering::Relaxed, Ordering::Relaxed).is_err() {
        drop(Index::again(index));
    }
    Ok(())
}

/// Under the mark: the callback is to come. The thread has room for the mark then.
const HOOKED: *mut () = core::ptr::without_provenance_mut(1);
/// It has come.
const ENDING: *mut () = core::ptr::without_provenance_mut(2);

/// Whether it is known that the callback is still to come on the calling thread.
#[inline(always)]
pub(crate) fn hooked() -> bool {
    match MARK.load(Ordering::Relaxed) {
        0 => false,
        mark => value(mark - 1) == HOOKED,
    }
}

/// Makes sure that it is; `false` if it has come, or there is no memory for the mark.
pub(crate) fn hook() -> bool {
    // Read, so that whoever links this has the entry in its table.
    // SAFETY: a static.
    let linked = unsafe { (&raw const CALLBACK).read_volatile() } as usize != 0;
    match MARK.load(Ordering::Relaxed) {
        0 => false,
        mark if value(mark - 1).is_null() => linked && set_value(mark - 1, HOOKED).is_ok(),
        mark => value(mark - 1) == HOOKED,
    }
}

unsafe extern "system" fn callback(_image: *mut c_void, reason: u32, process_ends: *mut c_void) {
    let mark = MARK.load(Ordering::Relaxed);
    if mark == 0 {
        return;
    }
    let _last_error = Preserved::new();
    match reason {
        DLL_THREAD_DETACH => at_thread_end(mark - 1),
        // The library is unloaded, and would take an index with it each time.
        DLL_PROCESS_DETACH if process_ends.is_null() => {
            MARK.store(0, Ordering::Relaxed);
            drop(Index::again(mark - 1));
        }
        _ => {}
    }
}

fn at_thread_end(mark: u32) {
    // Refused only where `hook` has been, and will be again.
    let _ = set_value(mark, ENDING);
    for slot in slot::used() {
        let Some(inside) = slot.begin() else { continue };
        let value = value(inside.index());
        if !value.is_null() {
            // SAFETY: stored by this thread for that pool, which had the index then as now.
            unsafe { inside.at_exit(value) };
        }
    }
}

type Callback = unsafe extern "system" fn(*mut c_void, u32, *mut c_void);

/// An entry of the image's table of TLS callbacks.
#[used]
#[unsafe(link_section = ".CRT$XLY")]
static CALLBACK: Callback = callback;
