//! Waiting on a word: WaitOnAddress, which knows the addresses of its own process only.

use crate::error::Preserved;
use core::time::Duration;
use extram_core::sync::AtomicU32;
use windows_sys::Win32::System::Threading::{INFINITE, WaitOnAddress, WakeByAddressAll, WakeByAddressSingle};

/// Up to so many are woken one by one; more all at once, which `wake` allows.
const ONE_BY_ONE: u32 = 8;

pub(crate) fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    let _last_error = Preserved::new();
    // Rounded up: whoever wakes before its time has come waits again. The longest time-out that is not
    // for ever may end early, too, as all may.
    let millis = timeout.map_or(INFINITE, |timeout| {
        u32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(INFINITE).min(INFINITE - 1)
    });
    // SAFETY: the word lives as long as the borrow, the expected value as long as the call.
    unsafe {
        WaitOnAddress(
            core::ptr::from_ref(word).cast(),
            (&raw const expected).cast(),
            size_of::<u32>(),
            millis,
        )
    };
}

pub(crate) fn wake(word: *const AtomicU32, count: u32) {
    let _last_error = Preserved::new();
    // SAFETY: the address is a key, and the memory is not read.
    unsafe {
        if count > ONE_BY_ONE {
            WakeByAddressAll(word.cast());
        } else {
            for _ in 0..count {
                WakeByAddressSingle(word.cast());
            }
        }
    }
}
