//! Who calls in, and how often.

use crate::board::Port;
use crate::device::Interrupt;
use crate::ledger::Ledger;
use core::cell::Cell;
use core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use cortex_m::peripheral::NVIC;
use critical_section::Mutex;
use extram_core::{Pool, Slots};

/// A pool with that runtime.
pub type LedgerPool = Pool<Ledger, Port>;

/// The levels that can be inside one another, the thread and handlers of four priorities, and the spare one.
pub const MS: u32 = 6;
static SLOTS: Slots<Ledger, { MS as usize + 2 }> = Slots::new();
/// What everybody calls.
pub static POOL: LedgerPool = Pool::with_slots(Ledger::new(), &SLOTS);

static ONE_SLOT: Slots<Ledger, 1> = Slots::new();
/// A pool of one M.
pub static SMALL: LedgerPool = Pool::with_slots(Ledger::new(), &ONE_SLOT).limit(1);

/// From where.
#[derive(Clone, Copy, Debug)]
pub enum Caller {
    /// Thread mode.
    Thread,
    /// The handler of lowest priority.
    Timer0,
    /// A task that runs in a handler.
    Task,
    /// The handler of high priority.
    Timer1,
    /// That of the clock, of the highest.
    Clock,
    /// What is counted by hand.
    Other,
}

static CALLS: [AtomicU32; 6] = [const { AtomicU32::new(0) }; 6];
pub(crate) static REFUSED: AtomicU32 = AtomicU32::new(0);
/// Calls that are inside at once, and the most of them.
static INSIDE: AtomicU32 = AtomicU32::new(0);
pub(crate) static MOST_INSIDE: AtomicU32 = AtomicU32::new(0);

/// Calls that found an M.
pub fn calls_of(caller: Caller) -> u32 {
    CALLS[caller as usize].load(SeqCst)
}

pub(crate) fn all_calls() -> u32 {
    CALLS.iter().map(|calls| calls.load(SeqCst)).sum()
}

/// A call that is made by hand, and noted on a page.
pub fn counted(times: u32) {
    CALLS[Caller::Other as usize].fetch_add(times, SeqCst);
}

/// The program's function that everybody calls, wherever it is. In a handler it neither waits nor makes an M.
pub fn call(caller: Caller) {
    let called = POOL.callback(|m| {
        let now = INSIDE.fetch_add(1, SeqCst) + 1;
        MOST_INSIDE.fetch_max(now, SeqCst);
        POOL.runtime().take(m);
        // Long enough for others to come in the middle of it.
        (0..200).for_each(|_| core::hint::spin_loop());
        POOL.runtime().give(m);
        INSIDE.fetch_sub(1, SeqCst);
    });
    (if called.is_ok() { &CALLS[caller as usize] } else { &REFUSED }).fetch_add(1, SeqCst);
}

type Errand = fn();
static ERRAND: Mutex<Cell<Option<Errand>>> = Mutex::new(Cell::new(None));

/// Has the handler of `TIMER0` do this, now.
pub fn in_handler(errand: Errand) {
    critical_section::with(|cs| ERRAND.borrow(cs).set(Some(errand)));
    NVIC::pend(Interrupt::TIMER0);
    cortex_m::asm::isb();
}

/// For that handler: whether there was one.
pub fn errand() -> bool {
    let errand = critical_section::with(|cs| ERRAND.borrow(cs).take());
    errand.inspect(|errand| errand()).is_some()
}
