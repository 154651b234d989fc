//! extram's port to FreeRTOS: [`System`] on the kernel's functions, which `c/extram_freertos.c` calls.
//! That file is compiled with the kernel, by the program's own `FreeRTOSConfig.h`.
//!
//! A thread is a task, and `main` before there are tasks. What a task keeps for extram lies in its own
//! thread-local pointers: it is there when the task is made, whoever makes it, a handler finds it,
//! and it is gone with the task.
//!
//! A task keeps its M between calls if it has said by [`keep_ms`] that it will give it back. Any other
//! one may be deleted at any time while it is outside.
#![no_std]

mod kernel;
mod starts;

use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};
use extram_core::sync::AtomicU32;
use extram_port_bare_metal::{BareMetal, Block, System, Widened};
pub use starts::Task;

/// The port.
pub type Port = BareMetal<FreeRtos>;

/// The kernel, as `extram-port-bare-metal` sees it.
#[derive(Clone, Copy, Debug)]
pub enum FreeRtos {}

/// Thread-local pointers of each task.
///
/// # Invariants
///
/// - **Words.** They are a task's own, zero when it is made, and stay where they are while it lives. The
///   block is in the first ones, as soon as they are aligned for it, and reaches not into the last.
const WORDS: usize = 16;

// The block is aligned to more than pointers are: (Words).
const _: () = assert!(size_of::<Block>() + align_of::<Block>() <= WORDS * size_of::<usize>());
/// The last word is 1 if the task keeps its M between calls.
fn keeps() -> &'static AtomicUsize {
    // SAFETY: there are so many words, and the last is for this alone (Words). Static for its task.
    unsafe { &*kernel::extram_freertos_words().add(WORDS - 1).cast::<AtomicUsize>() }
}

/// The calling task keeps its M between calls from now on, where the pool lets it.
///
/// # Safety
///
/// The task never ends, or calls [`exit`] just before it deletes itself. Nobody else deletes it.
#[unsafe(export_name = "extram_freertos_keep_ms")]
pub unsafe extern "C" fn keep_ms() {
    // Relaxed: the task's own, here and below.
    keeps().store(1, Ordering::Relaxed);
}

/// The calling task's Ms go back to their pools. For a task that keeps its M and ends, and for one that
/// ends inside a call.
#[unsafe(export_name = "extram_freertos_exit")]
pub extern "C" fn exit() {
    FreeRtos::block().exit();
    keeps().store(0, Ordering::Relaxed);
}

/// At the end of a handler in which anything of extram was called: if that has woken a task of higher priority,
/// it runs next. Without it that task runs at the next tick.
pub fn handler_ends() {
    // SAFETY: asks the kernel for a switch, which a handler may do.
    unsafe { kernel::extram_freertos_handler_ends() }
}

static TICKS: Widened = Widened::new();

/// For the kernel: ticks until `until`, less than for ever.
fn ticks_until(until: u64) -> u32 {
    // SAFETY: a constant of the kernel's.
    let most = unsafe { kernel::extram_freertos_last_tick() } - 1;
    u32::try_from(until.saturating_sub(FreeRtos::ticks())).unwrap_or(most).min(most)
}

// SAFETY: Own block: in the task's own words (Words), and handlers run while their task is the current one.
// Fresh block: the kernel clears the words when it makes a task. Exit: `keep_ms` demands it. Wake: the
// address is compared. Handler: `IPSR`, or the stack of handlers, tells. Brief: interrupts are masked.
unsafe impl System for FreeRtos {
    const EXITS: bool = true;

    fn exits() -> bool {
        keeps().load(Ordering::Relaxed) != 0
    }

    #[inline]
    fn block() -> &'static Block {
        // SAFETY: callable anywhere.
        let words = unsafe { kernel::extram_freertos_words() }.cast::<u8>();
        let block = words.wrapping_add(words.align_offset(align_of::<Block>())).cast::<Block>();
        // SAFETY: aligned, and within the words; all zero when the task was made, which is a block
        // (Words). Static for its task, which is who asks.
        unsafe { &*block }
    }

    fn number() -> u64 {
        // SAFETY: callable anywhere.
        unsafe { kernel::extram_freertos_number() as u64 }
    }

    fn stack() -> Option<Range<usize>> {
        let (mut low, mut high) = (0, 0);
        // SAFETY: both are writable.
        unsafe { kernel::extram_freertos_stack(&mut low, &mut high) };
        (low < high).then_some(low..high)
    }

    fn frequency() -> u32 {
        // SAFETY: callable anywhere.
        unsafe { kernel::extram_freertos_frequency() }
    }

    fn ticks() -> u64 {
        // SAFETY: a constant of the kernel's.
        let period = u64::from(unsafe { kernel::extram_freertos_last_tick() }) + 1;
        // SAFETY: callable anywhere.
        TICKS.ticks::<Self>(period, || unsafe { kernel::extram_freertos_ticks() })
    }

    /// Sleeps: a yield lets nobody of lower priority run.
    fn relax() {
        // SAFETY: called by tasks.
        unsafe { kernel::extram_freertos_delay(1) }
    }

    fn yield_now() {
        // SAFETY: does nothing where it may not.
        unsafe { kernel::extram_freertos_yield() }
    }

    fn sleep(until: u64) {
        while Self::ticks() < until {
            // SAFETY: called by tasks.
            unsafe { kernel::extram_freertos_delay(ticks_until(until)) }
        }
    }

    fn wait(word: &AtomicU32, expected: u32, until: Option<u64>) {
        let ticks = match until {
            // SAFETY: a constant of the kernel's.
            None => unsafe { kernel::extram_freertos_last_tick() },
            Some(until) => ticks_until(until),
        };
        // SAFETY: the word is there while this waits.
        unsafe { kernel::extram_freertos_wait(core::ptr::from_ref(word).cast(), expected, ticks) }
    }

    fn wake(word: *const AtomicU32, count: u32) {
        // SAFETY: the address is compared.
        unsafe { kernel::extram_freertos_wake(word.cast(), count) }
    }

    // On Cortex-M the defaults are right.
    #[cfg(not(target_arch = "arm"))]
    fn in_handler() -> bool {
        // SAFETY: callable anywhere.
        unsafe { kernel::extram_freertos_in_handler() != 0 }
    }

    #[cfg(not(target_arch = "arm"))]
    fn brief<T>(f: impl FnOnce() -> T) -> T {
        kernel::masked(f)
    }
}
