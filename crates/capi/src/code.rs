//! What every function returns.

use core::ffi::{CStr, c_char, c_int};
use extram_core::{EnterError, LeaveError, StartError};

/// What a function returns.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum extram_code {
    /// Done.
    EXTRAM_OK = 0,
    /// The pool has not been started. Reserved: extram_pool_new and extram_pool_init start theirs.
    EXTRAM_NOT_STARTED,
    /// No M is spare right now, or try_admit admits nobody, and the call may not wait.
    EXTRAM_WOULD_BLOCK,
    /// No M became free in time.
    EXTRAM_TIMED_OUT,
    /// There are as many Ms as max_ms (or the storage) allows, and none is spare: told by
    /// extram_try_enter and extram_enter_from_signal, which would have to wait, and by extram_prewarm,
    /// which would have to make more. extram_enter waits instead.
    EXTRAM_EXHAUSTED,
    /// The pool is closed, or is being closed: extram_pool_close was called, even if it returned EXTRAM_BUSY.
    EXTRAM_CLOSED,
    /// Not now. extram_pool_close: an M is still in use. extram_pool_reopen: the pool is open.
    /// extram_pool_free: it is not closed. Each of them also: another thread is already doing so.
    /// extram_unbind: the thread is inside a call. Nothing is lost, and the call can be made again; the
    /// function's comment says when it will succeed.
    EXTRAM_BUSY,
    /// Memory or thread-local storage ran out.
    EXTRAM_NO_MEMORY,
    /// The caller made a mistake, and nothing has changed. An argument is NULL, or not aligned. The size in
    /// a structure is not the library's: it was not set, or the program was compiled with the extram.h
    /// of another version. In the configuration new_context is NULL, or binding is not an extram_binding
    /// (extram_config_problem says which).
    /// A handle is stale (its pool was freed, its call is over), invented, of another pool or of another
    /// thread. Or it is a call that may not be left now.
    ///
    /// Also if a function of the configuration, being written in Rust, panicked. What has happened then,
    /// the comment of the function that returns this says.
    EXTRAM_INVALID,
    /// No M could be made: new_context failed (observe is told the code that it returned), or, while
    /// entering, there was no memory for the M itself.
    EXTRAM_CREATION_FAILED,
    /// More pools, nested calls or waiting threads than can be counted.
    EXTRAM_TOO_MANY,
}

use extram_code::*;

impl extram_code {
    const ALL: [extram_code; 11] = [
        EXTRAM_OK,
        EXTRAM_NOT_STARTED,
        EXTRAM_WOULD_BLOCK,
        EXTRAM_TIMED_OUT,
        EXTRAM_EXHAUSTED,
        EXTRAM_CLOSED,
        EXTRAM_BUSY,
        EXTRAM_NO_MEMORY,
        EXTRAM_INVALID,
        EXTRAM_CREATION_FAILED,
        EXTRAM_TOO_MANY,
    ];

    fn text(self) -> &'static CStr {
        match self {
            EXTRAM_OK => c"done",
            EXTRAM_NOT_STARTED => c"the pool has not been started",
            EXTRAM_WOULD_BLOCK => c"no M is spare and the call may not wait",
            EXTRAM_TIMED_OUT => c"no M became free in time",
            EXTRAM_EXHAUSTED => c"the limit allows no more Ms",
            EXTRAM_CLOSED => c"the pool is closed",
            EXTRAM_BUSY => c"not now: it is in use, open, or being started or closed",
            EXTRAM_NO_MEMORY => c"memory or thread-local storage ran out",
            EXTRAM_INVALID => c"an argument is not valid here",
            EXTRAM_CREATION_FAILED => c"an M could not be made",
            EXTRAM_TOO_MANY => c"more than can be counted",
        }
    }
}

impl From<EnterError> for extram_code {
    fn from(error: EnterError) -> Self {
        match error {
            EnterError::NotStarted => EXTRAM_NOT_STARTED,
            EnterError::WouldBlock => EXTRAM_WOULD_BLOCK,
            EnterError::TimedOut => EXTRAM_TIMED_OUT,
            EnterError::Exhausted => EXTRAM_EXHAUSTED,
            EnterError::CreationFailed => EXTRAM_CREATION_FAILED,
            EnterError::Closed => EXTRAM_CLOSED,
            EnterError::TooMany => EXTRAM_TOO_MANY,
            _ => EXTRAM_INVALID,
        }
    }
}

impl From<LeaveError> for extram_code {
    fn from(_: LeaveError) -> Self {
        EXTRAM_INVALID
    }
}

impl From<StartError> for extram_code {
    fn from(error: StartError) -> Self {
        match error {
            StartError::CreationFailed => EXTRAM_CREATION_FAILED,
            StartError::NoMemory | StartError::NoThreadLocal => EXTRAM_NO_MEMORY,
            StartError::Exhausted => EXTRAM_EXHAUSTED,
            StartError::NotStarted => EXTRAM_CLOSED,
            StartError::SlotsInUse | StartError::AlreadyStarted => EXTRAM_BUSY,
            _ => EXTRAM_INVALID,
        }
    }
}

/// A sentence for a code, without a full stop. Never NULL; an unknown code has one of its own.
/// From any context.
#[unsafe(no_mangle)]
pub extern "C" fn extram_strerror(code: c_int) -> *const c_char {
    let known = extram_code::ALL.iter().find(|known| **known as c_int == code);
    known.map_or(c"unknown code", |known| known.text()).as_ptr()
}
