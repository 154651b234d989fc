//! Room for Ms that the user supplies.

use crate::sync::{AtomicPtr, Ordering};
use crate::word::MAX_VALUE;
use crate::{M, Runtime};
#[cfg(not(loom))]
use core::mem::MaybeUninit;

/// Room for `N` Ms without an allocator.
pub struct Slots<R: Runtime, const N: usize> {
    ms: [M<R>; N],
    owner: Owner,
}

// SAFETY: an M's payload is reached by its holder alone (Invariant Hold), and a context is `Send`;
// the rest are atomics.
unsafe impl<R: Runtime, const N: usize> Sync for Slots<R, N> {}

impl<R: Runtime, const N: usize> Slots<R, N> {
    /// `N` empty slots, for a `static`.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Slots { ms: [const { M::new() }; N], owner: Owner::nobody() }
    }

    /// As it is without loom, whose atomics cannot be made in a constant.
    #[cfg(loom)]
    pub fn new() -> Self {
        Slots { ms: core::array::from_fn(|_| M::new()), owner: Owner::nobody() }
    }

    pub(crate) const fn borrow(&'static self) -> FixedSlots<R> {
        let count = if N > MAX_VALUE as usize { MAX_VALUE } else { N as u32 };
        FixedSlots { first: self.ms.as_ptr(), count, owner: Some(&self.owner) }
    }
}

impl<R: Runtime, const N: usize> Default for Slots<R, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Runtime, const N: usize> core::fmt::Debug for Slots<R, N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Slots").field("count", &N).finish_non_exhaustive()
    }
}

/// A [`Slots`] whose number has become a value.
pub(crate) struct FixedSlots<R: Runtime> {
    pub(crate) first: *const M<R>,
    pub(crate) count: u32,
    /// `None` where no other pool can have them.
    pub(crate) owner: Option<&'static Owner>,
}

#[cfg(not(loom))]
impl<R: Runtime> FixedSlots<R> {
    /// Empty slots in memory that is one pool's for ever.
    pub(crate) fn fill(memory: &'static mut [MaybeUninit<M<R>>]) -> Self {
        let count = memory.len().min(MAX_VALUE as usize) as u32;
        for place in &mut *memory {
            place.write(M::new());
        }
        FixedSlots { first: memory.as_mut_ptr().cast(), count, owner: None }
    }
}

/// Which pool uses the slots, from its start to its close: the address of its table.
pub(crate) struct Owner(AtomicPtr<()>);

impl Owner {
    const_unless_loom! {
        fn nobody() -> Self {
            Owner(AtomicPtr::new(core::ptr::null_mut()))
        }
    }

    /// `false` if they are another pool's. They may be this one's already, in a forked child whose
    /// parent was starting the pool.
    pub(crate) fn claim(&self, table: *mut ()) -> bool {
        // Acquire and the release below: what the last owner did comes before.
        match self.0.compare_exchange(core::ptr::null_mut(), table, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => true,
            Err(owner) => owner == table,
        }
    }

    /// Lets others have them, if they are this one's.
    pub(crate) fn give_up(&self, table: *mut ()) {
        let _ = self.0.compare_exchange(table, core::ptr::null_mut(), Ordering::Release, Ordering::Relaxed);
    }
}
