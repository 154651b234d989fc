//! The structures that C fills in and gets filled in.

use crate::code::extram_code::{self, EXTRAM_INVALID};
use crate::handle::extram_m;
use core::ffi::{c_int, c_void};

/// How long an M stays with a thread.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum extram_binding {
    /// Until the thread exits; every call after the first is one thread-local read.
    EXTRAM_BIND_THREAD = 0,
    /// Until the end of the call.
    EXTRAM_BIND_CALL = 1,
}

/// [`extram_binding::EXTRAM_BIND_THREAD`] as the configuration has it.
///
/// cbindgen:ignore
pub const EXTRAM_BIND_THREAD: u32 = extram_binding::EXTRAM_BIND_THREAD as u32;
/// [`extram_binding::EXTRAM_BIND_CALL`] as the configuration has it.
///
/// cbindgen:ignore
pub const EXTRAM_BIND_CALL: u32 = extram_binding::EXTRAM_BIND_CALL as u32;

/// What a pool is made from. The functions run on the thread concerned, and each must return: it
/// may neither end the thread nor jump out. If one that is written in Rust panics, the call that it
/// was made for returns EXTRAM_INVALID, and nothing is lost; at a thread's exit, where there is no
/// such call, a panic of retire ends the process with a message.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct extram_config {
    /// sizeof(extram_config)
    pub size: usize,
    /// Handed to every function below.
    pub runtime: *mut c_void,
    /// Makes what one M carries; 0 = made. Not NULL.
    pub new_context:
        Option<unsafe extern "C-unwind" fn(runtime: *mut c_void, context: *mut *mut c_void) -> c_int>,
    /// Frees it. May be NULL.
    pub free_context: Option<unsafe extern "C-unwind" fn(runtime: *mut c_void, context: *mut c_void)>,
    /// Called with the M in hand before the outermost callback; may block while a collection runs.
    /// Called by extram_enter_from_signal too, and must be async-signal-safe where that is used.
    /// May be NULL.
    pub admit: Option<unsafe extern "C-unwind" fn(runtime: *mut c_void, m: *mut extram_m)>,
    /// Called before the thread goes back to foreign code from the outermost callback, and when
    /// it exits inside one: what it entered and has not left is left then. May be NULL.
    pub retire: Option<unsafe extern "C-unwind" fn(runtime: *mut c_void, m: *mut extram_m)>,
    /// The most Ms at once; 0 = as many as needed.
    pub max_ms: u32,
    /// EXTRAM_BIND_THREAD or EXTRAM_BIND_CALL.
    pub binding: u32,
}

impl extram_config {
    /// The configuration behind the pointer, if it is one.
    ///
    /// # Safety
    ///
    /// Null, or readable for as many bytes as its `size` says.
    pub(crate) unsafe fn read(config: *const Self) -> Result<Self, extram_code> {
        if config.is_null() || !config.is_aligned() {
            return Err(EXTRAM_INVALID);
        }
        // SAFETY: by the caller's promise; `size` comes first. No more is read if it is wrong.
        if unsafe { (&raw const (*config).size).read() } != size_of::<Self>() {
            return Err(EXTRAM_INVALID);
        }
        // SAFETY: as above.
        let config = unsafe { config.read() };
        let known = matches!(config.binding, EXTRAM_BIND_THREAD | EXTRAM_BIND_CALL);
        if config.new_context.is_none() || !known {
            return Err(EXTRAM_INVALID);
        }
        Ok(config)
    }
}

/// Figures of a pool. At rest created = spare + in_use + bound_idle, and waiting = creating = 0.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct extram_stats {
    /// sizeof(extram_stats), set by the caller.
    pub size: usize,
    /// Ms that exist.
    pub created: u32,
    /// Of those: on the list, or on their way to a waiter.
    pub spare: u32,
    /// Of those: inside a call.
    pub in_use: u32,
    /// Of those: bound to a thread that is outside.
    pub bound_idle: u32,
    /// Threads that wait for an M.
    pub waiting: u32,
    /// Ms being made.
    pub creating: u32,
    /// Attempts to make an M that failed.
    pub failed: u32,
}
