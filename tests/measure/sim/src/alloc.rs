//! The allocator of the program and the tests: each allocation begins at a line of its own, which nobody has
//! in a cache. So which words share a line, and who has it at first, does not depend on what was allocated
//! and freed before, and the same seed gives the same bytes whatever ran before it.

use std::alloc::{GlobalAlloc, Layout, System};

/// Sizes and alignments of whole lines.
pub struct Lined;

fn lined(layout: Layout) -> Layout {
    let align = layout.align().max(64);
    match Layout::from_size_align(layout.size(), align) {
        Ok(layout) => layout.pad_to_align(),
        Err(_) => layout,
    }
}

// SAFETY: the system's, with a layout that is a function of the asked one and has room for it.
unsafe impl GlobalAlloc for Lined {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's, for a layout that is not smaller.
        let at = unsafe { System.alloc(lined(layout)) };
        crate::machine::fresh(at.addr(), layout.size());
        at
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: from `alloc`, with the same layout.
        unsafe { System.dealloc(at, lined(layout)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_allocations_share_a_line() {
        for (size, align, wanted) in [(1, 1, (64, 64)), (65, 8, (128, 64)), (200, 128, (256, 128))] {
            let layout = lined(Layout::from_size_align(size, align).unwrap());
            assert_eq!((layout.size(), layout.align()), wanted);
        }
        let both = [Box::new(1_u8), Box::new(2_u8)];
        assert_ne!(both[0].as_ref() as *const u8 as usize / 64, both[1].as_ref() as *const u8 as usize / 64);
    }
}
