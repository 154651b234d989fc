//! Threads: making them, waiting for them, telling them apart.

use crate::error::Preserved;
use core::ffi::c_void;
use extram_core::Refused;
use windows_sys::Win32::Foundation::{CloseHandle, HANDLE};
use windows_sys::Win32::System::Memory::{GetProcessHeap, HeapAlloc, HeapFree};
use windows_sys::Win32::System::Threading::{
    CreateThread, GetCurrentThreadId, INFINITE, STACK_SIZE_PARAM_IS_A_RESERVATION, WaitForSingleObject,
};

/// A thread that `newosproc` created.
#[derive(Debug)]
pub struct Thread(HANDLE);

// SAFETY: any thread may wait for a handle and close it.
unsafe impl Send for Thread {}

struct Start {
    entry: extern "C" fn(*mut ()),
    arg: *mut (),
}

unsafe extern "system" fn start(start: *mut c_void) -> u32 {
    // SAFETY: `newosproc` handed over this allocation, written, and nobody else has it.
    let Start { entry, arg } = unsafe {
        let value = start.cast::<Start>().read();
        HeapFree(GetProcessHeap(), 0, start);
        value
    };
    entry(arg);
    0
}

pub(crate) fn newosproc(
    entry: extern "C" fn(*mut ()),
    arg: *mut (),
    stack: usize,
) -> Result<Thread, Refused> {
    let _last_error = Preserved::new();
    // SAFETY: the allocation is written before the new thread reads it, and freed by that thread or,
    // if there is none, here.
    unsafe {
        let heap = GetProcessHeap();
        let handed = HeapAlloc(heap, 0, size_of::<Start>());
        if handed.is_null() {
            return Err(Refused);
        }
        handed.cast::<Start>().write(Start { entry, arg });
        let flags = STACK_SIZE_PARAM_IS_A_RESERVATION;
        let handle =
            CreateThread(core::ptr::null(), stack, Some(start), handed, flags, core::ptr::null_mut());
        if handle.is_null() {
            HeapFree(heap, 0, handed);
            return Err(Refused);
        }
        Ok(Thread(handle))
    }
}

/// A handle is signalled when the thread has ended, TLS callbacks included.
pub(crate) fn join(thread: Thread) {
    let _last_error = Preserved::new();
    // SAFETY: waited for and closed once, because it is consumed.
    unsafe {
        WaitForSingleObject(thread.0, INFINITE);
        CloseHandle(thread.0);
    }
}

/// The address of the thread's environment block, which is a page.
#[inline(always)]
pub(crate) fn token() -> usize {
    let block: usize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the block's own address, in every thread's block (`NtTib.Self`).
    unsafe {
        core::arch::asm!("mov {}, gs:[0x30]", out(reg) block, options(nostack, pure, readonly, preserves_flags));
    }
    #[cfg(target_arch = "x86")]
    // SAFETY: as above.
    unsafe {
        core::arch::asm!("mov {}, fs:[0x18]", out(reg) block, options(nostack, pure, readonly, preserves_flags));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: Windows keeps the block's address in this register.
    unsafe {
        core::arch::asm!("mov {}, x18", out(reg) block, options(nostack, nomem, preserves_flags));
    }
    block
}

#[inline(always)]
pub(crate) fn id() -> u64 {
    // SAFETY: no arguments; reads the thread's block, and sets no error.
    u64::from(unsafe { GetCurrentThreadId() })
}
