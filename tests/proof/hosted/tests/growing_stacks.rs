//! Coroutines on stacks that FreeBSD maps as they are used: `MAP_STACK`.
#![cfg(target_os = "freebsd")]

use extram::{M, Native, Pool};
use extram_hosted::stage::{in_child, turn};
use extram_hosted::{Witness, close, in_turn, on_other_stack, rest, started_on};
use std::hint::black_box;
use std::ops::Range;
use std::ptr::null_mut;

type Scanned = &'static Pool<Witness<true>, Native>;

/// A stack that the kernel maps from its upper end downwards, 128 KiB at first.
struct Growing {
    low: *mut u8,
}

// SAFETY: pages of its own.
unsafe impl Sync for Growing {}

impl Growing {
    const SIZE: usize = 1 << 20;
    /// More than the pages at the lower end that are never mapped, of which there is one by default.
    const NEVER: usize = 64 << 10;

    /// At `place`, which is ours, or where the kernel likes.
    fn at(place: *mut u8) -> Growing {
        let flags = libc::MAP_STACK | if place.is_null() { 0 } else { libc::MAP_FIXED };
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: new pages, at a place that nobody uses.
        let low = unsafe { libc::mmap(place.cast(), Self::SIZE, access, flags, -1, 0) };
        assert_ne!(low, libc::MAP_FAILED, "{}", std::io::Error::last_os_error());
        Growing { low: low.cast() }
    }

    /// So far down that it has grown more than once.
    fn far_down(&self) -> usize {
        self.range().start + Self::SIZE / 4
    }

    fn range(&self) -> Range<usize> {
        self.low.addr()..self.low.addr() + Self::SIZE
    }

    fn run(&self, body: impl Fn() + Sync) {
        // SAFETY: pages of this stack, which nobody else looks at; what is not mapped is mapped when it is
        // touched.
        let stack =
            unsafe { std::slice::from_raw_parts_mut(self.low.add(Self::NEVER), Self::SIZE - Self::NEVER) };
        on_other_stack(stack, body);
    }

    /// All of it, but for what is never mapped.
    fn is(&self, told: &Range<usize>) {
        let whole = self.range();
        assert_eq!(told.end, whole.end, "{told:x?} of {whole:x?}");
        assert!(
            told.start > whole.start && told.start <= whole.start + Self::NEVER,
            "{told:x?} of {whole:x?}"
        );
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        // SAFETY: mapped by us, and no frame is left on it.
        assert_eq!(unsafe { libc::munmap(self.low.cast(), Self::SIZE) }, 0);
    }
}

/// Frames down to `place` on the stack, however large the compiler makes each of them, and `body` there.
#[inline(never)]
fn down_to(place: usize, body: &dyn Fn()) {
    let room = black_box([0_u8; 1024]);
    if room.as_ptr().addr() <= place {
        body()
    } else {
        down_to(place, body)
    }
    black_box(room);
}

fn told(pool: Scanned) -> Option<Range<usize>> {
    pool.callback(M::stack).expect("let in")
}

/// Scenario 34. Before it has grown, when it has, and from far down; each time on a thread that does not
/// know it yet.
#[test]
fn a_stack_that_grows_is_told_with_all_that_it_may_grow_to() {
    let _turn = turn();
    let pool = started_on::<Native, true>(Pool::new(Witness::default()));
    let stack = Growing::at(null_mut());
    in_turn(1, 256 << 10, |_| stack.run(|| stack.is(&told(pool).expect("this system tells"))));
    in_turn(1, 256 << 10, |_| {
        stack.run(|| down_to(stack.far_down(), &|| stack.is(&told(pool).expect("this system tells"))));
    });
    in_turn(1, 256 << 10, |_| stack.run(|| stack.is(&told(pool).expect("this system tells"))));
    rest(pool, 0);
    close(pool);
}

/// Scenario 34. Two with nothing between them are two.
#[test]
fn stacks_that_grow_towards_each_other_are_told_apart() {
    let _turn = turn();
    let pool = started_on::<Native, true>(Pool::new(Witness::default()));
    // SAFETY: pages that nobody may touch, in whose places the two come.
    let place = unsafe { libc::mmap(null_mut(), 2 * Growing::SIZE, libc::PROT_NONE, libc::MAP_GUARD, -1, 0) };
    assert_ne!(place, libc::MAP_FAILED);
    let below = Growing::at(place.cast());
    let above = Growing::at(place.cast::<u8>().wrapping_add(Growing::SIZE));
    for far_down in [false, true, false] {
        for stack in [&below, &above] {
            let place = if far_down { stack.far_down() } else { usize::MAX };
            in_turn(1, 256 << 10, |_| {
                stack.run(|| down_to(place, &|| stack.is(&told(pool).expect("this system tells"))));
            });
        }
    }
    rest(pool, 0);
    close(pool);
}

/// Scenario 43. In capability mode the kernel does not tell of mappings: calls work, and the bounds of a
/// coroutine's stack are not known. What was learnt of the thread's own before is.
#[test]
fn after_cap_enter_calls_work_and_a_coroutines_stack_is_not_known() {
    let _turn = turn();
    in_child("capability mode", || {
        let pool = started_on::<Native, true>(Pool::new(Witness::default()));
        let own = told(pool).expect("the C library tells");
        let mut stack = vec![0; 256 << 10];
        on_other_stack(&mut stack, || {
            // On this stack already: swapcontext(2), which leads here, is forbidden then.
            // SAFETY: takes nothing; this process does without what it forbids.
            assert_eq!(unsafe { libc::cap_enter() }, 0);
            assert_eq!(told(pool), None);
        });
        // That nothing was told holds for the thread until its M has been given back.
        assert!(pool.unbind());
        assert_eq!(told(pool), Some(own), "back again");
    });
}
