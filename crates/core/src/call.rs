//! The calls that are inside an M: how many, whether the outermost one has been admitted, and how the
//! last one leaves.
//!
//! Nested calls share the M, and may be left in any order: only their number matters.
//!
//! # Invariants
//!
//! - **Call.** The words are written by the thread that holds the M, and by handlers on that thread,
//!   which nest only while ADMITTED is set and leave them as they found them. The thread's token is in
//!   `hold` before its first call is counted. 0 means that nobody is inside; after the store of that 0
//!   the thread may lose the M (Invariant Hold).
//! - **Raw.** At most as many calls are raw as are inside. The others are guards', and only they end
//!   them.

use crate::port::Port;
use crate::sync::{AtomicU32, Ordering};

/// Admitted: a raw handler may nest.
const ADMITTED: u32 = 1 << 31;
/// The last call leaves the short way: the M is bound the plain way and owes nothing, or the pool does
/// not bind and the M is the thread's own.
const SHORT: u32 = 1 << 30;
/// The calls.
const COUNT: u32 = SHORT - 1;
/// The most calls: half as many again as 2^29, so that one comparison tells (`nest_admitted`).
const MOST: u32 = 3 << 28;

/// In `raw`: the M stays with its thread when the last call leaves.
const BOUND: u32 = 1 << 31;

/// In `raw`: the M is nobody's own, whatever its thread's value says; that may be from before the thread
/// itself took it back.
const DETACHED: u32 = 1 << 30;

/// In `raw`: the raw calls.
const RAW: u32 = DETACHED - 1;

/// More calls than can be counted.
#[derive(Debug)]
pub(crate) struct TooMany;

/// See the top of this file. Every access is relaxed, unless it says otherwise: for the thread itself,
/// its handlers, and observers.
pub(crate) struct Call {
    calls: AtomicU32,
    raw: AtomicU32,
}

impl Call {
    const_unless_loom! {
        pub(crate) fn new() -> Self {
            Call { calls: AtomicU32::new(0), raw: AtomicU32::new(0) }
        }
    }

    #[inline(always)]
    fn now(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Release: partner of the acquire in `is_inside`, which may see any of the values of a call.
    #[inline(always)]
    fn set(&self, calls: u32) {
        self.calls.store(calls, Ordering::Release);
    }

    /// How many calls are inside.
    #[inline]
    pub(crate) fn count(&self) -> u32 {
        self.now() & COUNT
    }

    /// Whether nobody is inside. Acquire: partner of the release in `end`, for `close`, which may drop
    /// the context.
    pub(crate) fn is_over(&self) -> bool {
        self.calls.load(Ordering::Acquire) == 0
    }

    /// Whether somebody is inside. Acquire: partner of the release in `set`; who it is is in
    /// `hold`.
    #[inline]
    pub(crate) fn is_inside(&self) -> bool {
        self.calls.load(Ordering::Acquire) & COUNT != 0
    }

    /// Whether the thread, whose own the M is, is outside.
    #[inline(always)]
    pub(crate) fn is_outside(&self) -> bool {
        self.now() == 0
    }

    /// The first call, not admitted yet.
    #[inline(always)]
    pub(crate) fn begin(&self, bound: bool, short: bool) {
        self.raw.store(if bound { BOUND } else { 0 }, Ordering::Relaxed);
        // The holder's token is in `hold` (Call).
        self.set(if short { 1 | SHORT } else { 1 });
    }

    /// The first call, with an M that does not become the thread's own.
    pub(crate) fn begin_detached(&self) {
        self.begin(false, false);
        self.raw.store(DETACHED, Ordering::Relaxed);
    }

    /// Whether calls of its thread may nest in it, if its thread's value says that the M is its own.
    #[inline]
    pub(crate) fn is_own(&self) -> bool {
        self.is_inside() && self.raw.load(Ordering::Relaxed) & DETACHED == 0
    }

    /// [`begin`](Call::begin) again with an M that is bound the plain way and owes nothing.
    #[inline(always)]
    pub(crate) fn begin_again(&self) {
        self.set(1 | SHORT);
    }

    /// [`begin_again`](Call::begin_again) and [`admit`](Call::admit) in one.
    #[inline(always)]
    pub(crate) fn admit_again(&self) {
        self.set(1 | SHORT | ADMITTED);
    }

    #[inline(always)]
    pub(crate) fn admit(&self) {
        self.set(self.now() | ADMITTED);
    }

    #[inline]
    pub(crate) fn is_admitted(&self) -> bool {
        self.now() & ADMITTED != 0
    }

    /// No handler may nest any more.
    #[inline(always)]
    pub(crate) fn retire(&self) {
        self.set(self.now() & !ADMITTED);
    }

    /// One call more if the M is admitted and they can be counted; a special case of
    /// [`nest`](Call::nest).
    #[inline(always)]
    pub(crate) fn nest_admitted(&self) -> bool {
        let now = self.now();
        // ADMITTED is set, and the count below MOST.
        let may = (now | SHORT).wrapping_sub(ADMITTED | SHORT) < MOST;
        if may {
            self.set(now + 1);
        }
        may
    }

    /// One call more.
    #[inline]
    pub(crate) fn nest(&self) -> Result<(), TooMany> {
        let now = self.now();
        if now & COUNT >= MOST {
            return Err(TooMany);
        }
        self.set(now + 1);
        Ok(())
    }

    /// One call less, which is not the last.
    #[inline]
    pub(crate) fn less(&self) {
        self.set(self.now() - 1);
    }

    /// One raw call less, which is not the last call; `false` if it is, or none is raw.
    #[inline(always)]
    pub(crate) fn leave_nested_raw(&self) -> bool {
        let nested = self.count() > 1 && self.unmake_raw();
        if nested {
            self.less();
        }
        nested
    }

    /// Whether the M is bound, and one call in it raw.
    #[inline(always)]
    pub(crate) fn is_bound_with_one_raw(&self) -> bool {
        self.raw.load(Ordering::Relaxed) == BOUND | 1
    }

    /// Says that one call is raw, or none, in an M that is bound.
    #[inline(always)]
    pub(crate) fn set_bound_with_raw(&self, raw: u32) {
        self.raw.store(BOUND | raw, Ordering::Relaxed);
    }

    /// The only call is about to end, which leaves the short way: no handler may nest any more.
    #[inline(always)]
    pub(crate) fn retire_shortly(&self) {
        self.set(1 | SHORT);
    }

    /// Whether one call is inside, which leaves the short way.
    #[inline(always)]
    pub(crate) fn leaves_shortly(&self) -> bool {
        self.now() == 1 | SHORT | ADMITTED
    }

    /// The same once it has been retired: no guard was taken meanwhile and kept.
    #[inline(always)]
    pub(crate) fn still_leaves_shortly(&self) -> bool {
        self.now() == 1 | SHORT
    }

    /// Says whether the last call leaves the short way.
    pub(crate) fn leave_shortly(&self, short: bool) {
        let now = self.now();
        self.set(if short { now | SHORT } else { now & !SHORT });
    }

    /// The last call is over. Release: partner of the acquire in `is_over`; for an M that stays with
    /// its thread this is the last access to the pool.
    #[inline(always)]
    pub(crate) fn end(&self) {
        self.calls.store(0, Ordering::Release);
    }

    /// Whether the M stays with its thread.
    #[inline(always)]
    pub(crate) fn is_bound<P: Port>(&self) -> bool {
        P::HAS_EXIT_HOOK && self.raw.load(Ordering::Relaxed) & BOUND != 0
    }

    /// The M does not stay with its thread.
    pub(crate) fn unbind(&self) {
        self.raw.store(self.raw.load(Ordering::Relaxed) & !BOUND, Ordering::Relaxed);
        self.leave_shortly(false);
    }

    /// How many of the calls are raw.
    #[inline]
    pub(crate) fn raw(&self) -> u32 {
        self.raw.load(Ordering::Relaxed) & RAW
    }

    /// One of the guards' calls becomes raw.
    #[inline]
    pub(crate) fn make_raw(&self) {
        self.raw.store(self.raw.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// One of the raw calls becomes a guard's; `false` if none is raw.
    #[inline]
    pub(crate) fn unmake_raw(&self) -> bool {
        let some = self.raw() > 0;
        if some {
            self.raw.store(self.raw.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
        }
        some
    }

    /// The thread ends: nobody will leave its raw calls. One is left to be ended by the caller, if all
    /// were raw; `false` if guards are inside.
    pub(crate) fn drop_raw(&self) -> bool {
        let (now, raw) = (self.now(), self.raw());
        let guards = (now & COUNT) - raw;
        self.raw.store(self.raw.load(Ordering::Relaxed) & !RAW, Ordering::Relaxed);
        self.set((now & !COUNT) | guards.max(1));
        guards == 0
    }

    /// Nobody is inside. The caller has the M to itself. Release: partner of the acquire in `is_over`;
    /// that the M is not bound any more comes before.
    pub(crate) fn forget(&self) {
        self.raw.store(0, Ordering::Relaxed);
        self.calls.store(0, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn at(calls: u32) -> Call {
        Call { calls: AtomicU32::new(calls), raw: AtomicU32::new(0) }
    }

    #[test]
    fn the_short_way_of_nesting_does_what_the_long_one_does() {
        for flags in [0, ADMITTED, SHORT, ADMITTED | SHORT] {
            for count in [1, 2, 1 << 28, 1 << 29, MOST - 1, MOST, MOST + 1, COUNT] {
                let (short, long) = (at(flags | count), at(flags | count));
                let nested = short.nest_admitted();
                assert_eq!(nested, flags & ADMITTED != 0 && count < MOST, "{flags:x} {count:x}");
                if nested {
                    long.nest().unwrap();
                    assert_eq!(short.now(), long.now());
                } else {
                    assert_eq!(short.now(), flags | count, "refused, and nothing has changed");
                }
            }
        }
        assert!(!at(0).nest_admitted());
    }

    #[test]
    fn the_bound_on_calls_is_refused_on_both_sides() {
        let call = at(MOST - 1);
        call.nest().unwrap();
        assert!(call.nest().is_err());
        assert_eq!(call.count(), MOST);
        const { assert!(MOST > 1 << 29) };
    }

    #[test]
    fn raw_calls_go_with_their_thread_and_guards_stay() {
        let call = at(0);
        call.begin(true, false);
        call.make_raw();
        call.nest().unwrap();
        assert!(!call.drop_raw(), "the second one is a guard's");
        assert_eq!((call.count(), call.raw()), (1, 0));
        assert_ne!(call.raw.load(Ordering::Relaxed) & BOUND, 0, "it stays bound");
        call.make_raw();
        assert!(call.drop_raw());
        assert_eq!(call.count(), 1, "to be ended by the caller");
        assert!(!call.unmake_raw());
    }
}
