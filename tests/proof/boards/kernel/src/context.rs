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

/// The bytes of the stacks.
#[derive(Clone, Copy)]
pub struct Stacks {
    /// Of the context that runs `main`.
    pub first: usize,
    /// Of every other one.
    pub each: usize,
}

/// Those of the contexts that idle. Where a handler runs on the stack of what it interrupts, there is
/// room for it.
const IDLE: usize = if cfg!(target_arch = "arm") { 1024 } else { 4096 };

impl Stacks {
    /// What `contexts` besides the first one need together, with one for each core that idles.
    pub const fn total(self, contexts: usize, cores: usize) -> usize {
        assert!(self.first.is_multiple_of(16) && self.each.is_multiple_of(16));
        cores * IDLE + self.first + contexts * self.each
    }
}

#[repr(C, align(16))]
struct Memory<const BYTES: usize>(UnsafeCell<MaybeUninit<[u8; BYTES]>>);

/// Room for `COUNT` contexts with stacks of `BYTES` together, for a `static`. The first context of
/// each core is the one that idles; then comes the one that runs `main`.
pub struct Room<const COUNT: usize, const BYTES: usize> {
    places: [Place; COUNT],
    stacks: Memory<BYTES>,
}

// SAFETY: a stack is used by its context alone, which the scheduler runs on one core at a time.
unsafe impl<const COUNT: usize, const BYTES: usize> Sync for Room<COUNT, BYTES> {}

impl<const COUNT: usize, const BYTES: usize> Room<COUNT, BYTES> {
    /// Empty.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Room {
            places: [const { Place::new() }; COUNT],
            stacks: Memory(UnsafeCell::new(MaybeUninit::uninit())),
        }
    }

    pub(crate) fn borrow(&'static self, cores: usize, bytes: Stacks) -> Borrowed {
        assert!(COUNT > cores && BYTES == bytes.total(COUNT - 1 - cores, cores));
        Borrowed { places: &self.places, stacks: self.stacks.0.get().cast(), cores, bytes }
    }
}

/// A [`Room`] whose numbers have become values.
#[derive(Clone, Copy)]
pub(crate) struct Borrowed {
    pub(crate) places: &'static [Place],
    stacks: *mut u8,
    cores: usize,
    pub(crate) bytes: Stacks,
}

impl Borrowed {
    pub(crate) fn stack(&self, index: usize) -> Range<usize> {
        let (before, bytes) = if index < self.cores {
            (index * IDLE, IDLE)
        } else if index == self.cores {
            (index * IDLE, self.bytes.first)
        } else {
            let others = index - self.cores - 1;
            (self.cores * IDLE + self.bytes.first + others * self.bytes.each, self.bytes.each)
        };
        let low = self.stacks.addr() + before;
        low..low + bytes
    }
}
