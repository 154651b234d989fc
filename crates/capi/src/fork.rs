//! Forked children: the threads that have not come along are not at work there, and what they had
//! begun is undone.

use crate::code::extram_code::{self, EXTRAM_NO_MEMORY};
use crate::registry;
use extram_core::sync::{AtomicBool, Ordering};

/// The handler is there. Raised after it is, so that a child that was forked in between registers it
/// once more; twice does no harm.
static WATCHED: AtomicBool = AtomicBool::new(false);

extern "C" fn in_child() {
    registry::in_child();
}

/// Sees to it that forked children are repaired. No lock and no `Once`: one that a vanished thread
/// was in would hang the child for ever.
pub(crate) fn watch() -> Result<(), extram_code> {
    // Relaxed: nothing is read on the strength of it but the C library's own list.
    if WATCHED.load(Ordering::Relaxed) {
        return Ok(());
    }
    // SAFETY: a function of this library, which the C library forgets when it is unloaded.
    match unsafe { libc::pthread_atfork(None, None, Some(in_child)) } {
        0 => {
            WATCHED.store(true, Ordering::Relaxed);
            Ok(())
        }
        _ => Err(EXTRAM_NO_MEMORY),
    }
}

/// Before `main`, or while the library is loaded: so no fork can come between a thread's first steps
/// in here and the handler. Where the constructor was left out (a linker takes from an archive only
/// what is asked for), or memory ran out, the first pool does it.
#[used]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
static AT_LOAD: extern "C" fn() = at_load;

extern "C" fn at_load() {
    let _ = watch();
}
