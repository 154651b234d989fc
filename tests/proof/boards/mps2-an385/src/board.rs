//! The port of a program with an executor and one core: one thread, which is `main`, `idle` and every task that
//! runs in thread mode, and the handlers that interrupt it.

use core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use extram_core::sync::AtomicU32 as Word;
use extram_port_bare_metal::arch::cortex_m::{SysTickClock, in_handler, masked};
use extram_port_bare_metal::{BareMetal, Block, System};

/// What the pools are given.
pub type Port = BareMetal<Board>;

/// The board.
#[derive(Debug)]
pub enum Board {}

/// A tick of the system timer is a millisecond.
pub static CLOCK: SysTickClock = SysTickClock::new(25_000);

static THE_THREAD: Block = Block::new();

/// How often somebody was woken, and of those in a handler; how often the thread slept.
static TOLD: AtomicU32 = AtomicU32::new(0);
pub(crate) static TOLD_IN_HANDLER: AtomicU32 = AtomicU32::new(0);
pub(crate) static SLEPT: AtomicU32 = AtomicU32::new(0);
/// Milliseconds for which the thread has waited, and [`NOT`] while it does not.
static WAITED: AtomicU32 = AtomicU32::new(NOT);
const NOT: u32 = u32::MAX;
/// More than any wait in these programs takes.
const FOR_EVER: u32 = 2_000;

// SAFETY: Own block: there is one thread, and handlers are part of it. Fresh block: it never ends. Exit: the
// same. Wake: the address is not used. Handler, Brief: the defaults, by `IPSR` and `PRIMASK`.
unsafe impl System for Board {
    const EXITS: bool = true;

    fn block() -> &'static Block {
        &THE_THREAD
    }

    fn frequency() -> u32 {
        25_000_000
    }

    fn ticks() -> u64 {
        CLOCK.ticks()
    }

    fn relax() {
        core::hint::spin_loop();
    }

    /// Sleeps until it is told, with WFI: that looks at no event, so none is taken from an executor that
    /// waits for its own with WFE.
    fn wait(word: &Word, expected: u32, until: Option<u64>) {
        let told = TOLD.load(SeqCst);
        if word.load(SeqCst) != expected {
            return;
        }
        WAITED.store(0, SeqCst);
        while TOLD.load(SeqCst) == told && until.is_none_or(|until| Self::ticks() < until) {
            // An interrupt that comes between the look and the rest ends the rest, masked as it is; its
            // handler runs when it is no longer masked. A limit is looked at at every one of the clock.
            masked(|| {
                if TOLD.load(SeqCst) == told {
                    SLEPT.fetch_add(1, SeqCst);
                    cortex_m::asm::wfi();
                }
            });
        }
        WAITED.store(NOT, SeqCst);
    }

    /// In handlers, too: it adds one.
    fn wake(_word: *const Word, _count: u32) {
        if cfg!(feature = "silent") {
            return;
        }
        TOLD.fetch_add(1, SeqCst);
        TOLD_IN_HANDLER.fetch_add(in_handler().into(), SeqCst);
    }
}

/// What the clock's handler does: no wrap goes unseen, and nobody waits for ever.
pub fn on_tick() {
    CLOCK.on_interrupt();
    let waited = WAITED.load(SeqCst);
    if waited != NOT {
        WAITED.store(waited + 1, SeqCst);
        if waited == FOR_EVER {
            crate::report::give_up("somebody waits, and is not woken");
        }
    }
}
