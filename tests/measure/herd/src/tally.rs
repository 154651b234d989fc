//! How many Ms the calling thread has made.

use std::cell::Cell;

thread_local! {
    static MADE: Cell<u64> = const { Cell::new(0) };
}

/// The calling thread has made one.
pub(crate) fn made_one() {
    MADE.with(|made| made.set(made.get() + 1));
}

/// How many it has made since the last look.
pub(crate) fn take() -> u64 {
    MADE.take()
}
