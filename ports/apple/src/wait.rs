//! Waiting on a word: `os_sync_wait_on_address`, macOS 14.4 and later; before, `__ulock_wait`, which has no
//! header, but which the C++ and the Rust standard library use as well.
//!
//! Which one it is, is asked of the run-time linker by name when a thread first waits: a handler, which may
//! wake, cannot ask.

use core::ffi::{CStr, c_int, c_void};
use core::ptr::from_ref;
use core::sync::atomic::{AtomicPtr, Ordering, fence};
use core::time::Duration;
use extram_core::sync::AtomicU32;

type Wait = unsafe extern "C" fn(*mut c_void, u64, usize, u32) -> c_int;
type WaitFor = unsafe extern "C" fn(*mut c_void, u64, usize, u32, u32, u64) -> c_int;
type Wake = unsafe extern "C" fn(*mut c_void, usize, u32) -> c_int;

unsafe extern "C" {
    fn __ulock_wait(operation: u32, address: *mut c_void, value: u64, micros: u32) -> c_int;
    fn __ulock_wake(operation: u32, address: *mut c_void, value: u64) -> c_int;
}

// bsd/sys/ulock.h of Apple's kernel.
const UL_COMPARE_AND_WAIT: u32 = 1;
const ULF_WAKE_ALL: u32 = 0x100;
const ULF_NO_ERRNO: u32 = 0x0100_0000;

/// A function of the C library that may not be there.
struct Found(&'static CStr, AtomicPtr<c_void>);

impl Found {
    const fn new(name: &'static CStr) -> Self {
        Found(name, AtomicPtr::new(core::ptr::null_mut()))
    }

    fn look(&self) {
        // SAFETY: a constant name.
        let function = unsafe { libc::dlsym(libc::RTLD_DEFAULT, self.0.as_ptr()) };
        // Relaxed: a function that was there before any thread.
        self.1.store(function, Ordering::Relaxed);
    }

    /// # Safety
    ///
    /// `F` is the type of a pointer to that function.
    unsafe fn get<F>(&self) -> Option<F> {
        const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
        let function = self.1.load(Ordering::Relaxed);
        // SAFETY: by the caller's promise.
        (!function.is_null()).then(|| unsafe { core::mem::transmute_copy(&function) })
    }
}

static WAIT: Found = Found::new(c"os_sync_wait_on_address");
static WAIT_FOR: Found = Found::new(c"os_sync_wait_on_address_with_timeout");
static WAKE_ONE: Found = Found::new(c"os_sync_wake_by_address_any");
static WAKE_ALL: Found = Found::new(c"os_sync_wake_by_address_all");

/// Whether all four are there: which of the two the process uses. 0 until somebody waits.
static WAY: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(0);
const ULOCK: u32 = 1;
const OS_SYNC: u32 = 2;

/// Which way it is, for a thread that is about to sleep. With this fence and the one in `wake`, a thread that
/// wakes and finds no way yet has changed the word before the sleeper looks at it.
fn way() -> u32 {
    let mut way = WAY.load(Ordering::Acquire);
    if way == 0 {
        let all = [&WAIT, &WAIT_FOR, &WAKE_ONE, &WAKE_ALL];
        all.iter().for_each(|function| function.look());
        let there = all.iter().all(|function| !function.1.load(Ordering::Relaxed).is_null());
        way = if there { OS_SYNC } else { ULOCK };
        // Release: partner of the acquire loads. Whoever else stores, stores the same.
        WAY.store(way, Ordering::Release);
    }
    fence(Ordering::SeqCst);
    way
}

pub(crate) fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    let address = from_ref(word).cast_mut().cast::<c_void>();
    let size = size_of::<AtomicU32>();
    let clock = libc::OS_CLOCK_MACH_ABSOLUTE_TIME;
    let none = libc::OS_SYNC_WAIT_ON_ADDRESS_NONE;
    // 0 is no time at all for the one, and no limit for the other.
    let nanos = timeout.map(|timeout| u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX).max(1));
    // SAFETY: functions of these types, if they are there; the word lives as long as the borrow. Every
    // result, an error included, is an early return, which the caller allows for.
    unsafe {
        match (way(), nanos) {
            (OS_SYNC, None) => {
                WAIT.get::<Wait>().map(|wait| wait(address, expected.into(), size, none));
            }
            (OS_SYNC, Some(nanos)) => {
                WAIT_FOR
                    .get::<WaitFor>()
                    .map(|wait| wait(address, expected.into(), size, none, clock, nanos));
            }
            (_, nanos) => {
                let micros = nanos.map_or(0, |nanos| nanos.div_ceil(1000).min(u32::MAX.into()) as u32);
                __ulock_wait(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO, address, expected.into(), micros);
            }
        }
    }
}

pub(crate) fn wake(word: *const AtomicU32, count: u32) {
    let address = word.cast_mut().cast::<c_void>();
    let size = size_of::<AtomicU32>();
    fence(Ordering::SeqCst);
    let one = count == 1;
    // SAFETY: functions of these types, if they are there. A private wake-up uses the address as a key and
    // does not read the memory.
    unsafe {
        match WAY.load(Ordering::Acquire) {
            // Nobody has ever slept.
            0 => {}
            OS_SYNC => {
                let wake = if one { &WAKE_ONE } else { &WAKE_ALL };
                wake.get::<Wake>().map(|wake| wake(address, size, libc::OS_SYNC_WAKE_BY_ADDRESS_NONE));
            }
            _ => {
                let all = if one { 0 } else { ULF_WAKE_ALL };
                __ulock_wake(UL_COMPARE_AND_WAIT | ULF_NO_ERRNO | all, address, 0);
            }
        }
    }
}
