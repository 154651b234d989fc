//! The one POSIX key: its value makes the C library call us when a thread ends.
//!
//! One key and one destructor serve every pool, so pools do not use up keys, and there is a time at
//! which the destructor goes: when the library is unloaded. It is made, and the handler of forks is
//! registered, when the library is loaded, so that no fork falls between the two. A linker that
//! drops what does that, and a pool that is opened by an earlier constructor, are why the first pool
//! looks again.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use extram_core::Refused;

/// The key plus `FIRST`, or one of those below.
static KEY: AtomicUsize = AtomicUsize::new(NOT_YET);
/// Nobody has made one, or the system refused.
const NOT_YET: usize = 0;
/// The library is being unloaded, or the process ends.
const GONE: usize = 1;
const FIRST: usize = 2;

/// Whether the handler of forks is registered. It is, for sure, before this says so. Twice does no
/// harm, since it does its work once in each child.
static REGISTERED: AtomicBool = AtomicBool::new(false);

/// Called when the library is loaded, and by the first pool. Not a constructor in Rust's sense: all
/// it uses is the C library.
#[used]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
static AT_LOAD: extern "C" fn() = at_load;

/// Called when the library is unloaded, or the process ends. Threads that end after that call
/// nothing of ours. (Mach-O has no such list; there `at_load` asks for it.)
#[cfg_attr(not(target_vendor = "apple"), used, unsafe(link_section = ".fini_array"))]
static AT_UNLOAD: extern "C" fn() = at_unload;

#[cfg(target_vendor = "apple")]
fn ask_for_the_end() {
    unsafe extern "C" {
        static __dso_handle: u8;
        fn __cxa_atexit(
            f: extern "C" fn(*mut libc::c_void),
            arg: *mut libc::c_void,
            library: *const u8,
        ) -> libc::c_int;
    }
    extern "C" fn at_end(_: *mut libc::c_void) {
        at_unload();
    }
    // SAFETY: the linker's symbol for this library, and a function that is there until its end.
    unsafe { __cxa_atexit(at_end, core::ptr::null_mut(), &raw const __dso_handle) };
}

extern "C" fn at_load() {
    let _errno = crate::errno::Preserved::new();
    let _ = prepare();
    #[cfg(target_vendor = "apple")]
    ask_for_the_end();
}

pub(crate) extern "C" fn at_unload() {
    let _errno = crate::errno::Preserved::new();
    // Relaxed: whoever uses a key that is deleted in the same moment is told so.
    let key = KEY.swap(GONE, Ordering::Relaxed);
    if key >= FIRST {
        // SAFETY: made by `prepare`, deleted once.
        unsafe { libc::pthread_key_delete((key - FIRST) as libc::pthread_key_t) };
    }
}

/// Before a pool is opened: sees to it that forks are handled, and makes the key if it can be made.
///
/// # Errors
///
/// The C library has no memory for the handler of forks.
pub(crate) fn prepare() -> Result<(), Refused> {
    // A linker that takes this function out of an archive takes the two with it.
    core::hint::black_box((&AT_LOAD, &AT_UNLOAD));
    // Acquire: partner of the release below.
    if !REGISTERED.load(Ordering::Acquire) {
        crate::fork::register()?;
        REGISTERED.store(true, Ordering::Release);
    }
    // Relaxed: a number.
    if KEY.load(Ordering::Relaxed) == NOT_YET {
        let mut key: libc::pthread_key_t = 0;
        // SAFETY: a valid place for the key, and a destructor that is there until the key is deleted.
        if unsafe { libc::pthread_key_create(&mut key, Some(crate::end::at_thread_end)) } == 0 {
            let made = key as usize + FIRST;
            if KEY.compare_exchange(NOT_YET, made, Ordering::Relaxed, Ordering::Relaxed).is_err() {
                // SAFETY: made above; nobody has seen it.
                unsafe { libc::pthread_key_delete(key) };
            }
        }
    }
    Ok(())
}

/// The key, if there is one.
fn key() -> Option<libc::pthread_key_t> {
    let key = KEY.load(Ordering::Relaxed);
    (key >= FIRST).then(|| (key - FIRST) as libc::pthread_key_t)
}

/// Whether there is one.
pub(crate) fn is_there() -> bool {
    key().is_some()
}

/// The calling thread's value under it. In the block's place, where there is no block.
pub(crate) fn value() -> *mut () {
    // SAFETY: a live key of ours.
    key().map_or(core::ptr::null_mut(), |key| unsafe { libc::pthread_getspecific(key) }.cast())
}

/// Stores a value: the destructor is called with it, if it is not null.
///
/// # Errors
///
/// There is no key, or no memory for the value.
pub(crate) fn set(value: *const ()) -> Result<(), Refused> {
    let key = key().ok_or(Refused)?;
    // SAFETY: a live key of ours; the value is stored, not read.
    if unsafe { libc::pthread_setspecific(key, value.cast()) } == 0 { Ok(()) } else { Err(Refused) }
}
