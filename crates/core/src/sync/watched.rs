//! loom's atomics, which see three things more.
//!
//! **Who is late.** When an atomic goes, every access to it has to have happened before: a model that frees
//! a pool asks that of each word in it.
//!
//! **Loads.** loom tries two accesses in both orders if they depend on each other, and keeps no more than
//! the latest access to each atomic in mind. So of "A loads; B loads and exchanges" it sees one order:
//! B's own load hides A's. In models that ask for it ([`see_loads`]) each access is an exchange of a
//! shadow, too, which orders nothing, and on which every access depends. That takes ten times as long.

//!
//! **Steps.** A handler may run between any two steps of a thread. A model that asks for it ([`interrupt`])
//! is interrupted before an access of its choice.

use core::cell::Cell;
use loom::sync::atomic;

std::thread_local! {
    static SEE_LOADS: Cell<bool> = const { Cell::new(false) };
    static HANDLER: Cell<(u32, fn())> = const { Cell::new((0, || ())) };
}

/// Runs `handler` before the access of that number, from 1, to be counted from now on; 0 for none. Returns
/// how many were left to come of the last one.
#[cfg(test)]
pub(crate) fn interrupt(step: u32, handler: fn()) -> u32 {
    HANDLER.replace((step, handler)).0
}

/// The thread is about to do something that a handler may find done or not.
pub(crate) fn step() {
    let (left, handler) = HANDLER.get();
    if left > 0 {
        HANDLER.set((left - 1, handler));
        if left == 1 {
            handler();
        }
    }
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
                step();
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
