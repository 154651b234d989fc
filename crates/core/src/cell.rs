//! A cell with closures, so that loom can watch each access.

#[cfg(loom)]
pub(crate) use loom::cell::UnsafeCell;

/// `core::cell::UnsafeCell` with loom's interface.
#[cfg(not(loom))]
pub(crate) struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(core::cell::UnsafeCell::new(value))
    }

    pub(crate) fn with<O>(&self, f: impl FnOnce(*const T) -> O) -> O {
        f(self.0.get())
    }

    pub(crate) fn with_mut<O>(&self, f: impl FnOnce(*mut T) -> O) -> O {
        f(self.0.get())
    }
}
