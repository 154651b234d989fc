//! A pool with an owner.

use crate::port::Port;
use crate::{Pool, Runtime, StartError};
use alloc::boxed::Box;
use core::fmt;
use core::ops::Deref;
use core::ptr::NonNull;

/// A running pool that somebody owns: part of a structure, of a plug-in, of a test. It starts when it is
/// made; [`close`](Owned::close) gives the runtime back, or the pool itself while it is in use.
///
/// Threads share it by reference (`Arc<Owned<…>>`, a scope), and call the functions of [`Pool`], to which
/// it derefs. Join them before you close or drop it: the end of a scope does not wait until they have ended, if
/// their handles are not joined.
/// Dropping it closes the pool; if that is [`Busy`](crate::Busy) (a guard was leaked, or is inside on
/// another thread, or such a thread is just ending), the pool and its contexts are leaked, closed for newcomers.
pub struct Owned<R: Runtime, P: Port> {
    /// From a box.
    pool: NonNull<Pool<R, P>>,
}

// SAFETY: a `Pool` is `Sync`; sharing the owner shares the pool.
unsafe impl<R: Runtime, P: Port> Sync for Owned<R, P> {}
// SAFETY: the same, and the runtime goes to the thread that closes.
unsafe impl<R: Runtime + Send, P: Port> Send for Owned<R, P> {}

/// A pool that could not be started, and the runtime that was to be behind it.
#[non_exhaustive]
pub struct Unstarted<R> {
    /// Why not.
    pub error: StartError,
    /// What was handed to [`Owned::start`].
    pub runtime: R,
}

impl<R> fmt::Debug for Unstarted<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unstarted").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<R> fmt::Display for Unstarted<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<R> core::error::Error for Unstarted<R> {}

impl<R> From<Unstarted<R>> for StartError {
    fn from(unstarted: Unstarted<R>) -> StartError {
        unstarted.error
    }
}

impl<R: Runtime, P: Port> Owned<R, P> {
    /// Makes a pool of `runtime`, configured by `configure`, and starts it:
    ///
    /// ```ignore
    /// // An excerpt; `extram`'s documentation has a whole program.
    /// let pool = Owned::start(MyRuntime, |pool| pool.limit(4))?;
    /// pool.callback(|m| m.context().add(1, 2))?;
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Pool::start`], with the runtime.
    pub fn start(runtime: R, configure: impl FnOnce(Pool<R, P>) -> Pool<R, P>) -> Result<Self, Unstarted<R>> {
        let pool = NonNull::from(Box::leak(Box::new(configure(Pool::new(runtime)))));
        let started = Starting { pool }.start();
        match started {
            Ok(()) => Ok(Owned { pool }),
            // SAFETY: from the box above; a pool that is not started is nobody's but ours.
            Err(error) => Err(Unstarted { error, runtime: unsafe { take_apart(pool) } }),
        }
    }

    /// Closes the pool and gives its runtime back, when every context has been dropped.
    ///
    /// # Errors
    ///
    /// The owner itself, closed for newcomers, while an M is in use: a guard does not borrow the owner, so
    /// one may be left. Call again, or [`reopen`](Owned::reopen).
    pub fn close(self) -> Result<R, Self> {
        if self.lasting().close().is_err() {
            return Err(self);
        }
        let pool = self.pool;
        core::mem::forget(self);
        // SAFETY: from a box. It is closed to the end, so nobody uses it any more, and who has it by
        // reference has borrowed the owner, which is gone.
        Ok(unsafe { take_apart(pool) })
    }

    /// [`Pool::reopen`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn reopen(&self) -> Result<(), StartError> {
        self.lasting().reopen()
    }
}

impl<R: Runtime, P: Port> Deref for Owned<R, P> {
    type Target = Pool<R, P>;

    fn deref(&self) -> &Pool<R, P> {
        // SAFETY: there until the owner is dropped or closed, which takes all references back.
        unsafe { self.pool.as_ref() }
    }
}

impl<R: Runtime, P: Port> Drop for Owned<R, P> {
    fn drop(&mut self) {
        if self.lasting().close().is_ok() {
            // SAFETY: as in `close`.
            drop(unsafe { take_apart(self.pool) });
        }
    }
}

impl<R: Runtime, P: Port> fmt::Debug for Owned<R, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Owned").field(&**self).finish()
    }
}

/// Frees a pool that panics while it starts.
struct Starting<R: Runtime, P: Port> {
    pool: NonNull<Pool<R, P>>,
}

impl<R: Runtime, P: Port> Starting<R, P> {
    fn start(self) -> Result<(), StartError> {
        // SAFETY: from a box, and there until it is taken apart: when it is closed to the end (Lasting).
        let started = unsafe { self.pool.as_ref() }.start();
        core::mem::forget(self);
        started
    }
}

impl<R: Runtime, P: Port> Drop for Starting<R, P> {
    fn drop(&mut self) {
        // SAFETY: from a box; a start that came to nothing leaves nobody behind.
        drop(unsafe { take_apart(self.pool) });
    }
}

/// # Safety
///
/// From a box, and nobody uses it now or later.
unsafe fn take_apart<R: Runtime, P: Port>(pool: NonNull<Pool<R, P>>) -> R {
    // SAFETY: by the caller's promise.
    unsafe { Box::from_raw(pool.as_ptr()) }.into_runtime()
}
