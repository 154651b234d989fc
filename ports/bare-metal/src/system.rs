//! The seam: what a board or a kernel supplies.

use crate::Block;
use core::ops::Range;
use extram_core::Refused;
use extram_core::sync::AtomicU32;

/// A machine with its kernel, or a machine alone.
///
/// # Two ways to pass the time
///
/// [`yield_now`](System::yield_now) lets others run and comes back by itself: nobody has to do
/// anything for that. [`relax`](System::relax) may rest until an event comes, and is called only where
/// somebody will send one: in the default of [`wait`](System::wait), for what [`wake`](System::wake)
/// or an interrupt ends.
///
/// # Safety
///
/// - **Own block.** [`block`](System::block) returns the block of the thread that calls it, in an
///   interrupt handler the block of the thread that was interrupted. It may be called from
///   handlers, and returns the same block for as long as the thread lives.
/// - **Fresh block.** A block that was another thread's is [reset](Block::reset) before it becomes
///   a new one's.
/// - **Exit.** If [`EXITS`](System::EXITS) is true, every thread to which [`exits`](System::exits) said
///   so calls [`Block::exit`] on its own block when it ends.
/// - **Wake.** [`wake`](System::wake) does not access the memory behind its pointer.
/// - **Handler.** [`in_handler`](System::in_handler) is `true` in interrupt handlers. Its default can
///   tell that on Cortex-M alone. Whoever lets handlers on another machine call anything of a pool but
///   [`enter_from_signal`](extram_core::Pool::enter_from_signal) implements it.
/// - **Brief.** Nothing interrupts what [`brief`](System::brief) runs, on machines that cannot
///   exchange 64 bits at once. Its default sees to that on Cortex-M alone; whoever has another such
///   machine (32-bit RISC-V) on which handlers or other threads interrupt implements it.
pub unsafe trait System: Send + Sync + Sized + 'static {
    /// Threads end by calling [`Block::exit`], so an M may stay with its thread between calls.
    const EXITS: bool;

    /// Whether the calling thread calls [`Block::exit`] when it ends, or never ends. `false` for a thread
    /// that may just vanish: its Ms go back at the end of each call. Asked where
    /// [`EXITS`](System::EXITS) is true, and not by handlers.
    fn exits() -> bool {
        true
    }

    /// The calling thread's block.
    fn block() -> &'static Block;

    /// The calling thread's number, as debuggers show it. The default is the one in its block.
    fn number() -> u64 {
        Self::block().number().into()
    }

    /// The calling thread's stack, or none if nobody knows. The default is the one in its block.
    fn stack() -> Option<Range<usize>> {
        Self::block().stack()
    }

    /// Ticks per second. While it is 0 no pool starts.
    fn frequency() -> u32;

    /// A counter that never goes back, not even from one core to another. One of 32 bits or fewer wraps:
    /// [`Widened`](crate::Widened).
    fn ticks() -> u64;

    /// Lets another thread run. If there is none, the core may rest until an event comes: an
    /// interrupt, or what [`wake`](System::wake) sends. An event that came since the last time counts,
    /// or one that is sent between a look at a word and the rest is lost.
    fn relax();

    /// Lets another thread run, if there is one and it can, and comes back by itself. Never rests
    /// until an event: the caller may hold what everybody else waits for. The default lets a moment
    /// pass, which is enough where each core runs one thread.
    fn yield_now() {
        core::hint::spin_loop();
    }

    /// Does nothing until the counter has reached `until`.
    fn sleep(until: u64) {
        while Self::ticks() < until {
            Self::yield_now();
        }
    }

    /// Waits until `wake` is called for the word, if it holds `expected`, or the counter reaches
    /// `until`. May return early. The default relaxes once, or yields if there is an `until`, at which
    /// nobody sends an event.
    fn wait(word: &AtomicU32, expected: u32, until: Option<u64>) {
        // Relaxed: a hint; the caller looks again, and its own exchange acquires.
        if word.load(extram_core::sync::Ordering::Relaxed) != expected {
            return;
        }
        match until {
            None => Self::relax(),
            Some(_) => Self::yield_now(),
        }
    }

    /// Wakes `count` threads that wait on the word at this address. Needed where `wait` or `relax`
    /// sleep until they are told.
    fn wake(word: *const AtomicU32, count: u32) {
        let _ = (word, count);
    }

    /// Whether the caller runs in an interrupt handler. The default asks the processor on Cortex-M, and
    /// is `false` elsewhere.
    #[inline(always)]
    fn in_handler() -> bool {
        #[cfg(cortex_m)]
        return crate::arch::cortex_m::in_handler();
        #[cfg(not(cortex_m))]
        false
    }

    /// Runs a handful of instructions that nothing may interrupt. Called where 64 bits cannot be
    /// exchanged at once, and where a counter is [`Widened`](crate::Widened); other cores may run meanwhile.
    /// The default masks interrupts on Cortex-M, and just runs `f` elsewhere.
    #[inline(always)]
    fn brief<T>(f: impl FnOnce() -> T) -> T {
        #[cfg(cortex_m)]
        return crate::arch::cortex_m::masked(f);
        #[cfg(not(cortex_m))]
        f()
    }
}

/// Starting threads: what the conformance suite and demonstrations need. No pool does.
pub trait Starts: System {
    /// A thread that [`start`](Starts::start) started.
    type Thread;

    /// Starts a core, or a context of the kernel, that runs `entry(arg)` on at least `stack` bytes.
    ///
    /// # Errors
    ///
    /// No core or context is left, or their stacks are smaller.
    fn start(entry: extern "C" fn(*mut ()), arg: *mut (), stack: usize) -> Result<Self::Thread, Refused>;

    /// Waits until it has ended.
    fn join(thread: Self::Thread);
}
