//! Where a case lies: on the heap, or where there is none in one place for one at a time.

use super::Case;
use crate::subject::Subject;
#[cfg(feature = "alloc")]
use core::mem::MaybeUninit;
use core::ptr::NonNull;
#[cfg(not(feature = "alloc"))]
use core::sync::atomic::Ordering::SeqCst;

/// Room for one case where there is no allocator.
#[cfg(not(feature = "alloc"))]
mod place {
    use core::cell::UnsafeCell;
    use core::mem::MaybeUninit;
    use extram_core::sync::AtomicBool;

    /// Where words are small, so is memory.
    pub(super) const BYTES: usize = 256 * size_of::<usize>();

    #[repr(align(128))]
    pub(super) struct Place(pub(super) UnsafeCell<[MaybeUninit<u8>; BYTES]>);

    // SAFETY: whoever has raised `TAKEN` has it to itself.
    unsafe impl Sync for Place {}

    pub(super) static PLACE: Place = Place(UnsafeCell::new([MaybeUninit::uninit(); BYTES]));
    pub(super) static TAKEN: AtomicBool = AtomicBool::new(false);
}

impl<S: Subject> Case<S> {
    #[cfg(feature = "alloc")]
    pub(super) fn place() -> Option<NonNull<Self>> {
        let place = alloc::boxed::Box::<Self>::new_uninit();
        NonNull::new(alloc::boxed::Box::into_raw(place).cast())
    }

    #[cfg(not(feature = "alloc"))]
    pub(super) fn place() -> Option<NonNull<Self>> {
        const { assert!(size_of::<Self>() <= place::BYTES && align_of::<Self>() <= 128) };
        if place::TAKEN.swap(true, SeqCst) {
            return None;
        }
        NonNull::new(place::PLACE.0.get().cast())
    }

    /// # Safety
    ///
    /// From `place`, and nobody looks at it any more.
    pub(super) unsafe fn unplace(place: NonNull<Self>) {
        #[cfg(feature = "alloc")]
        // SAFETY: from `place`, where a box was leaked; its value has been dropped.
        drop(unsafe { alloc::boxed::Box::from_raw(place.as_ptr().cast::<MaybeUninit<Self>>()) });
        #[cfg(not(feature = "alloc"))]
        {
            let _ = place;
            place::TAKEN.store(false, SeqCst);
        }
    }
}
