//! extram lends an execution context, an **M**, to any thread that calls into a language runtime which
//! did not create it. This crate is the mechanism, and knows no operating system: what it needs from
//! one is the trait [`Port`], and what it needs from the runtime is the trait [`Runtime`].
//! Most users depend on the crate `extram`, which picks the port.
//!
//! Where to read on: `src/list.rs` for the algorithm, and beside it `hold.rs` for who holds an M and how
//! a bound one changes hands, `mode.rs` for the states that an M and its thread can be in together,
//! `refill.rs` for the duty that travels with an M, `life.rs` for start and close.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(loom, shuttle, extram_sim))]
extern crate std;

/// A `const fn`, or a plain one where loom's types cannot be made in a constant.
macro_rules! const_unless_loom {
    ($(#[$meta:meta])* $vis:vis fn $($rest:tt)*) => {
        #[cfg(not(loom))]
        $(#[$meta])* $vis const fn $($rest)*
        #[cfg(loom)]
        $(#[$meta])* $vis fn $($rest)*
    };
}

mod bounds;
mod call;
mod cell;
mod close;
mod count;
mod discard;
mod dump;
mod enter;
mod error;
mod exit;
mod fork;
mod hold;
mod leave;
mod life;
mod list;
#[cfg(not(loom))]
mod lone;
mod m;
mod metrics;
mod mode;
#[cfg(all(test, loom))]
mod models;
mod numbers;
mod own;
#[cfg(feature = "alloc")]
mod owned;
mod pool;
mod port;
#[doc(hidden)]
pub mod quiet;
#[doc(hidden)]
pub mod raw;
mod refill;
mod runtime;
#[cfg(feature = "alloc")]
mod segments;
#[cfg(all(test, shuttle))]
mod shuttled;
mod since;
mod slots;
mod supply;
#[doc(hidden)]
pub mod sync;
mod table;
mod unused;
mod walk;
mod word;

pub use enter::Entered;
pub use error::{Busy, EnterError, LeaveError, StartError};
pub use m::M;
#[cfg(feature = "alloc")]
pub use owned::{Owned, Unstarted};
pub use pool::{Binding, Pool};
pub use port::{Hooks, Port, Refused, Threads};
pub use runtime::{Event, Runtime};
pub use slots::Slots;
pub use walk::{MState, Observed, Stats};
