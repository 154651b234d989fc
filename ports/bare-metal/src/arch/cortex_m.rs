//! Cortex-M: a word per core in place of a thread pointer, WFE and SEV, SysTick.

use crate::Block;
use core::arch::asm;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

/// The word that takes the place of a thread pointer, which these processors lack. One per core, in
/// a `static`.
#[derive(Debug)]
pub struct ThreadPointer(AtomicPtr<Block>);

impl ThreadPointer {
    /// Of a core that runs no thread yet.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        ThreadPointer(AtomicPtr::new(core::ptr::null_mut()))
    }

    /// The hook for a context switch: from now on the core runs the thread with this block. Called
    /// where no interrupt handler can see the new thread's pointer with the old one's stack, or the
    /// other way round: with interrupts masked, or in PendSV.
    #[inline]
    pub fn switch_to(&self, block: &'static Block) {
        // Relaxed: read by this core alone.
        self.0.store(core::ptr::from_ref(block).cast_mut(), Ordering::Relaxed);
    }

    /// The block of the thread that runs on this core; `None` before the first switch.
    #[inline]
    pub fn block(&self) -> Option<&'static Block> {
        // SAFETY: null, or stored from a `&'static Block` by `switch_to`.
        unsafe { self.0.load(Ordering::Relaxed).as_ref() }
    }
}

/// Rests until an event: an interrupt, or a [`notify`] on any core since the last time.
#[inline]
pub fn relax() {
    // SAFETY: changes no register and no memory; a memory clobber, because others run meanwhile.
    unsafe { asm!("wfe", options(nostack, preserves_flags)) };
}

/// Sends an event to all cores.
#[inline]
pub fn notify() {
    // SAFETY: as above. The barrier makes what was stored before visible before the event is.
    unsafe { asm!("dsb", "sev", options(nostack, preserves_flags)) };
}

/// Whether the processor runs an exception: what `IPSR` says.
#[inline(always)]
pub fn in_handler() -> bool {
    let exception: u32;
    // SAFETY: reads a register. Not `pure`: it is another one in a handler.
    unsafe { asm!("mrs {}, IPSR", out(reg) exception, options(nomem, nostack, preserves_flags)) };
    exception != 0
}

/// Whether interrupts are masked: what `PRIMASK` says. The handler of the non-maskable interrupt asks
/// before it calls a pool: it may have come within what must not be interrupted (EXECUTORS.md, "The
/// non-maskable interrupt").
#[inline(always)]
pub fn is_masked() -> bool {
    let primask: u32;
    // SAFETY: reads a register. Not `pure`: it is another one elsewhere.
    unsafe { asm!("mrs {}, PRIMASK", out(reg) primask, options(nomem, nostack, preserves_flags)) };
    primask & 1 != 0
}

/// Runs it with interrupts masked, and leaves them as they were. Not if a fault or a non-maskable
/// interrupt comes.
#[inline(always)]
pub fn masked<T>(f: impl FnOnce() -> T) -> T {
    let primask: u32;
    // SAFETY: masking interrupts breaks nobody's assumption. No `nomem`: what follows stays after.
    unsafe { asm!("mrs {}, PRIMASK", "cpsid i", out(reg) primask, options(nostack, preserves_flags)) };
    let result = f();
    // SAFETY: as it was. No `nomem`: what came before stays before.
    unsafe { asm!("msr PRIMASK, {}", in(reg) primask, options(nostack, preserves_flags)) };
    result
}

/// The system timer as a clock: each wrap of its 24 bits is an interrupt, whose handler calls
/// [`on_interrupt`](SysTickClock::on_interrupt).
#[derive(Debug)]
pub struct SysTickClock {
    reload: u32,
    wraps: AtomicU32,
}

const SYST_CSR: *mut u32 = 0xe000_e010 as *mut u32;
const SYST_RVR: *mut u32 = 0xe000_e014 as *mut u32;
const SYST_CVR: *mut u32 = 0xe000_e018 as *mut u32;

impl SysTickClock {
    /// A clock with an interrupt every `period` ticks of the processor's clock, 2^24 at most.
    pub const fn new(period: u32) -> Self {
        assert!(period >= 2 && period <= 1 << 24);
        SysTickClock { reload: period - 1, wraps: AtomicU32::new(0) }
    }

    /// Starts it, with its interrupt.
    pub fn start(&self) {
        // SAFETY: the registers of the system timer, which every Cortex-M with this port's demands
        // has; this clock is its only user.
        unsafe {
            SYST_RVR.write_volatile(self.reload);
            // Clears its flag, too.
            SYST_CVR.write_volatile(0);
            // The processor's clock, interrupt, enable.
            SYST_CSR.write_volatile(0b111);
        }
    }

    /// For the handler of the system timer's interrupt, so that no wrap goes unseen.
    pub fn on_interrupt(&self) {
        let _ = self.ticks();
    }

    /// Ticks since the start. The count of wraps has 32 bits: with a period of 2^24 at 100 MHz it
    /// lasts 22 years.
    ///
    /// From handlers of every priority, too, but not from one that `PRIMASK` does not keep off.
    pub fn ticks(&self) -> u64 {
        masked(|| {
            let mut wrapped = has_wrapped();
            let mut left = left();
            // In between, or the count is of before.
            if has_wrapped() {
                (wrapped, left) = (true, self::left());
            }
            // Relaxed, both: of one core, and nothing interrupts.
            let wraps = self.wraps.load(Ordering::Relaxed).wrapping_add(wrapped.into());
            self.wraps.store(wraps, Ordering::Relaxed);
            // It counts down.
            let now = self.reload - left.min(self.reload);
            u64::from(wraps) * (u64::from(self.reload) + 1) + u64::from(now)
        })
    }
}

/// Whether the system timer has wrapped since this was asked last: its `COUNTFLAG`, which goes when it is read.
/// What it counts to would not tell: who asks once in each period may find the same, or more.
fn has_wrapped() -> bool {
    // SAFETY: of the clock's own timer; what reading it changes is for the clock alone.
    unsafe { SYST_CSR.read_volatile() & 1 << 16 != 0 }
}

/// What the system timer has left to count.
fn left() -> u32 {
    // SAFETY: reading it changes nothing.
    unsafe { SYST_CVR.read_volatile() }
}
