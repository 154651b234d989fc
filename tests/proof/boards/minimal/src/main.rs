//! The smallest program that embeds extram: one core, static slots, a call from a thread and one from
//! an interrupt handler. `cargo xtask size` measures it. It never runs: a stack and the way into a
//! handler are the board's, and are missing.
#![no_std]
#![no_main]

use core::cell::Cell;
use core::convert::Infallible;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use extram_core::{M, Pool, Runtime, Slots};
use extram_port_bare_metal::{BareMetal, Block, System};

/// A core that runs one thread for ever.
enum Core {}

static BLOCK: Block = Block::new();
static TICKS: AtomicU32 = AtomicU32::new(0);

// SAFETY: Own block, Fresh block: there is one thread, and handlers are part of it. Exit: it is not
// claimed. Wake: the default does nothing.
unsafe impl System for Core {
    const EXITS: bool = false;

    fn block() -> &'static Block {
        &BLOCK
    }

    fn frequency() -> u32 {
        1000
    }

    fn ticks() -> u64 {
        u64::from(TICKS.load(Relaxed))
    }

    fn relax() {
        core::hint::spin_loop();
    }
}

/// A runtime that counts its calls.
struct Counting;

impl Runtime for Counting {
    type Context = Cell<u32>;
    type Error = Infallible;

    fn new_context(&self) -> Result<Cell<u32>, Infallible> {
        Ok(Cell::new(0))
    }
}

fn count(m: &M<Counting>) {
    m.context().set(m.context().get() + 1);
}

static SLOTS: Slots<Counting, 4> = Slots::new();
static POOL: Pool<Counting, BareMetal<Core>> = Pool::with_slots(Counting, &SLOTS);

#[unsafe(no_mangle)]
extern "C" fn start() {
    if POOL.start().is_ok() {
        loop {
            let _ = POOL.callback(count);
        }
    }
}

extern "C" fn on_tick() {
    TICKS.store(TICKS.load(Relaxed).wrapping_add(1), Relaxed);
    if let Ok(m) = POOL.enter_from_signal() {
        count(&m);
    }
}

/// Keeps the two in the program.
#[used]
#[unsafe(link_section = ".vectors")]
static VECTORS: [extern "C" fn(); 2] = [start, on_tick];

/// The bytes of an M without what the runtime keeps in it. Read by `cargo xtask size`.
#[used]
#[unsafe(link_section = ".figures")]
static HEADER: u32 = (size_of::<M<Counting>>() - size_of::<Cell<u32>>()) as u32;

#[panic_handler]
fn panicked(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
