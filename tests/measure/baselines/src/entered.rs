//! A thread's hold on an M of a reference.

use crate::Reference;
use crate::node::Node;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::NonNull;
use extram_core::{M, Runtime, Threads};

/// A thread's hold on an M of a [`Reference`]; leaves on drop. Stays on its thread.
pub struct Entered<R: Runtime, P: Threads, const COUNTING: bool> {
    pool: &'static Reference<R, P, COUNTING>,
    m: NonNull<Node<R>>,
    not_send: PhantomData<*mut ()>,
}

impl<R: Runtime, P: Threads, const COUNTING: bool> Entered<R, P, COUNTING> {
    /// The thread holds `m`, which is not left yet.
    pub(crate) fn new(pool: &'static Reference<R, P, COUNTING>, m: NonNull<Node<R>>) -> Self {
        Entered { pool, m, not_send: PhantomData }
    }

    pub(crate) fn node(&self) -> &Node<R> {
        // SAFETY: the thread holds the M as long as this value lives (Invariant Hold), and `close`
        // is refused meanwhile.
        unsafe { self.m.as_ref() }
    }
}

impl<R: Runtime, P: Threads, const COUNTING: bool> Deref for Entered<R, P, COUNTING> {
    type Target = M<R>;

    fn deref(&self) -> &M<R> {
        self.node().m()
    }
}

impl<R: Runtime, P: Threads, const COUNTING: bool> Drop for Entered<R, P, COUNTING> {
    fn drop(&mut self) {
        if self.node().unnest() == 0 {
            self.pool.leave(self.m);
        }
    }
}
