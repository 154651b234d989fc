//! A short lock off the hot path: spin's, which lets other threads run while it waits.

use crate::port::Port;

#[cfg(not(loom))]
pub(crate) struct Lock<T, P>(spin::mutex::SpinMutex<T, crate::port::OsYield<P>>);

#[cfg(not(loom))]
impl<T, P: Port> Lock<T, P> {
    pub(crate) const fn new(value: T) -> Self {
        Lock(spin::mutex::SpinMutex::new(value))
    }

    pub(crate) fn lock(&self) -> impl core::ops::DerefMut<Target = T> + '_ {
        self.0.lock()
    }

    /// # Safety
    ///
    /// Whoever holds the lock is gone for good.
    pub(crate) unsafe fn force_unlock(&self) {
        // SAFETY: by the caller's promise nobody has a guard any more.
        unsafe { self.0.force_unlock() };
    }
}

#[cfg(loom)]
pub(crate) struct Lock<T, P>(loom::sync::Mutex<T>, core::marker::PhantomData<P>);

#[cfg(loom)]
impl<T, P: Port> Lock<T, P> {
    pub(crate) fn new(value: T) -> Self {
        Lock(loom::sync::Mutex::new(value), core::marker::PhantomData)
    }

    pub(crate) fn lock(&self) -> impl core::ops::DerefMut<Target = T> + '_ {
        self.0.lock().expect("no model panics while it holds the lock")
    }

    /// # Safety
    ///
    /// None: a model has no fork.
    pub(crate) unsafe fn force_unlock(&self) {}
}
