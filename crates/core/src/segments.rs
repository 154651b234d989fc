//! Slots on the heap: segments, each twice the size of the one before, so that growing moves nothing
//! and nobody waits for a thread that grows.

use crate::sync::{AtomicPtr, Ordering};
use crate::word::MAX_VALUE;
use crate::{M, Runtime};
use core::alloc::Layout;

/// Slots in the first segment, a power of two.
#[cfg(not(loom))]
pub(crate) const FIRST: u32 = 16;
/// loom makes every atomic anew for each interleaving.
#[cfg(loom)]
pub(crate) const FIRST: u32 = 2;
/// Enough to reach [`MAX_VALUE`].
const SEGMENTS: usize = ((MAX_VALUE - 1 + FIRST).ilog2() - FIRST.ilog2() + 1) as usize;

pub(crate) struct Segments<R: Runtime>([AtomicPtr<M<R>>; SEGMENTS]);

impl<R: Runtime> Segments<R> {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Segments([const { AtomicPtr::new(core::ptr::null_mut()) }; SEGMENTS])
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Segments(core::array::from_fn(|_| AtomicPtr::new(core::ptr::null_mut())))
    }

    /// The M at that index, whose segment has been made.
    pub(crate) fn get(&self, index: u32) -> &M<R> {
        let (segment, offset) = position(index);
        // Relaxed: the caller got the number from a thread that had acquired the segment.
        let first = self.0[segment].load(Ordering::Relaxed);
        // SAFETY: a number is given out after its segment was made, which stays (Stable).
        unsafe { &*first.add(offset) }
    }

    /// Makes sure that there is memory for the index; the answer is the segment's first slot if it is
    /// the first segment. `None` when memory ran out.
    pub(crate) fn reach(&self, index: u32) -> Option<Option<*mut M<R>>> {
        let (segment, _) = position(index);
        let place = &self.0[segment];
        // Acquire: partner of the release below.
        let mut memory = place.load(Ordering::Acquire);
        if memory.is_null() {
            let made = make::<R>(segment)?;
            // Release: what is in it comes before its address. A compare-exchange, because two may grow
            // at once; one of the two segments goes.
            match place.compare_exchange(memory, made, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => memory = made,
                Err(other) => {
                    // SAFETY: made above, seen by nobody.
                    unsafe { free(made, segment) };
                    memory = other;
                }
            }
        }
        Some((segment == 0).then_some(memory))
    }
}

impl<R: Runtime> Drop for Segments<R> {
    fn drop(&mut self) {
        for (index, segment) in self.0.iter().enumerate() {
            let memory = segment.load(Ordering::Relaxed);
            if !memory.is_null() {
                // SAFETY: made by `make` with this size; nobody borrows the table.
                unsafe { free(memory, index) };
            }
        }
    }
}

fn make<R: Runtime>(segment: usize) -> Option<*mut M<R>> {
    // SAFETY: an M is never zero bytes large.
    let memory: *mut M<R> = unsafe { alloc::alloc::alloc(layout::<R>(segment)) }.cast();
    if memory.is_null() {
        return None;
    }
    let before = segment_size(segment) - FIRST as usize;
    for offset in 0..segment_size(segment) {
        let m = M::new();
        m.set_id((before + offset) as u32 + 1);
        // SAFETY: within the allocation, which is uninitialised.
        unsafe { memory.add(offset).write(m) };
    }
    Some(memory)
}

/// # Safety
///
/// As made by `make`, for the last time. A context is a `MaybeUninit`: contexts are dropped by `close`,
/// or leaked.
unsafe fn free<R: Runtime>(memory: *mut M<R>, segment: usize) {
    for offset in 0..segment_size(segment) {
        // SAFETY: by the caller's promise.
        unsafe { memory.add(offset).drop_in_place() };
    }
    // SAFETY: as allocated in `make`.
    unsafe { alloc::alloc::dealloc(memory.cast(), layout::<R>(segment)) };
}

#[inline]
fn position(index: u32) -> (usize, usize) {
    let shifted = index + FIRST;
    let log = shifted.ilog2();
    ((log - FIRST.ilog2()) as usize, (shifted - (1 << log)) as usize)
}

fn segment_size(segment: usize) -> usize {
    (FIRST as usize) << segment
}

fn layout<R: Runtime>(segment: usize) -> Layout {
    Layout::array::<M<R>>(segment_size(segment)).expect("a segment of Ms is smaller than the address space")
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_one_place() {
        let mut expected = (0, 0);
        for index in 0..100_000 {
            assert_eq!(position(index), expected, "index {index}");
            assert_eq!(segment_size(expected.0) - FIRST as usize + expected.1, index as usize);
            expected.1 += 1;
            if expected.1 == segment_size(expected.0) {
                expected = (expected.0 + 1, 0);
            }
        }
        assert!(position(MAX_VALUE - 1).0 < SEGMENTS);
    }
}
