//! The bounds of stacks. One test, because the port's counts are the program's.
#![cfg(unix)]

use extram::{Entered, M, Pool};
use extram_hosted::{Tapped, Taps, close, crew, in_turn, interrupted_on, on_other_stack, rest, started_on};
use std::cell::RefCell;
use std::hint::black_box;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;

/// It asks for the bounds of stacks.
type Witness = extram_hosted::Witness<true>;

/// The bounds, which have to hold the caller's frame.
#[inline(never)]
fn bounds(m: &M<Witness>) -> Range<usize> {
    let here = black_box(0u8);
    let bounds = m.stack().expect("this system tells");
    assert!(bounds.contains(&(&raw const here).addr()), "{bounds:x?} and {:p}", &raw const here);
    bounds
}

#[inline(never)]
fn deep(pool: &'static Pool<Witness, Tapped>, depth: u32) -> Range<usize> {
    let room = black_box([depth; 16]);
    let bounds = if depth == 0 { pool.callback(bounds).unwrap() } else { deep(pool, depth - 1) };
    black_box(room);
    bounds
}

thread_local! {
    /// Guards that outlive the stack on which they were got.
    static GUARDS: RefCell<Vec<Entered<Witness, Tapped>>> = const { RefCell::new(Vec::new()) };
}

static POOL: OnceLock<&Pool<Witness, Tapped>> = OnceLock::new();
static DEPTH: AtomicU32 = AtomicU32::new(0);
static KNOWN: AtomicU32 = AtomicU32::new(0);

/// Enters on the alternate stack. The thread may be in the allocator, so the port is not asked for
/// what a handler cannot have.
extern "C" fn handler(_: libc::c_int) {
    let before = Taps::asked();
    let m = POOL.get().unwrap().enter_from_signal().unwrap();
    assert_eq!(Taps::asked(), before);
    DEPTH.store(m.depth(), SeqCst);
    if m.stack().is_some() {
        bounds(&m);
        KNOWN.fetch_add(1, SeqCst);
    }
}

/// Lets the handler come down on this thread, on `stack`. Returns the depth of its call.
fn interrupt(stack: &mut [u8]) -> u32 {
    interrupted_on(stack, handler);
    DEPTH.swap(0, SeqCst)
}

/// Scenario 34.
#[test]
fn bounds_are_right_and_asked_for_once() {
    let pool = started_on::<Tapped, true>(Pool::new(Witness::default()));

    // The first call, a shallow and a deep one, on threads with stacks of several sizes.
    for size in [64 << 10, 256 << 10, 1 << 20] {
        in_turn(3, size, |_| {
            let before = Taps::asked();
            let first = pool.callback(bounds).unwrap();
            assert!(first.len() >= size && first.len() < 4 * size, "{first:x?} for {size:x}");
            for depth in [0, 15, 0, 30] {
                assert_eq!(deep(pool, depth), first);
            }
            assert_eq!(pool.callback(|_| pool.callback(bounds).unwrap()), Ok(first));
            assert_eq!(Taps::asked() - before, 1, "the system is asked once");
        });
    }

    // A first call made deep down knows the whole stack, too.
    in_turn(1, 256 << 10, |_| {
        let from_below = deep(pool, 100);
        assert_eq!(deep(pool, 0), from_below);
    });

    // On a stack of the thread's own, and back, and one within the other.
    in_turn(2, 256 << 10, |_| {
        let mut stacks = [vec![0; 256 << 10], vec![0; 256 << 10]];
        let [one, two] = &mut stacks;
        let ranges = [one.as_ptr_range(), two.as_ptr_range()].map(|r| r.start.addr()..r.end.addr());
        let own = pool.callback(bounds).unwrap();
        let within = |which: usize| {
            let bounds = pool.callback(bounds).unwrap();
            assert!(bounds.start <= ranges[which].start && ranges[which].end <= bounds.end);
            assert!(!bounds.contains(&own.start));
        };
        on_other_stack(one, || within(0));
        assert_eq!(pool.callback(bounds), Ok(own.clone()), "back again");
        // A call on the thread's stack, one within it on another, and one in that on the first.
        pool.callback(|outer| {
            assert_eq!(bounds(outer), own);
            on_other_stack(two, || {
                within(1);
                pool.callback(|inner| {
                    assert_eq!(inner.depth(), 2);
                    bounds(inner);
                })
                .unwrap();
            });
            assert_eq!(bounds(outer), own, "the outer call's are back");
        })
        .unwrap();
        // Bound on the coroutine's stack first.
        assert!(pool.unbind());
        on_other_stack(one, || within(0));
        assert_eq!(pool.callback(bounds), Ok(own));
    });

    // A handler comes down on a stack of its own, and what was known before is known again.
    assert!(POOL.set(pool).is_ok());
    for silent in [false, true] {
        in_turn(1, 256 << 10, |_| {
            let mut stack = vec![0; 64 << 10];
            let own = pool.callback(bounds).unwrap();
            Taps::silence(silent);
            let known = KNOWN.load(SeqCst);
            assert_eq!(interrupt(&mut stack), 1);
            let inside = |m: &M<Witness>| {
                assert_eq!(interrupt(&mut stack), 1, "on an M of its own");
                assert_eq!(m.stack(), Some(own.clone()));
            };
            pool.callback(inside).unwrap();
            assert_eq!(KNOWN.load(SeqCst) - known, if silent { 0 } else { 2 });
            Taps::silence(false);
        });
    }

    // Left out of order, bounds become unknown, and are asked for anew when all have left.
    in_turn(1, 256 << 10, |_| {
        let mut stack = vec![0; 256 << 10];
        let outer = pool.enter().unwrap();
        let own = bounds(&outer);
        on_other_stack(&mut stack, || {
            GUARDS.with_borrow_mut(|guards| {
                guards.extend([pool.enter().unwrap(), pool.enter().unwrap()]);
            })
        });
        let (inner, middle) = GUARDS.with_borrow_mut(|guards| (guards.pop().unwrap(), guards.pop().unwrap()));
        assert_ne!(inner.stack(), Some(own.clone()));
        drop(middle);
        assert_eq!(inner.stack(), None, "somebody has left on another stack than that of the latest call");
        drop((outer, inner));
        assert_eq!(pool.callback(bounds), Ok(own));
        on_other_stack(&mut stack, || {
            let outer = pool.enter().unwrap();
            let here = bounds(&outer);
            drop(pool.enter().unwrap());
            assert_eq!(bounds(&outer), here);
        });
    });

    // Bounds are the thread's, not those of whoever had the M before.
    let step = std::sync::Barrier::new(4);
    assert_eq!(
        crew(4, 128 << 10, |_| {
            let entered = pool.enter().unwrap();
            let mine = bounds(&entered);
            step.wait();
            let mut others = pool.ms().filter(|m| m.depth > 0 && m.id != entered.id());
            assert!(others.all(|m| m.stack.is_some_and(|s| s.end <= mine.start || s.start >= mine.end)));
            step.wait();
        }),
        4
    );

    // A system that does not tell is no error, and is not asked again and again.
    Taps::silence(true);
    in_turn(1, 64 << 10, |_| {
        let before = Taps::asked();
        for _ in 0..100 {
            assert_eq!(pool.callback(M::stack), Ok(None));
        }
        assert_eq!(Taps::asked() - before, 1);
    });
    Taps::silence(false);
    rest(pool, 0);
    close(pool);
}
