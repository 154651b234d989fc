//! loom's atomics, which see two things more.
//!
//! **Who is late.** When an atomic goes, every access to it has to have happened before: a model that frees
//! a pool asks that of each word in it.
//!
//! **Loads.** loom tries two accesses in both orders if they depend on each other, and keeps no more than
//! the latest access to each atomic in mind. So of "A loads; B loads and exchanges" it sees one order:
//! B's own load hides A's. In models that ask for it ([`see_loads`]) each access is an exchange of a
//! shadow, too, which orders nothing, and on which every access depends. That takes ten times as long.

use core::cell::Cell;
use loom::sync::atomic;

std::thread_local! {
    static SEE_LOADS: Cell<bool> = const { Cell::new(false) };
}

/// In the model that this thread of the system runs.
#[cfg(test)]
pub(crate) fn see_loads(see: bool) {
    SEE_LOADS.set(see);
}

fn shadow() -> Option<atomic::AtomicBool> {
    SEE_LOADS.get().then(|| atomic::AtomicBool::new(false))
}

macro_rules! watched {
    ($($vis:vis $name:ident $(<$of:ident>)?: $value:ty;)*) => {$(
        #[derive(Debug)]
        $vis struct $name $(<$of>)? {
            atomic: atomic::$name $(<$of>)?,
            shadow: Option<atomic::AtomicBool>,
        }

        impl $(<$of>)? $name $(<$of>)? {
            $vis fn new(value: $value) -> Self {
                Self { atomic: atomic::$name::new(value), shadow: shadow() }
            }
        }

        /// Each access goes through here.
        impl $(<$of>)? core::ops::Deref for $name $(<$of>)? {
            type Target = atomic::$name $(<$of>)?;

            fn deref(&self) -> &Self::Target {
                if let Some(shadow) = &self.shadow {
                    shadow.swap(true, atomic::Ordering::Relaxed);
                }
                &self.atomic
            }
        }

        impl $(<$of>)? Drop for $name $(<$of>)? {
            fn drop(&mut self) {
                // Once a model has failed, its threads are not joined.
                if !std::thread::panicking() {
                    self.atomic.with_mut(|_| ());
                }
            }
        }
    )*};
}

watched! {
    pub AtomicU32: u32;
    pub(crate) AtomicU64: u64;
    pub AtomicUsize: usize;
    pub AtomicPtr<T>: *mut T;
}

pub use atomic::AtomicBool;
