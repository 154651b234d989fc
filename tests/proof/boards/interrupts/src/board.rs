//! The port: a thread is a core, and nothing else.

use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use extram_core::Refused;
use extram_core::sync::AtomicU32;
use extram_port_bare_metal::arch::cortex_m;
use extram_port_bare_metal::{BareMetal, Block, Starts, System};

pub(crate) type Port = BareMetal<Board>;

pub(crate) enum Board {}

static BLOCKS: [Block; 2] = [const { Block::new() }; 2];

/// A core that was started.
pub(crate) struct Core;

static STARTED: AtomicBool = AtomicBool::new(false);
static ENTRY: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());
static ARGUMENT: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

// SAFETY: Own block: each core has its own, and a handler runs on the core that it interrupts. Fresh
// block: used once. Exit: a core that has run its entry rests for ever; it exits first. Wake: the
// address is not used.
unsafe impl System for Board {
    const EXITS: bool = true;

    #[inline]
    fn block() -> &'static Block {
        &BLOCKS[mps2_an521::core() % 2]
    }

    fn frequency() -> u32 {
        mps2_an521::FREQUENCY
    }

    fn ticks() -> u64 {
        mps2_an521::ticks()
    }

    fn relax() {
        cortex_m::relax();
    }

    fn wake(_word: *const AtomicU32, _count: u32) {
        cortex_m::notify();
    }
}

impl Starts for Board {
    type Thread = Core;

    /// There is one to start.
    fn start(entry: extern "C" fn(*mut ()), arg: *mut (), _stack: usize) -> Result<Core, Refused> {
        // Relaxed: nothing but who comes first.
        if STARTED.swap(true, Ordering::Relaxed) {
            return Err(Refused);
        }
        BLOCKS[1].reset(1, 0..0);
        // Relaxed, here and in `second_core`: starting a core orders them.
        ENTRY.store(entry as *mut (), Ordering::Relaxed);
        ARGUMENT.store(arg, Ordering::Relaxed);
        mps2_an521::start_second_core(second_core);
        Ok(Core)
    }

    fn join(_: Core) {
        while !ENTRY.load(Ordering::Acquire).is_null() {
            cortex_m::relax();
        }
    }
}

extern "C" fn second_core() -> ! {
    // SAFETY: stored by `start`.
    let entry =
        unsafe { core::mem::transmute::<*mut (), extern "C" fn(*mut ())>(ENTRY.load(Ordering::Relaxed)) };
    entry(ARGUMENT.load(Ordering::Relaxed));
    Board::block().exit();
    // Release: partner of the acquire in `join`.
    ENTRY.store(core::ptr::null_mut(), Ordering::Release);
    cortex_m::notify();
    loop {
        cortex_m::relax();
    }
}
