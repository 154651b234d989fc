//! The handler of the device's interrupt, which does what it is told to.

use crate::kernel;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering::SeqCst};
use extram_conformance::Interrupts;
use extram_core::Port as _;
use extram_port_freertos::{Port, handler_ends};

/// What each interrupt calls; null for nothing.
static EVERY: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());
/// How many interrupts have called it.
static CALLS: AtomicU32 = AtomicU32::new(0);

/// The handler ends without a word.
pub(crate) static SILENT: AtomicBool = AtomicBool::new(false);

/// The token of the task that the suite wants interrupted, what it wants called, and with what.
static AIM: AtomicUsize = AtomicUsize::new(0);
static SHOT: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());
static ARGUMENT: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// For the suite. The device interrupts at its own pace; it shoots when that hits the task.
pub(crate) const INTERRUPTS: Interrupts = Interrupts {
    aim: || AIM.store(Port::thread_token(), SeqCst),
    fire: |shot, argument| {
        ARGUMENT.store(argument, SeqCst);
        SHOT.store(shot as *mut (), SeqCst);
    },
};

/// The handler.
pub(crate) fn interrupted() {
    let every = EVERY.load(SeqCst);
    if !every.is_null() {
        // SAFETY: stored by `every_interrupt`.
        let every = unsafe { core::mem::transmute::<*mut (), fn()>(every) };
        every();
        CALLS.fetch_add(1, SeqCst);
    }
    let shot = SHOT.load(SeqCst);
    if !shot.is_null() && AIM.load(SeqCst) == Port::thread_token() {
        SHOT.store(core::ptr::null_mut(), SeqCst);
        // SAFETY: stored by `fire`.
        let shot = unsafe { core::mem::transmute::<*mut (), extern "C" fn(*mut ())>(shot) };
        shot(ARGUMENT.load(SeqCst));
    }
    if !SILENT.load(SeqCst) {
        handler_ends();
    }
}

/// Each interrupt calls `f` until so many have, or ten seconds are over. Meanwhile `task` runs, again and again.
pub(crate) fn every_interrupt(count: u32, f: fn(), mut task: impl FnMut()) -> bool {
    let begin = Port::now().unwrap_or_default();
    let late = || Port::now().unwrap_or_default().saturating_sub(begin).as_secs() >= 10;
    CALLS.store(0, SeqCst);
    EVERY.store(f as *mut (), SeqCst);
    while CALLS.load(SeqCst) < count && !late() {
        task();
    }
    EVERY.store(core::ptr::null_mut(), SeqCst);
    CALLS.load(SeqCst) >= count
}

/// Lets others run until something is so; whether it is, within two seconds. A tick of an emulator that was
/// kept waiting is followed by the next at once, so to count ticks is not enough.
pub(crate) fn until(so: impl Fn() -> bool) -> bool {
    (0..2000).any(|_| {
        delay(1);
        so()
    })
}

/// Lets others run for so many ticks.
pub(crate) fn delay(ticks: u32) {
    // SAFETY: called by tasks.
    unsafe { kernel::board_delay(ticks) }
}
