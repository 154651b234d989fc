//! The seam: what a POSIX system has of its own.

use core::ops::Range;
use core::time::Duration;
use extram_core::sync::AtomicU32;

/// A POSIX system. [`Posix`](crate::Posix) is the port to it.
///
/// None of these functions has to keep `errno`: the port does. None may be a point at which a thread is
/// cancelled.
///
/// # Safety
///
/// - **Wake.** [`wake`](System::wake) and [`wake_in_turn`](System::wake_in_turn) do not access the memory behind
///   their pointer.
/// - **Barrier.** If [`heavy_barrier_init`](System::heavy_barrier_init) returned `true`, a
///   [`heavy_barrier`](System::heavy_barrier) that returns `true` acts as if every other thread of the
///   process executed a sequentially consistent fence at some moment during the call.
/// - **Handler.** `wake`, `wake_in_turn`, [`thread_id`](System::thread_id) and [`mapping`](System::mapping)
///   may be called from a signal handler that interrupted any function of the system; they do not allocate,
///   and wait for nobody but a thread that is in the middle of `wait` or `wake` and is not interrupted there.
pub unsafe trait System: Send + Sync + Sized + 'static {
    /// Waits until somebody wakes `word`, if it still holds `expected`, for `timeout` at most. May
    /// return early for any reason, and on any error. No wake-up is lost between the look at the word and
    /// the sleep.
    fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>);

    /// Wakes up to `count` threads that wait on the word at this address, or more. The memory may be
    /// gone.
    fn wake(word: *const AtomicU32, count: u32);

    /// [`Port::wait_again`](extram_core::Port::wait_again).
    fn wait_again(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        Self::wait(word, expected, timeout);
    }

    /// [`Port::wake_in_turn`](extram_core::Port::wake_in_turn).
    fn wake_in_turn(word: *const AtomicU32, count: u32) {
        Self::wake(word, count);
    }

    /// The calling thread's number as the system's debuggers and tools show it: neither 0 nor more than
    /// 32 bits where the system gives it in a C `int`.
    fn thread_id() -> u64;

    /// The stack that the calling thread was created with: lowest address and one past the highest.
    /// Asked once per thread, never in a handler. `None` where the system does not tell.
    fn own_stack() -> Option<Range<usize>>;

    /// The mapping that holds an address, for a thread that runs on a stack that it was not created
    /// with. The default knows none.
    fn mapping(address: usize) -> Option<Range<usize>> {
        let _ = address;
        None
    }

    /// Whether there can be a heavy barrier. If not, the two functions below are not called.
    const HAS_HEAVY_BARRIER: bool = false;

    /// Prepares [`heavy_barrier`](System::heavy_barrier); `false` where there is none.
    fn heavy_barrier_init() -> bool {
        false
    }

    /// A full memory barrier on every thread of the process; `false` if the system refuses it now.
    #[must_use]
    fn heavy_barrier() -> bool {
        false
    }
}
