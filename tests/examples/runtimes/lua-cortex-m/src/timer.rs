//! The system timer, a hundred times a second, and how late its handler comes; and the board's first timer, which
//! counts without an interrupt, as the clock.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

pub(crate) const FREQUENCY: u32 = 25_000_000;
const HERTZ: u32 = 100;
const PERIOD: u32 = FREQUENCY / HERTZ;

const SYST_CSR: *mut u32 = 0xe000_e010 as *mut u32;
const SYST_RVR: *mut u32 = 0xe000_e014 as *mut u32;
const SYST_CVR: *mut u32 = 0xe000_e018 as *mut u32;

const TIMER0_CTRL: *mut u32 = 0x4000_0000 as *mut u32;
const TIMER0_VALUE: *mut u32 = 0x4000_0004 as *mut u32;
const TIMER0_RELOAD: *mut u32 = 0x4000_0008 as *mut u32;

/// Handlers since `begin`, and the most ticks of the clock by which one was late.
static HANDLED: AtomicU32 = AtomicU32::new(0);
static LATEST: AtomicU32 = AtomicU32::new(0);
static BEGAN: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Told {
    pub(crate) ms: u32,
    pub(crate) latest_us: u32,
    /// Interrupts that there should have been and were not: another one was pending.
    pub(crate) lost: u32,
}

pub(crate) fn start() {
    // SAFETY: the registers of these two timers, which nobody else uses.
    unsafe {
        TIMER0_RELOAD.write_volatile(u32::MAX);
        TIMER0_VALUE.write_volatile(u32::MAX);
        TIMER0_CTRL.write_volatile(1);
        SYST_RVR.write_volatile(PERIOD - 1);
        SYST_CVR.write_volatile(0);
        // The processor's clock, interrupt, enable.
        SYST_CSR.write_volatile(0b111);
    }
}

/// It wraps after 171 s, which nothing here takes.
fn clock() -> u32 {
    // SAFETY: reading it changes nothing. It counts down.
    u32::MAX - unsafe { TIMER0_VALUE.read_volatile() }
}

pub(crate) fn ticks() -> u64 {
    clock().into()
}

/// At the beginning of the handler.
pub(crate) fn arrived() {
    // SAFETY: reading it changes nothing that anybody uses. It counts down.
    let late = PERIOD - 1 - unsafe { SYST_CVR.read_volatile() };
    // Relaxed: read when nobody calls any more.
    HANDLED.fetch_add(1, Relaxed);
    LATEST.fetch_max(late, Relaxed);
}

pub(crate) fn begin() {
    HANDLED.store(0, Relaxed);
    LATEST.store(0, Relaxed);
    BEGAN.store(clock(), Relaxed);
}

pub(crate) fn end() -> Told {
    let took = clock() - BEGAN.load(Relaxed);
    let lost = (took / PERIOD).saturating_sub(HANDLED.load(Relaxed));
    let late = LATEST.load(Relaxed) * (1_000_000_000 / FREQUENCY);
    Told { ms: took / (FREQUENCY / 1000), latest_us: late.div_ceil(1000), lost }
}
