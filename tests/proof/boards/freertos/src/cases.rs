//! What is FreeRTOS' own. Each case says in a line what held.

mod endings;
mod handlers;
mod priorities;

use crate::report::Report;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};
use extram_core::{M, Pool, Port as _, Runtime, Slots};
use extram_port_freertos::Port;

/// The runtime: each M carries a page on which its holder signs.
pub(crate) struct Ledger {
    made: AtomicU32,
    /// Ms that were in two hands.
    double: AtomicU32,
}

impl Ledger {
    const fn new() -> Self {
        Ledger { made: AtomicU32::new(0), double: AtomicU32::new(0) }
    }

    /// Signs, runs `f`, and finds the own signature again. Those who come in between leave theirs.
    fn alone<T>(&self, m: &M<Ledger>, f: impl FnOnce() -> T) -> T {
        let me = Port::thread_token();
        let before = m.context().swap(me, SeqCst);
        let result = f();
        if m.context().swap(0, SeqCst) != me || before != 0 {
            self.double.fetch_add(1, SeqCst);
        }
        result
    }
}

impl Runtime for Ledger {
    type Context = AtomicUsize;
    type Error = core::convert::Infallible;

    fn new_context(&self) -> Result<AtomicUsize, Self::Error> {
        self.made.fetch_add(1, SeqCst);
        Ok(AtomicUsize::new(0))
    }
}

type LedgerPool = Pool<Ledger, Port>;

/// An M for each task that is inside, one for the handler, and the spare one.
const MS: u32 = 6;
static SLOTS: Slots<Ledger, { MS as usize + 4 }> = Slots::new();
static POOL: LedgerPool = Pool::with_slots(Ledger::new(), &SLOTS);

static STARTED_BY_MAIN: AtomicBool = AtomicBool::new(false);

/// `main` starts the pool and makes the Ms, before interrupts come.
pub(crate) fn before_there_are_tasks() {
    STARTED_BY_MAIN.store(POOL.start().is_ok() && POOL.prewarm(MS).is_ok(), SeqCst);
}

/// The runtime's function that everybody calls: in C `int exported(int by)`.
#[unsafe(no_mangle)]
extern "C" fn exported(by: i32) -> i32 {
    POOL.callback(|m| POOL.runtime().alone(m, || by)).unwrap_or(0)
}

/// Nobody is inside and nobody keeps an M.
fn all_spare(pool: &'static LedgerPool) -> bool {
    let stats = pool.stats();
    stats.spare == stats.created && stats.in_use == 0 && stats.bound_idle == 0 && stats.waiting == 0
}

/// Runs all cases.
pub(crate) fn run(report: &mut Report) {
    let main =
        STARTED_BY_MAIN.load(SeqCst) && POOL.stats().spare == MS && POOL.runtime().made.load(SeqCst) == MS;
    report.case(main, format_args!("main starts the pool and makes {MS} Ms before there are tasks"));
    endings::run(report);
    if cfg!(feature = "broken") {
        return;
    }
    handlers::run(report);
    priorities::run(report);
    let (made, double) = (POOL.runtime().made.load(SeqCst), POOL.runtime().double.load(SeqCst));
    report.case(
        made <= MS + 1 && double == 0,
        format_args!("of {made} Ms made in all that, {double} were in two hands"),
    );
    let closed = POOL.close().is_ok();
    report.case(closed, format_args!("the pool closes, though a task that never ends has been in it"));
}
