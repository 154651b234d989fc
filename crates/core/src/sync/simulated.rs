//! The processor's atomics, which tell a simulator (`tests/measure/sim`) of each access just before it is
//! made: it lets the calling simulated thread go on when the access is over, by its own clock.
//!
//! Only with `--cfg extram_sim`. Nothing is told where nobody watches.

use core::sync::atomic;
use std::sync::OnceLock;

pub use atomic::{Ordering, compiler_fence};

/// What an access asks of the cache line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A copy.
    Load,
    /// The line for itself.
    Store,
    /// The line for itself, and what it holds: a read-modify-write, whether it succeeds or not.
    Exchange,
    /// No line: a sequentially consistent fence.
    Fence,
}

/// Gets the address of each access.
pub type Watcher = fn(usize, Access);

static WATCHER: OnceLock<Watcher> = OnceLock::new();

/// Has every access told to `watcher` from now on. The first one stays.
pub fn watch(watcher: Watcher) {
    let _ = WATCHER.set(watcher);
}

#[inline]
fn tell(address: usize, access: Access) {
    if let Some(watcher) = WATCHER.get() {
        watcher(address, access);
    }
}

/// A fence is a place where others go on, too.
pub fn fence(order: Ordering) {
    if order == Ordering::SeqCst {
        tell(0, Access::Fence);
    }
    atomic::fence(order);
}

macro_rules! told {
    ($($(#[$meta:meta])* $vis:vis $name:ident $(<$of:ident>)?: $value:ty;)*) => {$(
        $(#[$meta])*
        #[derive(Debug)]
        #[repr(transparent)]
        $vis struct $name $(<$of>)? (atomic::$name $(<$of>)?);

        #[allow(missing_docs, dead_code)] // They are those of `core::sync::atomic`.
        impl $(<$of>)? $name $(<$of>)? {
            $vis const fn new(value: $value) -> Self {
                Self(atomic::$name::new(value))
            }

            fn tell(&self, access: Access) -> &atomic::$name $(<$of>)? {
                tell(core::ptr::from_ref(self).addr(), access);
                &self.0
            }

            $vis fn load(&self, order: Ordering) -> $value {
                self.tell(Access::Load).load(order)
            }

            $vis fn store(&self, value: $value, order: Ordering) {
                self.tell(Access::Store).store(value, order);
            }

            $vis fn swap(&self, value: $value, order: Ordering) -> $value {
                self.tell(Access::Exchange).swap(value, order)
            }

            $vis fn compare_exchange(
                &self,
                from: $value,
                to: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.tell(Access::Exchange).compare_exchange(from, to, success, failure)
            }

            $vis fn compare_exchange_weak(
                &self,
                from: $value,
                to: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                // Not weak: on which exchanges fail for nothing would be the processor's choice.
                self.compare_exchange(from, to, success, failure)
            }

            $vis fn fetch_update(
                &self,
                set: Ordering,
                fetch: Ordering,
                mut f: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                let mut now = self.load(fetch);
                while let Some(to) = f(now) {
                    match self.compare_exchange(now, to, set, fetch) {
                        Ok(was) => return Ok(was),
                        Err(other) => now = other,
                    }
                }
                Err(now)
            }

            $vis fn get_mut(&mut self) -> &mut $value {
                self.0.get_mut()
            }

            $vis const fn as_ptr(&self) -> *mut $value {
                self.0.as_ptr()
            }
        }
    )*};
}

macro_rules! counts {
    ($($vis:vis $name:ident: $value:ty { $($method:ident)* })*) => {$(
        #[allow(missing_docs, dead_code)] // As above.
        impl $name {
            $($vis fn $method(&self, value: $value, order: Ordering) -> $value {
                self.tell(Access::Exchange).$method(value, order)
            })*
        }
    )*};
}

told! {
    /// [`core::sync::atomic::AtomicBool`], told of.
    pub AtomicBool: bool;
    /// [`core::sync::atomic::AtomicU32`], told of.
    pub AtomicU32: u32;
    /// [`core::sync::atomic::AtomicUsize`], told of.
    pub AtomicUsize: usize;
    /// [`core::sync::atomic::AtomicPtr`], told of.
    pub AtomicPtr<T>: *mut T;
    pub(crate) AtomicU64: u64;
}

counts! {
    pub AtomicU32: u32 { fetch_add fetch_sub fetch_max fetch_min fetch_or fetch_and }
    pub AtomicUsize: usize { fetch_add fetch_sub fetch_max fetch_min fetch_or fetch_and }
    pub(crate) AtomicU64: u64 { fetch_add fetch_sub }
}
