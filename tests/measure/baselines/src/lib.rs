//! The two algorithms that extram is measured against, literally as in Go's source of 2016:
//!
//! - [`OneAtATime`]: before Go commit 50048a4e. An entry that took the last M makes exactly one.
//! - [`WaiterCounting`]: that commit. Waiting threads count themselves, and the first thread
//!   through makes as many Ms as the count says.
//!
//! Both are one file, [`reference`](mod@reference): the commit's three changes to the code before
//! it are the three places that look at `COUNTING`.
//!
//! What is left out is what does not belong to the list: the signal mask that `needm` saves and
//! blocks (system calls at every entry, so the references are *faster* here than in Go), and the
//! goroutine that the runtime attaches to an M. Where Go ends the process because it cannot make
//! an M, a reference is dead from then on: see [`Reference`].
#![no_std]

#[cfg(feature = "alloc")]
extern crate alloc;

mod entered;
mod node;
pub mod reference;

pub use entered::Entered;
pub use node::Slots;
pub use reference::{OneAtATime, Reference, WaiterCounting};
