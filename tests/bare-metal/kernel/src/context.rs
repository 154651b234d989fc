//! Contexts, and the room they take.

use core::cell::{Cell, UnsafeCell};
use core::mem::MaybeUninit;
use core::ops::Range;
use critical_section::Mutex;
use extram_port_bare_metal::Block;

/// What a context is doing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing; its place is free.
    Free,
    /// It could run.
    Ready,
    /// A core runs it.
    Running,
    /// It waits on the word at this address (0 for none), until this tick.
    Waiting { on: usize, until: u64 },
    /// It has ended, and its core is about to leave its stack.
    Leaving,
    /// It has ended, and nobody has joined it.
    Ended,
}

/// A context.
pub(crate) struct Place {
    pub(crate) block: Block,
    pub(crate) state: Mutex<Cell<State>>,
    /// The stack pointer, while no core runs it.
    pub(crate) sp: Mutex<Cell<usize>>,
    pub(crate) start: Mutex<Cell<(extern "C" fn(*mut ()), usize)>>,
    /// The core it began on.
    pub(crate) home: Mutex<Cell<usize>>,
}

extern "C" fn nothing(_: *mut ()) {}

impl Place {
    const fn new() -> Self {
        Place {
            block: Block::new(),
            state: Mutex::new(Cell::new(State::Free)),
            sp: Mutex::new(Cell::new(0)),
            start: Mutex::new(Cell::new((nothing, 0))),
            home: Mutex::new(Cell::new(0)),
        }
    }
}

#[repr(C, align(16))]
struct Stack<const BYTES: usize>(UnsafeCell<MaybeUninit<[u8; BYTES]>>);

/// Room for `COUNT` contexts with stacks of `BYTES` each, for a `static`. The first context of each
/// core is the one that idles.
pub struct Room<const COUNT: usize, const BYTES: usize> {
    places: [Place; COUNT],
    stacks: [Stack<BYTES>; COUNT],
}

// SAFETY: a stack is used by its context alone, which the scheduler runs on one core at a time.
unsafe impl<const COUNT: usize, const BYTES: usize> Sync for Room<COUNT, BYTES> {}

impl<const COUNT: usize, const BYTES: usize> Room<COUNT, BYTES> {
    /// Empty.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        assert!(BYTES.is_multiple_of(16));
        Room {
            places: [const { Place::new() }; COUNT],
            stacks: [const { Stack(UnsafeCell::new(MaybeUninit::uninit())) }; COUNT],
        }
    }

    pub(crate) const fn borrow(&'static self) -> Borrowed {
        Borrowed { places: &self.places, stacks: self.stacks.as_ptr().cast_mut().cast(), bytes: BYTES }
    }
}

/// A [`Room`] whose numbers have become values.
#[derive(Clone, Copy)]
pub(crate) struct Borrowed {
    pub(crate) places: &'static [Place],
    stacks: *mut u8,
    pub(crate) bytes: usize,
}

impl Borrowed {
    pub(crate) fn stack(&self, index: usize) -> Range<usize> {
        let low = self.stacks.addr() + index * self.bytes;
        low..low + self.bytes
    }
}
