//! The seam: what a board or a kernel supplies.

use crate::Block;
use extram_core::Refused;
use extram_core::sync::AtomicU32;

/// A machine with its kernel, or a machine alone.
///
/// # Safety
///
/// - **Own block.** [`block`](System::block) returns the block of the thread that calls it, in an
///   interrupt handler the block of the thread that was interrupted. It may be called from
///   handlers, and returns the same block for as long as the thread lives.
/// - **Fresh block.** A block that was another thread's is [reset](Block::reset) before it becomes
///   a new one's.
/// - **Exit.** If [`EXITS`](System::EXITS) is true, every thread calls [`Block::exit`] on its own
///   block when it ends.
/// - **Wake.** [`wake`](System::wake) does not access the memory behind its pointer.
pub unsafe trait System: Send + Sync + Sized + 'static {
    /// Threads end by calling [`Block::exit`], so an M may stay with its thread between calls.
    const EXITS: bool;

    /// The calling thread's block.
    fn block() -> &'static Block;

    /// Ticks per second.
    fn frequency() -> u32;

    /// A counter that never goes back, not even from one core to another.
    fn ticks() -> u64;

    /// Lets another thread run. If there is none, the core may rest until an event comes, but not
    /// for long: those who call it look again for what they wait for.
    fn relax();

    /// A thread that [`start`](System::start) started.
    type Thread;

    /// Starts a core, or a context of the kernel, that runs `entry(arg)` on at least `stack` bytes.
    ///
    /// # Errors
    ///
    /// No core or context is left, or their stacks are smaller.
    fn start(entry: extern "C" fn(*mut ()), arg: *mut (), stack: usize) -> Result<Self::Thread, Refused>;

    /// Waits until it has ended.
    fn join(thread: Self::Thread);

    /// Does nothing until the counter has reached `until`.
    fn sleep(until: u64) {
        while Self::ticks() < until {
            Self::relax();
        }
    }

    /// Waits until `wake` is called for the word, if it holds `expected`, or the counter reaches
    /// `until`. May return early. The default relaxes once.
    fn wait(word: &AtomicU32, expected: u32, until: Option<u64>) {
        let _ = until;
        // Relaxed: a hint; the caller looks again, and its own exchange acquires.
        if word.load(extram_core::sync::Ordering::Relaxed) == expected {
            Self::relax();
        }
    }

    /// Wakes `count` threads that wait on the word at this address. Needed where `wait` or `relax`
    /// sleep until they are told.
    fn wake(word: *const AtomicU32, count: u32) {
        let _ = (word, count);
    }
}
