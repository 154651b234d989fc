//! Entering allocates nothing where nothing has to be made. The allocator of this program counts.
#![cfg(unix)]

use extram::{Binding, Pool};
use extram_hosted::{Witness, close, in_turn, rest, started};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

struct Counting;

thread_local!(static ALLOCATIONS: Cell<u64> = const { Cell::new(0) });

// SAFETY: everything is the system allocator's; the counter needs no memory of its own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often the calling thread turned to the allocator in `f`.
fn allocations(f: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    f();
    ALLOCATIONS.get() - before
}

/// Scenario 29.
#[test]
fn a_spare_m_is_taken_and_a_bound_one_entered_without_the_allocator() {
    assert_eq!(allocations(|| drop(black_box(Box::new(1)))), 2, "the count counts");
    for binding in [Binding::Thread, Binding::Call] {
        for limit in [u32::MAX, 100] {
            let pool = started(Pool::new(Witness::default()).binding(binding).limit(limit));
            pool.prewarm(3).unwrap();
            in_turn(2, 64 << 10, |_| {
                assert_eq!(allocations(|| drop(pool.enter())), 0, "a spare M");
                for _ in 0..100 {
                    assert_eq!(allocations(|| drop(pool.enter())), 0, "again");
                    assert_eq!(allocations(|| drop(pool.try_enter())), 0, "trying");
                    assert_eq!(allocations(|| drop(pool.enter_from_signal())), 0, "as a handler");
                }
                let nested = || drop((pool.enter(), pool.enter()).1);
                assert_eq!(allocations(nested), 0, "nested");
                assert_eq!(allocations(|| _ = pool.unbind()), 0, "unbinding");
            });
            rest(pool, 0);
            close(pool);
        }
    }
}
