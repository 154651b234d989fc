//! The facade over atomics: the processor's own, software ones where a target has no
//! compare-exchange, loom's or shuttle's when the algorithm is being model-checked, and those that tell a
//! simulator of each access when it is being simulated.
//!
//! Nothing else in this crate names `core::sync::atomic`, so a model run checks the shipped code. What is for
//! people to see, or a hint that decides nothing but an order, is `unwatched`: a model, which has enough to try,
//! does not see it.

#[cfg(shuttle)]
pub use ::shuttle::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering, compiler_fence, fence,
};
#[cfg(all(not(any(loom, shuttle, extram_sim)), target_has_atomic = "ptr"))]
pub use core::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering, compiler_fence, fence,
};
#[cfg(loom)]
pub use loom::sync::atomic::{Ordering, fence};
#[cfg(all(not(loom), not(target_has_atomic = "ptr")))]
pub use portable_atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering, compiler_fence, fence};
#[cfg(extram_sim)]
pub use simulated::{
    Access, AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering, Watcher, compiler_fence, fence, watch,
};
#[cfg(loom)]
pub use watched::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize};

#[cfg(shuttle)]
pub(crate) use ::shuttle::sync::atomic::AtomicU64 as AtomicWord;
#[cfg(all(not(loom), not(target_has_atomic = "64")))]
pub(crate) use AtomicU32 as AtomicWord;
/// The word of a tagged list: 64 bits where the processor exchanges 64 bits at once, else 32.
#[cfg(all(not(any(loom, shuttle, extram_sim)), target_has_atomic = "64"))]
pub(crate) use core::sync::atomic::AtomicU64 as AtomicWord;
#[cfg(extram_sim)]
pub(crate) use simulated::AtomicU64 as AtomicWord;
#[cfg(loom)]
pub(crate) use watched::AtomicU64 as AtomicWord;

/// Of whatever is the case: the processor's, or software ones.
pub(crate) mod unwatched {
    #[cfg(target_has_atomic = "ptr")]
    pub(crate) use core::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering};
    #[cfg(not(target_has_atomic = "ptr"))]
    pub(crate) use portable_atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering};
}

/// loom has no compiler fence. Its threads are interleaved at every atomic access, so the fence
/// that the light side stands for is the full one.
#[cfg(loom)]
pub(crate) fn compiler_fence(order: Ordering) {
    fence(order);
}

#[cfg(extram_sim)]
mod simulated;
#[cfg(loom)]
pub(crate) mod watched;
