//! What the port keeps for each thread.

use crate::local::{self, Pair};
use core::ops::Range;
use extram_core::sync::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

/// How many pools can be open at once: each keeps a word for every thread. One more does not start.
pub const LOCALS: usize = 4;

/// A thread's own memory: its thread-local words, number and stack. Its address is the thread's
/// token.
///
/// Used by one thread and the handlers that interrupt it. The fields are atomic because a handler
/// may come between any two accesses; each is relaxed because all of them happen on one thread.
#[repr(C, align(16))]
#[derive(Debug)]
pub struct Block {
    pub(crate) pairs: [Pair; LOCALS],
    number: AtomicU32,
    exiting: AtomicBool,
    stack_low: AtomicUsize,
    stack_high: AtomicUsize,
}

// `Port::thread_token` leaves four bits free.
const _: () = assert!(align_of::<Block>() >= 16);

impl Block {
    /// The block of a thread that has stored nothing: all zero, so that zeroed memory is one.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Block {
            pairs: [const { Pair::new() }; LOCALS],
            number: AtomicU32::new(0),
            exiting: AtomicBool::new(false),
            stack_low: AtomicUsize::new(0),
            stack_high: AtomicUsize::new(0),
        }
    }

    /// Makes it a new thread's: that thread has stored nothing, is called `number` by debuggers,
    /// and runs on that stack (an empty range if nobody knows).
    ///
    /// Called before the thread runs, or by the thread itself before it enters any pool.
    pub fn reset(&self, number: u32, stack: Range<usize>) {
        for pair in &self.pairs {
            pair.clear();
        }
        self.number.store(number, Ordering::Relaxed);
        self.exiting.store(false, Ordering::Relaxed);
        self.stack_low.store(stack.start, Ordering::Relaxed);
        self.stack_high.store(stack.end, Ordering::Relaxed);
    }

    /// Runs the exit hooks: the Ms that stayed with the thread go back to their pools. The thread
    /// calls this on its own block when it ends.
    pub fn exit(&self) {
        self.exiting.store(true, Ordering::Relaxed);
        local::run_hooks(self);
    }

    pub(crate) fn is_exiting(&self) -> bool {
        self.exiting.load(Ordering::Relaxed)
    }

    pub(crate) fn token(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    /// The thread's number.
    pub fn number(&self) -> u32 {
        self.number.load(Ordering::Relaxed)
    }

    pub(crate) fn stack(&self) -> Option<Range<usize>> {
        let stack = self.stack_low.load(Ordering::Relaxed)..self.stack_high.load(Ordering::Relaxed);
        (!stack.is_empty()).then_some(stack)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_block_is_all_zero() {
        let block = Block::new();
        assert_eq!((block.number(), block.is_exiting(), block.stack()), (0, false, None));
        let size = core::mem::offset_of!(Block, exiting) + size_of::<AtomicBool>();
        // SAFETY: the block's own first bytes, none of which is padding.
        let bytes = unsafe { core::slice::from_raw_parts(core::ptr::from_ref(&block).cast::<u8>(), size) };
        assert!(bytes.iter().all(|&byte| byte == 0));
    }
}
