//! Where Ms live: numbered slots whose memory stays where it is while the pool lives.
//!
//! Heap-backed, the slots lie in segments, each twice the size of the one before, so that growing
//! moves nothing. Otherwise they lie in a [`Slots`] of the user's. Taking a slot into use or out of
//! use is off the hot path, behind a short spinning lock under which nothing foreign runs.

use crate::hold;
use crate::list::Links;
use crate::lock::Lock;
use crate::m::BARE;
use crate::port::Port;
use crate::sync::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use crate::word::MAX_VALUE;
use crate::{M, Runtime};
#[cfg(not(loom))]
use core::mem::MaybeUninit;

/// Room for `N` Ms without an allocator.
#[cfg_attr(loom, allow(dead_code))] // no constant can hold loom's atomics
pub struct Slots<R: Runtime, const N: usize> {
    ms: [M<R>; N],
    owned: AtomicBool,
}

// SAFETY: an M's payload is reached by its holder alone (Invariant Hold), and a context is `Send`;
// the rest are atomics.
unsafe impl<R: Runtime, const N: usize> Sync for Slots<R, N> {}

#[cfg(not(loom))]
impl<R: Runtime, const N: usize> Slots<R, N> {
    /// `N` empty slots, for a `static`.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Slots { ms: [const { M::new() }; N], owned: AtomicBool::new(false) }
    }

    pub(crate) const fn borrow(&'static self) -> FixedSlots<R> {
        let count = if N > MAX_VALUE as usize { MAX_VALUE } else { N as u32 };
        FixedSlots { first: self.ms.as_ptr(), count, owned: Some(&self.owned) }
    }
}

/// A [`Slots`] whose number has become a value.
#[derive(Clone, Copy)]
pub(crate) struct FixedSlots<R: Runtime> {
    first: *const M<R>,
    count: u32,
    /// `None` where no other pool can have them.
    owned: Option<&'static AtomicBool>,
}

#[cfg(not(loom))]
impl<R: Runtime> FixedSlots<R> {
    /// Empty slots in memory that is one pool's for ever.
    pub(crate) fn fill(memory: &'static mut [MaybeUninit<M<R>>]) -> Self {
        let count = memory.len().min(MAX_VALUE as usize) as u32;
        for place in &mut *memory {
            place.write(M::new());
        }
        FixedSlots { first: memory.as_mut_ptr().cast(), count, owned: None }
    }
}

/// Slots in the first segment, a power of two.
#[cfg(not(loom))]
const FIRST: u32 = 16;
/// loom makes every atomic anew for each interleaving.
#[cfg(loom)]
const FIRST: u32 = 2;
/// Enough to reach [`MAX_VALUE`].
#[cfg(feature = "alloc")]
const SEGMENTS: usize = ((MAX_VALUE - 1 + FIRST).ilog2() - FIRST.ilog2() + 1) as usize;

/// Why there is no slot.
pub(crate) enum NoSlot {
    /// As many Ms as the limit allows are there or being made.
    Limit,
    /// No memory.
    #[cfg(feature = "alloc")]
    Memory,
}

pub(crate) struct Table<R: Runtime, P: Port> {
    /// The first slots: those of the user's, or the first segment once there is one.
    first: AtomicPtr<M<R>>,
    /// How many there are.
    firsts: u32,
    /// They are the user's, and there are no others.
    fixed: bool,
    /// Whether a pool uses the user's slots.
    owned: Option<&'static AtomicBool>,
    #[cfg(feature = "alloc")]
    segments: [AtomicPtr<M<R>>; SEGMENTS],
    /// The highest number in use so far. Numbers above it have no memory yet.
    high: AtomicU32,
    /// Ms that are there or being made.
    live: AtomicU32,
    /// First of the slots that were in use once and are not now, linked by `schedlink`.
    bare: Lock<u32, P>,
}

// SAFETY: as for `Slots`; `fixed` points into one.
unsafe impl<R: Runtime, P: Port> Sync for Table<R, P> {}
// SAFETY: nothing in it depends on the thread; a context is `Send`.
unsafe impl<R: Runtime, P: Port> Send for Table<R, P> {}

impl<R: Runtime, P: Port> Links for Table<R, P> {
    type Node = M<R>;

    #[inline]
    fn node(&self, id: u32) -> &M<R> {
        self.get(id)
    }

    #[inline]
    fn schedlink(m: &M<R>) -> &AtomicU32 {
        &m.schedlink
    }
}

impl<R: Runtime, P: Port> Table<R, P> {
    const_unless_loom! {
        pub(crate) fn new(fixed: Option<FixedSlots<R>>) -> Self {
            Table {
                first: AtomicPtr::new(match fixed {
                    Some(FixedSlots { first, .. }) => first.cast_mut(),
                    None => core::ptr::null_mut(),
                }),
                firsts: match fixed {
                    Some(FixedSlots { count, .. }) => count,
                    None => FIRST,
                },
                fixed: fixed.is_some(),
                owned: match fixed {
                    Some(FixedSlots { owned, .. }) => owned,
                    None => None,
                },
                #[cfg(all(feature = "alloc", not(loom)))]
                segments: [const { AtomicPtr::new(core::ptr::null_mut()) }; SEGMENTS],
                #[cfg(all(feature = "alloc", loom))]
                segments: core::array::from_fn(|_| AtomicPtr::new(core::ptr::null_mut())),
                high: AtomicU32::new(0),
                live: AtomicU32::new(0),
                bare: Lock::new(0),
            }
        }
    }

    /// The M of that number.
    #[inline(always)]
    pub(crate) fn get(&self, id: u32) -> &M<R> {
        let index = id - 1;
        if index < self.firsts {
            // Relaxed: whoever has the number got it by an acquire, after the memory was there.
            let first = self.first.load(Ordering::Relaxed);
            // SAFETY: a number is given out after its memory was there, which stays (Stable).
            return unsafe { &*first.add(index as usize) };
        }
        self.get_further(index)
    }

    #[inline(never)]
    fn get_further(&self, index: u32) -> &M<R> {
        #[cfg(feature = "alloc")]
        {
            let (segment, offset) = position(index);
            // Relaxed: as in `get`.
            let first = self.segments[segment].load(Ordering::Relaxed);
            // SAFETY: a number is given out after its segment was made, which stays (Stable).
            unsafe { &*first.add(offset) }
        }
        #[cfg(not(feature = "alloc"))]
        unreachable!("no number is higher than that of the last slot: {index}")
    }

    /// The M at that address, if there is one. A walk over addresses; nothing is read there.
    #[cold]
    #[inline(never)]
    pub(crate) fn at(&self, address: usize) -> Option<&M<R>> {
        self.iter().find(|m| core::ptr::from_ref(*m).addr() == address)
    }

    /// The numbers that have memory.
    pub(crate) fn numbers(&self) -> core::ops::RangeInclusive<u32> {
        // Acquire: partner of the release in `reserve`.
        1..=self.high.load(Ordering::Acquire)
    }

    /// The Ms that have memory.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &M<R>> {
        self.numbers().map(|id| self.get(id))
    }

    /// How many Ms are there or being made.
    pub(crate) fn live(&self) -> u32 {
        // Relaxed: who judges the duty to refill by it has been told of the change through the word.
        self.live.load(Ordering::Relaxed)
    }

    /// Whether no slot is left.
    pub(crate) fn full(&self, limit: u32) -> bool {
        self.live() >= self.most(limit)
    }

    fn most(&self, limit: u32) -> u32 {
        limit.min(if self.is_fixed() { self.firsts } else { MAX_VALUE })
    }

    /// How many Ms are spare, roughly while others come and go.
    pub(crate) fn spare(&self) -> u32 {
        self.iter().filter(|m| m.is_spare()).count() as u32
    }

    /// Makes the slots this pool's own; `false` if they belong to another.
    pub(crate) fn claim_slots(&self) -> bool {
        // Acquire and the release in `return_slots`: what the last owner did comes before.
        self.owned.is_none_or(|owned| !owned.swap(true, Ordering::Acquire))
    }

    /// Lets another pool have the slots. Every M is bare.
    pub(crate) fn return_slots(&self) {
        if let Some(owned) = self.owned {
            // That pool links them in its own way, so they are all as never used when they come back.
            let mut bare = self.bare.lock();
            *bare = 0;
            // Relaxed: published below.
            self.high.store(0, Ordering::Relaxed);
            drop(bare);
            owned.store(false, Ordering::Release);
        }
    }

    /// Whether `with_slots` made it.
    pub(crate) fn is_fixed(&self) -> bool {
        self.fixed
    }

    /// Takes a bare slot into use.
    pub(crate) fn reserve(&self, limit: u32) -> Result<u32, NoSlot> {
        let mut bare = self.bare.lock();
        // Relaxed: written under the lock alone.
        let live = self.live.load(Ordering::Relaxed);
        if live >= self.most(limit) {
            return Err(NoSlot::Limit);
        }
        let id = if *bare != 0 {
            let id = *bare;
            *bare = self.get(id).schedlink.load(Ordering::Relaxed);
            id
        } else {
            let id = self.high.load(Ordering::Relaxed) + 1;
            if id > MAX_VALUE {
                return Err(NoSlot::Limit);
            }
            #[cfg(feature = "alloc")]
            if !self.fixed {
                self.memory_for(id)?;
            }
            self.get(id).set_id(id);
            // Release: partner of the acquire in `numbers`, for the memory and what is in it.
            self.high.store(id, Ordering::Release);
            id
        };
        self.live.store(live + 1, Ordering::Relaxed);
        Ok(id)
    }

    /// Takes a slot out of use. Its M has no context any more.
    pub(crate) fn release(&self, id: u32) {
        let mut bare = self.bare.lock();
        self.get(id).stage.store(BARE, Ordering::Relaxed);
        if P::FORKS {
            // Nobody's: if its making failed, it was the maker's.
            self.get(id).hold.store(0, Ordering::Relaxed);
        }
        self.get(id).schedlink.store(*bare, Ordering::Relaxed);
        *bare = id;
        self.live.store(self.live.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
    }

    /// Takes a slot out of use for ever: a thread may still look at it (see [`crate::hold`]).
    pub(crate) fn retire(&self, id: u32) {
        let _bare = self.bare.lock();
        self.get(id).stage.store(BARE, Ordering::Relaxed);
        self.live.store(self.live.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
    }

    /// In a forked child: every slot for which `in_use` is false becomes bare. A context it held is
    /// forgotten, not dropped: the thread that used it vanished in the middle.
    pub(crate) fn reset_after_fork(&self, in_use: impl Fn(&M<R>) -> bool) {
        // SAFETY: the caller is the only thread that uses the pool, so whoever held the lock has
        // vanished; every field it guards is rebuilt below.
        unsafe { self.bare.force_unlock() };
        let mut bare = self.bare.lock();
        *bare = 0;
        let mut live = 0;
        for m in self.iter() {
            if in_use(m) {
                live += 1;
                continue;
            }
            m.stage.store(BARE, Ordering::Relaxed);
            m.depth.store(0, Ordering::Relaxed);
            m.deferred.store(0, Ordering::Relaxed);
            if hold::retired(m.hold.load(Ordering::Relaxed)) {
                continue;
            }
            // Its thread is not there to let go of it, and `close` must not take it from there.
            m.hold.store(0, Ordering::Relaxed);
            m.schedlink.store(*bare, Ordering::Relaxed);
            *bare = m.id();
        }
        self.live.store(live, Ordering::Relaxed);
    }

    #[cfg(feature = "alloc")]
    fn memory_for(&self, id: u32) -> Result<(), NoSlot> {
        let (segment, _) = position(id - 1);
        // Relaxed: written under the lock alone.
        if !self.segments[segment].load(Ordering::Relaxed).is_null() {
            return Ok(());
        }
        let layout = segment_layout::<R>(segment);
        // SAFETY: an M is never zero bytes large.
        let memory: *mut M<R> = unsafe { alloc::alloc::alloc(layout) }.cast();
        if memory.is_null() {
            return Err(NoSlot::Memory);
        }
        for offset in 0..segment_size(segment) {
            // SAFETY: within the allocation, which is uninitialised.
            unsafe { memory.add(offset).write(M::new()) };
        }
        // Relaxed: published with the number (see `get`).
        self.segments[segment].store(memory, Ordering::Relaxed);
        if segment == 0 {
            self.first.store(memory, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[cfg(feature = "alloc")]
#[inline]
fn position(index: u32) -> (usize, usize) {
    let shifted = index + FIRST;
    let log = shifted.ilog2();
    ((log - FIRST.ilog2()) as usize, (shifted - (1 << log)) as usize)
}

#[cfg(feature = "alloc")]
fn segment_size(segment: usize) -> usize {
    (FIRST as usize) << segment
}

#[cfg(feature = "alloc")]
fn segment_layout<R: Runtime>(segment: usize) -> core::alloc::Layout {
    core::alloc::Layout::array::<M<R>>(segment_size(segment))
        .expect("a segment of Ms is smaller than the address space")
}

#[cfg(feature = "alloc")]
impl<R: Runtime, P: Port> Drop for Table<R, P> {
    fn drop(&mut self) {
        for (index, segment) in self.segments.iter().enumerate() {
            let memory = segment.load(Ordering::Relaxed);
            if !memory.is_null() {
                for offset in 0..segment_size(index) {
                    // SAFETY: made by `memory_for` with this size; nobody borrows the table. The
                    // context is a `MaybeUninit`: contexts are dropped by `close`, or leaked.
                    unsafe { memory.add(offset).drop_in_place() };
                }
                // SAFETY: as allocated in `memory_for`.
                unsafe { alloc::alloc::dealloc(memory.cast(), segment_layout::<R>(index)) };
            }
        }
    }
}

#[cfg(all(test, feature = "alloc", not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_one_place() {
        let mut expected = (0, 0);
        for index in 0..100_000 {
            assert_eq!(position(index), expected, "index {index}");
            expected.1 += 1;
            if expected.1 == segment_size(expected.0) {
                expected = (expected.0 + 1, 0);
            }
        }
        assert!(position(MAX_VALUE - 1).0 < SEGMENTS);
    }
}
