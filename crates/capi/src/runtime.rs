//! The runtime behind the function pointers of a configuration.

use crate::boundary::caught;
use crate::config::extram_config;
use crate::handle::{Place, extram_m};
use core::ffi::c_void;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use extram_core::{M, Runtime};

/// A runtime in C.
///
/// Part of its pool, which stays where it is and outlives its contexts.
pub(crate) struct Foreign {
    config: extram_config,
    place: Place,
    /// Where the pool itself lies.
    pub(crate) home: Home,
    /// `free_context` has panicked, and no call has said so yet.
    panicked: AtomicBool,
}

/// Whose the memory of a pool is.
#[derive(Clone, Copy)]
pub(crate) enum Home {
    /// The library's own.
    #[cfg(feature = "std")]
    Heap,
    /// The caller's.
    Storage,
}

// SAFETY: the pointers are handed to functions of the configuration alone, which by its contract may
// be called on any thread.
unsafe impl Sync for Foreign {}

/// What one M carries.
///
/// - **Home.** Its pool, of which `home` is a part, frees it before it goes itself.
pub(crate) struct Context {
    pub(crate) pointer: *mut c_void,
    /// Calls up to this depth are not C's to leave now: `extram_prewarm` is inside, and `new_context`
    /// may be running. 0 = all are. The holder's own, and a handler's on its thread.
    pub(crate) floor: AtomicU32,
    home: *const Foreign,
}

// SAFETY: contexts move from thread to thread by the contract of the configuration; `home` is `Sync`.
unsafe impl Send for Context {}
// SAFETY: a handler shares the context with the call that it interrupted. There is nothing to be
// changed through a shared reference but `floor`, an atomic; what C does with what lies behind
// `pointer` is C's business.
unsafe impl Sync for Context {}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: Invariant Home.
        let home = unsafe { &*self.home };
        if let Some(free) = home.config.free_context {
            // A panic stops here: the others are to be freed all the same, and the thread may have
            // no caller in C who could be told.
            // SAFETY: made by `new_context` of the same configuration, freed once.
            let freed = caught(|| unsafe { free(home.config.runtime, self.pointer) });
            if freed.is_none() {
                // Relaxed: a flag.
                home.panicked.store(true, Ordering::Relaxed);
            }
        }
    }
}

impl Foreign {
    pub(crate) fn new(config: extram_config, place: Place, home: Home) -> Self {
        Foreign { config, place, home, panicked: AtomicBool::new(false) }
    }

    pub(crate) fn handle(&self, m: &M<Self>) -> *mut extram_m {
        self.place.m(m.id())
    }

    /// Whether `free_context` has panicked since somebody asked.
    pub(crate) fn take_panicked(&self) -> bool {
        // Relaxed: a flag. An exchange: one call says so.
        self.panicked.load(Ordering::Relaxed) && self.panicked.swap(false, Ordering::Relaxed)
    }

    fn tell(&self, what: Option<unsafe extern "C-unwind" fn(*mut c_void, *mut extram_m)>, m: &M<Self>) {
        if let Some(what) = what {
            // SAFETY: the configuration's function with the configuration's runtime.
            unsafe { what(self.config.runtime, self.handle(m)) };
        }
    }
}

impl Runtime for Foreign {
    type Context = Context;
    type Error = ();

    fn new_context(&self) -> Result<Context, ()> {
        let new_context = self.config.new_context.ok_or(())?;
        let mut pointer = core::ptr::null_mut();
        // SAFETY: the configuration's function with the configuration's runtime.
        match unsafe { new_context(self.config.runtime, &mut pointer) } {
            0 => Ok(Context { pointer, floor: AtomicU32::new(0), home: self }),
            _ => Err(()),
        }
    }

    #[inline]
    fn admit(&self, m: &M<Self>) {
        self.tell(self.config.admit, m);
    }

    #[inline]
    fn retire(&self, m: &M<Self>) {
        self.tell(self.config.retire, m);
    }
}
