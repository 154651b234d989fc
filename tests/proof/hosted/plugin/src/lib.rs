//! A shared library with a pool of its own: a plug-in whose host knows nothing of pools.
//!
//! Its functions return 0 or a number above for success, and below 0 the reason why not.
#![cfg(unix)]

use core::cell::UnsafeCell;
use core::ffi::c_int;
use core::sync::atomic::AtomicI32;
use core::sync::atomic::Ordering::SeqCst;
use extram::{EnterError, Pool, Runtime};

struct Plugin;

impl Runtime for Plugin {
    type Context = [u32; 16];
    type Error = core::convert::Infallible;

    fn new_context(&self) -> Result<[u32; 16], Self::Error> {
        Ok([0; 16])
    }
}

/// The pool, which is dropped when the library goes: a static is not, and would leave behind what it
/// has taken from the heap.
struct Owned(UnsafeCell<Pool<Plugin>>);

// SAFETY: shared as a pool is; `discard` says that nobody does any more.
unsafe impl Sync for Owned {}

static POOL: Owned = Owned(UnsafeCell::new(Pool::new(Plugin)));

fn pool() -> &'static Pool<Plugin> {
    // SAFETY: changed by `discard` only.
    unsafe { &*POOL.0.get() }
}

/// Frees the pool's memory.
///
/// # Safety
///
/// The pool is closed or was never started, and nobody calls in from now on.
unsafe fn discard() {
    // SAFETY: as the caller promises; a static is not dropped again.
    unsafe { POOL.0.get().drop_in_place() };
}

const UNKNOWN: c_int = i32::MIN;
/// How the entry in the constructor ended.
static AT_LOAD: AtomicI32 = AtomicI32::new(UNKNOWN);
/// Where the destructor says how its entry ended.
static REPORT_TO: AtomicI32 = AtomicI32::new(-1);

fn code(error: EnterError) -> c_int {
    match error {
        EnterError::NotStarted => -1,
        EnterError::Closed => -2,
        _ => -3,
    }
}

/// Starts the pool.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_start() -> c_int {
    if pool().start().is_ok() { 0 } else { -1 }
}

/// Enters and leaves: the number of the M.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_call() -> c_int {
    pool().callback(|m| m.id() as c_int).unwrap_or_else(code)
}

/// Closes the pool.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_close() -> c_int {
    if pool().close().is_ok() { 0 } else { -1 }
}

/// How many Ms there are.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_created() -> c_int {
    pool().stats().created as c_int
}

/// Of those: bound to threads outside.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_bound_idle() -> c_int {
    pool().stats().bound_idle as c_int
}

/// What the constructor was told.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_at_load() -> c_int {
    AT_LOAD.load(SeqCst)
}

/// The file descriptor on which the destructor writes `+` if it was let in, `-` if not.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_report_to(file: c_int) {
    REPORT_TO.store(file, SeqCst);
}

/// For the constructor.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_constructed() {
    AT_LOAD.store(plugin_call(), SeqCst);
}

/// For the destructor.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_destructed() {
    unsafe extern "C" {
        fn write(file: c_int, bytes: *const u8, count: usize) -> isize;
    }
    let file = REPORT_TO.load(SeqCst);
    let entered = plugin_call();
    if file >= 0 {
        let text = if entered > 0 { b"+" } else { b"-" };
        // SAFETY: one byte of a constant.
        unsafe { write(file, text.as_ptr(), 1) };
    }
    if entered == code(EnterError::Closed) {
        // SAFETY: it is closed, and who unloads a library has nobody call into it.
        unsafe { discard() };
    }
}
