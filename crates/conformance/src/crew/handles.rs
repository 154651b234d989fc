//! The handles of a crew's threads.

use extram_core::Threads;

/// Most threads at once where there is no allocator.
#[cfg(not(feature = "alloc"))]
pub(crate) const MOST_THREADS: u32 = 32;

/// The handles of a crew.
#[cfg(feature = "alloc")]
pub(super) struct Handles<P: Threads>(alloc::vec::Vec<P::Thread>);

#[cfg(feature = "alloc")]
impl<P: Threads> Handles<P> {
    pub(super) fn new(count: u32) -> Self {
        Handles(alloc::vec::Vec::with_capacity(count as usize))
    }

    pub(super) fn put(&mut self, thread: P::Thread) {
        self.0.push(thread);
    }

    pub(super) fn join(self) {
        self.0.into_iter().for_each(P::join);
    }

    pub(super) fn forget(self) {
        self.0.into_iter().for_each(core::mem::forget);
    }
}

/// The handles of a crew.
#[cfg(not(feature = "alloc"))]
pub(super) struct Handles<P: Threads>([Option<P::Thread>; MOST_THREADS as usize], usize);

#[cfg(not(feature = "alloc"))]
impl<P: Threads> Handles<P> {
    pub(super) fn new(count: u32) -> Self {
        debug_assert!(count <= MOST_THREADS);
        Handles([const { None }; MOST_THREADS as usize], 0)
    }

    pub(super) fn put(&mut self, thread: P::Thread) {
        self.0[self.1] = Some(thread);
        self.1 += 1;
    }

    pub(super) fn join(self) {
        self.0.into_iter().flatten().for_each(P::join);
    }

    pub(super) fn forget(self) {
        self.0.into_iter().for_each(core::mem::forget);
    }
}
