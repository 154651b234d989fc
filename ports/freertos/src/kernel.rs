//! The functions of `c/extram_freertos.c`, which says what they do.

use core::ffi::c_void;

unsafe extern "C" {
    pub(crate) fn extram_freertos_words() -> *mut *mut c_void;
    pub(crate) fn extram_freertos_number() -> usize;
    pub(crate) fn extram_freertos_stack(low: &mut usize, high: &mut usize);
    pub(crate) fn extram_freertos_frequency() -> u32;
    pub(crate) fn extram_freertos_ticks() -> u32;
    pub(crate) fn extram_freertos_last_tick() -> u32;
    pub(crate) fn extram_freertos_delay(ticks: u32);
    pub(crate) fn extram_freertos_yield();
    pub(crate) fn extram_freertos_wait(word: *const u32, expected: u32, ticks: u32);
    pub(crate) fn extram_freertos_wake(word: *const u32, count: u32);
    pub(crate) fn extram_freertos_handler_ends();
    #[cfg(not(target_arch = "arm"))]
    pub(crate) fn extram_freertos_in_handler() -> i32;
    pub(crate) fn extram_freertos_alloc(size: usize) -> *mut c_void;
    pub(crate) fn extram_freertos_free(memory: *mut c_void);
    pub(crate) fn extram_freertos_start(
        run: extern "C" fn(*mut c_void),
        arg: *mut c_void,
        stack: usize,
    ) -> i32;
    pub(crate) fn extram_freertos_delete();
    #[cfg(not(any(target_arch = "arm", target_arch = "riscv32", target_arch = "riscv64")))]
    fn extram_freertos_mask() -> u32;
    #[cfg(not(any(target_arch = "arm", target_arch = "riscv32", target_arch = "riscv64")))]
    fn extram_freertos_unmask(mask: u32);
}

/// Runs it with interrupts masked, and leaves them as they were.
#[cfg(any(target_arch = "riscv32", target_arch = "riscv64"))]
#[inline(always)]
pub(crate) fn masked<T>(f: impl FnOnce() -> T) -> T {
    let before: usize;
    // SAFETY: the kernel runs in machine mode. No `nomem`: what follows stays after.
    unsafe { core::arch::asm!("csrrci {}, mstatus, 8", out(reg) before, options(nostack)) };
    let result = f();
    // SAFETY: as it was. No `nomem`: what came before stays before.
    unsafe { core::arch::asm!("csrs mstatus, {}", in(reg) before & 8, options(nostack)) };
    result
}

/// The same by the kernel's own means, which has to run by then.
#[cfg(not(any(target_arch = "arm", target_arch = "riscv32", target_arch = "riscv64")))]
pub(crate) fn masked<T>(f: impl FnOnce() -> T) -> T {
    // SAFETY: unmasked below; `f` is a handful of instructions.
    let mask = unsafe { extram_freertos_mask() };
    let result = f();
    // SAFETY: masked above.
    unsafe { extram_freertos_unmask(mask) };
    result
}
