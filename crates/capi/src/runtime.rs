//! The runtime behind the function pointers of a configuration.

use crate::config::extram_config;
use crate::handle::{Place, extram_m};
use core::ffi::c_void;
use core::sync::atomic::{AtomicU32, Ordering};
use extram_core::{M, Runtime};

/// A runtime in C.
pub(crate) struct Foreign {
    config: extram_config,
    place: Place,
    /// Where the pool itself lies.
    pub(crate) home: Home,
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
pub(crate) struct Context {
    pub(crate) pointer: *mut c_void,
    /// Calls up to this depth are not C's to leave now: the outermost one is on its way in or out,
    /// or `extram_prewarm` is inside, so a function of the configuration may be running. The
    /// holder's own, and a handler's on its thread.
    pub(crate) floor: AtomicU32,
    runtime: *mut c_void,
    free: Option<unsafe extern "C-unwind" fn(*mut c_void, *mut c_void)>,
}

// SAFETY: contexts move from thread to thread by the contract of the configuration.
unsafe impl Send for Context {}

impl Drop for Context {
    fn drop(&mut self) {
        if let Some(free) = self.free {
            // SAFETY: made by `new_context` of the same configuration, freed once.
            unsafe { free(self.runtime, self.pointer) };
        }
    }
}

impl Foreign {
    pub(crate) fn new(config: extram_config, place: Place, home: Home) -> Self {
        Foreign { config, place, home }
    }

    pub(crate) fn handle(&self, m: &M<Self>) -> *mut extram_m {
        self.place.m(m.id())
    }

    fn tell(&self, what: Option<unsafe extern "C-unwind" fn(*mut c_void, *mut extram_m)>, m: &M<Self>) {
        // Relaxed: for this thread and its handlers.
        m.context().floor.store(1, Ordering::Relaxed);
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
            0 => Ok(Context {
                pointer,
                floor: AtomicU32::new(0),
                runtime: self.config.runtime,
                free: self.config.free_context,
            }),
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
