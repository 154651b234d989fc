//! An M of no pool: what another algorithm needs to show a runtime the same thing that a pool shows it.

use crate::{M, Runtime};

/// An M that belongs to no pool. The algorithms that extram is measured against keep their Ms in it, so
/// that one runtime's [`admit`](Runtime::admit) and [`retire`](Runtime::retire) serve them all. It has
/// a number and a context; its depth is 0 and it knows no thread.
pub struct Lone<R: Runtime>(M<R>);

// SAFETY: the payload is reached through unsafe functions whose callers are alone with it, and a context
// is `Send`; the rest are atomics.
unsafe impl<R: Runtime> Sync for Lone<R> {}

impl<R: Runtime> Lone<R> {
    /// One without a context.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Lone(M::new())
    }

    /// Gives it a number and a context.
    ///
    /// # Safety
    ///
    /// The caller is alone with it, and it has no context.
    pub unsafe fn put(&self, id: u32, context: R::Context) {
        self.0.set_id(id);
        // SAFETY: by the caller's promise.
        unsafe { self.0.put_context(context) };
    }

    /// The M, as a pool would lend it.
    ///
    /// # Safety
    ///
    /// It has a context, which stays and is the caller's alone as long as the reference lives.
    pub unsafe fn m(&self) -> &M<R> {
        &self.0
    }

    /// Takes the context out.
    ///
    /// # Safety
    ///
    /// The caller is alone with it, and it has a context.
    pub unsafe fn take(&self) -> R::Context {
        // SAFETY: by the caller's promise.
        unsafe { self.0.take_context() }
    }
}
