//! The bounds of the stack that the calling thread was created with. They are asked once: that takes a
//! lock of the thread, and allocates.

use core::ops::Range;

/// What [`own`] was told before. Callable in signal handlers.
pub fn known() -> Option<Range<usize>> {
    if extram_elf_tls::AVAILABLE { extram_elf_tls::with(|block| block.stack()) } else { None }
}

/// The bounds, from `ask` if they are not known yet. A forked child knows what its parent knew.
pub fn own(ask: impl FnOnce() -> Option<Range<usize>>) -> Option<Range<usize>> {
    known().or_else(|| {
        let stack = ask()?;
        if extram_elf_tls::AVAILABLE {
            extram_elf_tls::with(|block| block.set_stack(stack.clone()));
        }
        Some(stack)
    })
}
