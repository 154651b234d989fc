//! One core, and threads that are no more than blocks: who is said to run, runs.

use core::convert::Infallible;
use extram_core::{Event, Runtime};
use extram_port_bare_metal::arch::cortex_m::{self, ThreadPointer};
use extram_port_bare_metal::{BareMetal, Block, System};

pub(crate) type Port = BareMetal<Machine>;

/// The threads: the one that is interrupted, and one for each slot.
pub(crate) const THREADS: usize = crate::SLOTS + 1;

static BLOCKS: [Block; THREADS] = [const { Block::new() }; THREADS];
static RUNNING: ThreadPointer = ThreadPointer::new();

/// From now on thread `index` runs.
pub(crate) fn become_thread(index: usize) {
    RUNNING.switch_to(&BLOCKS[index]);
}

/// Each thread is fresh, and the first one runs.
pub(crate) fn begin() {
    for (index, block) in BLOCKS.iter().enumerate() {
        block.reset(index as u32, 0..0);
    }
    become_thread(0);
}

pub(crate) enum Machine {}

// SAFETY: Own block: the one that was switched to last; a handler belongs to that thread. Fresh block:
// by `begin`. Exit: threads do not end. Wake: the default does nothing.
unsafe impl System for Machine {
    const EXITS: bool = true;

    #[inline]
    fn block() -> &'static Block {
        match RUNNING.block() {
            Some(block) => block,
            None => &BLOCKS[0],
        }
    }

    fn frequency() -> u32 {
        25_000_000
    }

    fn ticks() -> u64 {
        0
    }

    fn relax() {
        cortex_m::relax();
    }
}

/// A runtime that does nothing, so that the pool's own instructions are counted.
pub(crate) struct Nothing;

impl Runtime for Nothing {
    type Context = ();
    type Error = Infallible;

    fn new_context(&self) -> Result<(), Infallible> {
        Ok(())
    }

    fn observe(&self, _: Event) {}
}
