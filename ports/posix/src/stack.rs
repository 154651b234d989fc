//! The bounds of the calling thread's stack. Those of the one that it was created with are asked once:
//! that may take a lock of the thread, and allocate.

use crate::System;
use core::ops::Range;

/// [`Port::stack_bounds`](extram_core::Port::stack_bounds).
pub(crate) fn bounds<S: System>(sp: usize) -> Option<Range<usize>> {
    own::<S>().filter(|stack| stack.contains(&sp)).or_else(|| S::mapping(sp))
}

/// [`Port::stack_bounds_in_signal`](extram_core::Port::stack_bounds_in_signal): what is known, and the map.
pub(crate) fn bounds_in_signal<S: System>(sp: usize) -> Option<Range<usize>> {
    known().filter(|stack| stack.contains(&sp)).or_else(|| S::mapping(sp))
}

/// What [`own`] was told before. Callable in signal handlers.
fn known() -> Option<Range<usize>> {
    if extram_elf_tls::AVAILABLE { extram_elf_tls::with(|block| block.stack()) } else { None }
}

/// The stack that the thread was created with. A forked child knows what its parent knew.
fn own<S: System>() -> Option<Range<usize>> {
    known().or_else(|| {
        let stack = S::own_stack()?;
        if extram_elf_tls::AVAILABLE {
            extram_elf_tls::with(|block| block.set_stack(stack.clone()));
        }
        Some(stack)
    })
}
