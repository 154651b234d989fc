//! The bounds of the stack that a thread was created with: pthread_getattr_np(3).

use core::ops::Range;

pub(crate) fn own() -> Option<Range<usize>> {
    extram_posix::attributes::own_stack()
}
