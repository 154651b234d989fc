//! The bounds of the stack on which a thread came in, for a runtime that asks for them
//! ([`Runtime::STACKS`](crate::Runtime::STACKS)).
//!
//! The current bounds are those of the latest call that came in on another stack than the call before,
//! and one level below is kept for its return. Where calls are left out of order, or change stacks
//! twice, bounds become unknown. They are wrong only where a stack is unmapped, and another one mapped
//! within its bounds, between two calls of a thread: asking again at each call would cost each
//! coroutine's call what one question costs.
//!
//! - **Bounds.** The fields are written by the holder while `version` is odd. A handler on the same
//!   thread, or an observer, that finds it odd or changed takes the bounds for unknown, and a handler
//!   writes nothing then.

use crate::sync::{AtomicU32, AtomicUsize, Ordering, fence};
use core::ops::Range;

/// In `size`: the system does not tell.
const UNKNOWN: usize = usize::MAX;
/// In `size`: calls were left out of order, or changed stacks twice.
const LOST: usize = usize::MAX - 1;

/// See the top of this file. Relaxed accesses, unless they say otherwise.
pub(crate) struct Bounds {
    version: AtomicU32,
    /// The calls inside when the thread came in on another stack; 0 = it did not.
    switched_at: AtomicU32,
    low: AtomicUsize,
    /// In bytes; 0 = not asked yet.
    size: AtomicUsize,
    outer_low: AtomicUsize,
    outer_size: AtomicUsize,
}

impl Bounds {
    const_unless_loom! {
        pub(crate) fn new() -> Self {
            Bounds {
                version: AtomicU32::new(0),
                switched_at: AtomicU32::new(0),
                low: AtomicUsize::new(0),
                size: AtomicUsize::new(0),
                outer_low: AtomicUsize::new(0),
                outer_size: AtomicUsize::new(0),
            }
        }
    }

    fn current(&self) -> (usize, usize) {
        (self.low.load(Ordering::Relaxed), self.size.load(Ordering::Relaxed))
    }

    fn set_current(&self, (low, size): (usize, usize)) {
        self.low.store(low, Ordering::Relaxed);
        self.size.store(size, Ordering::Relaxed);
    }

    /// Writes by `f`, unless this is a handler that interrupted a write.
    fn write(&self, f: impl FnOnce()) {
        let version = self.version.load(Ordering::Relaxed);
        if version & 1 != 0 {
            return;
        }
        self.version.store(version + 1, Ordering::Relaxed);
        // The odd version comes before the fields, these before the even one: partners in `get`.
        fence(Ordering::Release);
        f();
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    /// What is known, to anybody.
    pub(crate) fn get(&self) -> Option<Range<usize>> {
        // Acquire, and the fence: a reader that sees a field of a later write sees another version.
        let version = self.version.load(Ordering::Acquire);
        let (low, size) = self.current();
        fence(Ordering::Acquire);
        let steady = version & 1 == 0 && self.version.load(Ordering::Relaxed) == version;
        match size {
            0 | UNKNOWN | LOST => None,
            _ => steady.then(|| low..low.saturating_add(size)),
        }
    }

    /// Whether `sp` lies on the known stack, or nothing is to be known.
    #[inline(always)]
    pub(crate) fn hold(&self, sp: usize) -> bool {
        // Unknown: low is 0 and size the whole address space.
        sp.wrapping_sub(self.low.load(Ordering::Relaxed)) < self.size.load(Ordering::Relaxed)
    }

    /// Forgets the stack of the last holder.
    pub(crate) fn forget(&self) {
        self.write(|| {
            self.set_current((0, 0));
            self.switched_at.store(0, Ordering::Relaxed);
        });
    }

    /// Notes the stack on which the latest of so many calls came in.
    pub(crate) fn set(&self, bounds: Option<Range<usize>>, calls: u32) {
        let told = bounds.map_or((0, UNKNOWN), |b| (b.start, b.end.saturating_sub(b.start)));
        self.write(|| {
            if calls > 1 {
                let first = self.switched_at.load(Ordering::Relaxed) == 0;
                // The second change of stacks: what is below the first one is lost.
                let (low, size) = if first { self.current() } else { (0, LOST) };
                self.outer_low.store(low, Ordering::Relaxed);
                self.outer_size.store(size, Ordering::Relaxed);
                self.switched_at.store(calls, Ordering::Relaxed);
            } else {
                self.switched_at.store(0, Ordering::Relaxed);
            }
            self.set_current(told);
        });
    }

    /// A call has been left on the stack of `sp`; so many are inside still.
    pub(crate) fn left(&self, sp: usize, calls: u32) {
        let switched_at = self.switched_at.load(Ordering::Relaxed);
        if !self.hold(sp) {
            // Out of order: whoever is inside still is on some stack, and nobody knows which.
            let asked_anew = if calls == 0 { 0 } else { LOST };
            self.write(|| {
                self.set_current((0, asked_anew));
                self.outer_low.store(0, Ordering::Relaxed);
                self.outer_size.store(LOST, Ordering::Relaxed);
            });
        } else if calls == 0 && (switched_at != 0 || self.size.load(Ordering::Relaxed) == LOST) {
            self.forget();
        } else if switched_at > calls {
            self.write(|| {
                let outer = (self.outer_low.load(Ordering::Relaxed), self.outer_size.load(Ordering::Relaxed));
                self.set_current(outer);
                self.switched_at.store(0, Ordering::Relaxed);
            });
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const OWN: Range<usize> = 1000..2000;
    const OTHER: Range<usize> = 5000..6000;
    const THIRD: Range<usize> = 8000..9000;

    fn inside(stacks: &[(Range<usize>, u32)]) -> Bounds {
        let bounds = Bounds::new();
        for (stack, calls) in stacks {
            bounds.set(Some(stack.clone()), *calls);
        }
        bounds
    }

    #[test]
    fn a_nested_call_on_another_stack_leaves_the_outer_one_as_it_was() {
        let bounds = inside(&[(OWN, 1), (OTHER, 2)]);
        assert_eq!(bounds.get(), Some(OTHER));
        bounds.left(5500, 2);
        assert_eq!(bounds.get(), Some(OTHER), "a third call, on the same stack, has gone");
        bounds.left(5500, 1);
        assert_eq!(bounds.get(), Some(OWN));
        bounds.left(1500, 0);
        assert!(bounds.hold(1500), "kept for the next call");
    }

    #[test]
    fn leaving_out_of_order_makes_bounds_unknown_until_all_have_left() {
        let bounds = inside(&[(OWN, 1), (OTHER, 2)]);
        bounds.left(1500, 1);
        assert_eq!(bounds.get(), None);
        bounds.left(5500, 0);
        assert!(!bounds.hold(5500) && !bounds.hold(1500), "asked anew");
    }

    #[test]
    fn a_second_change_of_stacks_forgets_what_is_below_the_first() {
        let bounds = inside(&[(OWN, 1), (OTHER, 2), (THIRD, 3)]);
        assert_eq!(bounds.get(), Some(THIRD));
        bounds.left(8500, 2);
        assert_eq!(bounds.get(), None);
    }

    #[test]
    fn a_handler_in_the_middle_of_a_write_neither_reads_nor_writes() {
        let bounds = inside(&[(OWN, 1)]);
        bounds.write(|| {
            assert_eq!(bounds.get(), None);
            bounds.set(Some(OTHER), 2);
        });
        assert_eq!(bounds.get(), Some(OWN));
    }
}
