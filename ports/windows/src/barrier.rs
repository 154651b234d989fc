//! The heavy barrier: FlushProcessWriteBuffers, where a trial has not shown that it is empty.
//!
//! Windows documents it. Other systems that run Windows programs have it by name alone (Wine 8's does
//! nothing), and a pool that trusts an empty one lends an M twice. So it is tried once in a process, when
//! the first pool starts: the litmus test of store buffering. One thread stores and looks without a
//! fence, again and again; this one stores, calls the barrier and looks. If neither sees the other, the
//! barrier is empty.
//!
//! On two free processors an empty one shows in one round of ten or so, on busy ones now and then in none
//! of all. Where the two threads do not run at once for long enough (one processor, or the loader's lock
//! is held and no thread can begin) the trial tells nothing at all. So it can only speak against a barrier:
//! Wine, whose is known to be empty, is not even asked.

use crate::error::Preserved;
use core::ffi::c_void;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, compiler_fence};
use core::time::Duration;
use windows_sys::Win32::Foundation::{CloseHandle, HMODULE};
use windows_sys::Win32::System::LibraryLoader::{
    FreeLibraryAndExitThread, GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GetModuleHandleA, GetModuleHandleExA,
    GetProcAddress,
};
use windows_sys::Win32::System::Threading::{CreateThread, FlushProcessWriteBuffers};

const NOT_TRIED: u8 = 0;
const TRYING: u8 = 1;
const EMPTY: u8 = 2;
const WORKS: u8 = 3;

static STATE: AtomicU8 = AtomicU8::new(NOT_TRIED);

/// A pool that starts while another one tries does without.
pub(crate) fn init() -> bool {
    // Relaxed: what was found out is in the word itself.
    if STATE.compare_exchange(NOT_TRIED, TRYING, Relaxed, Relaxed).is_ok() {
        let _last_error = Preserved::new();
        let works = works();
        STATE.store(if works { WORKS } else { EMPTY }, Relaxed);
    }
    STATE.load(Relaxed) == WORKS
}

pub(crate) fn heavy() -> bool {
    // SAFETY: no arguments; cannot fail, and sets no error.
    unsafe { FlushProcessWriteBuffers() };
    true
}

fn works() -> bool {
    !is_wine() && trial() != Some(false)
}

fn is_wine() -> bool {
    // SAFETY: constant names.
    unsafe {
        let ntdll = GetModuleHandleA(c"ntdll.dll".as_ptr().cast());
        !ntdll.is_null() && GetProcAddress(ntdll, c"wine_get_version".as_ptr().cast()).is_some()
    }
}

/// On a line of its own, else one store would wait for the other.
#[repr(align(128))]
struct Line(AtomicU32);

/// More than a processor keeps stores back.
const LOG: usize = 64;
/// Rounds in which both ran.
const ROUNDS: u32 = 200;
const LONGEST: Duration = Duration::from_millis(20);
/// So many looks at the other side before it counts as asleep.
const LOOKS: u32 = 1000;

static X: Line = Line(AtomicU32::new(0));
static Y: Line = Line(AtomicU32::new(0));
/// What the light side saw of `Y` when it had stored a number in `X`.
static SAW: [AtomicU32; LOG] = [const { AtomicU32::new(0) }; LOG];
static STOP: AtomicBool = AtomicBool::new(false);

/// Whether it works; `None` if the two threads have not met often enough.
fn trial() -> Option<bool> {
    let thread = light_side()?;
    let begin = crate::time::now()?;
    let mut told = 0;
    let mut round = 0;
    let result = loop {
        if told == ROUNDS {
            break Some(true);
        }
        if crate::time::now()?.saturating_sub(begin) > LONGEST {
            break None;
        }
        round += 1;
        Y.0.store(round, Relaxed);
        heavy();
        // Acquire, here and below: partner of the release in `light`; what it saw before is noted.
        let number = X.0.load(Acquire);
        if !(0..LOOKS).any(|_| X.0.load(Acquire).wrapping_sub(number) >= 2) {
            crate::time::osyield();
            continue;
        }
        // A later note in the same place names this round or a later one, too.
        if SAW[(number + 1) as usize % LOG].load(Relaxed) < round {
            break Some(false);
        }
        told += 1;
    };
    STOP.store(true, Relaxed);
    // SAFETY: the thread's handle, closed once. Nobody waits for the thread: the loader's lock may be
    // held here.
    unsafe { CloseHandle(thread) };
    result
}

/// Starts the other thread. It holds the library that its code is in.
fn light_side() -> Option<*mut c_void> {
    let mut library: HMODULE = core::ptr::null_mut();
    let here = (&raw const STATE).cast();
    // SAFETY: an address in this library, and a place for its handle. The thread gets the count that
    // this adds; if there is none, it stays.
    unsafe {
        if GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, here, &mut library) == 0 {
            return None;
        }
        let thread = CreateThread(core::ptr::null(), 0, Some(light), library, 0, core::ptr::null_mut());
        (!thread.is_null()).then_some(thread)
    }
}

unsafe extern "system" fn light(library: *mut c_void) -> u32 {
    let mut number = 0_u32;
    while !STOP.load(Relaxed) && number < u32::MAX / 2 {
        number += 1;
        // Release: see `trial`. It orders no later load.
        X.0.store(number, Release);
        // The light side of the barrier on trial: partner of `heavy`.
        compiler_fence(SeqCst);
        SAW[number as usize % LOG].store(Y.0.load(Relaxed), Relaxed);
    }
    // SAFETY: gives back the count that `light_side` added.
    unsafe { FreeLibraryAndExitThread(library, 0) }
}
