//! An M as the references keep it: extram's own M, which the runtime sees, and their links.

use core::ptr;
use extram_core::raw::Lone;
use extram_core::sync::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use extram_core::{M, Runtime};

pub(crate) struct Node<R: Runtime> {
    pub(crate) schedlink: AtomicPtr<Node<R>>,
    pub(crate) alllink: AtomicPtr<Node<R>>,
    /// Its holder emptied the list.
    pub(crate) needextram: AtomicBool,
    /// Calls inside.
    pub(crate) depth: AtomicU32,
    /// The number and the context.
    pub(crate) lone: Lone<R>,
}

impl<R: Runtime> Node<R> {
    pub(crate) const fn new() -> Self {
        Node {
            schedlink: AtomicPtr::new(ptr::null_mut()),
            alllink: AtomicPtr::new(ptr::null_mut()),
            needextram: AtomicBool::new(false),
            depth: AtomicU32::new(0),
            lone: Lone::new(),
        }
    }

    pub(crate) fn m(&self) -> &M<R> {
        // SAFETY: an M gets its context before it is first put on the list and keeps it until
        // `close`, which no holder outlives; only the holder calls this (Invariant Hold).
        unsafe { self.lone.m() }
    }

    pub(crate) fn id(&self) -> u32 {
        self.m().id()
    }

    // Relaxed, here and wherever a field of an M is read or written: the holder is alone with it,
    // and Lock orders one holder's accesses before the next one's.

    /// One more call inside; how many there are.
    pub(crate) fn nest(&self) -> u32 {
        let depth = self.depth.load(Ordering::Relaxed) + 1;
        self.depth.store(depth, Ordering::Relaxed);
        depth
    }

    /// One less; how many are left.
    pub(crate) fn unnest(&self) -> u32 {
        let depth = self.depth.load(Ordering::Relaxed) - 1;
        self.depth.store(depth, Ordering::Relaxed);
        depth
    }
}

/// Room for `N` Ms, for machines without a heap.
pub struct Slots<R: Runtime, const N: usize>(pub(crate) [Node<R>; N]);

impl<R: Runtime, const N: usize> Slots<R, N> {
    /// Empty slots, for one pool.
    pub const fn new() -> Self {
        Slots([const { Node::new() }; N])
    }
}

impl<R: Runtime, const N: usize> Default for Slots<R, N> {
    fn default() -> Self {
        Self::new()
    }
}
