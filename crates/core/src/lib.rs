//! extram lends an execution context, an **M**, to any thread that calls into a runtime without
//! having been created by it. This crate is the mechanism; it knows no operating system. What it
//! needs from one is the trait [`Port`], what it needs from the runtime is the trait [`Runtime`].
//! Most users depend on the crate `extram`, which picks the port.
//!
//! Where to read on: [`list`](https://docs.rs/extram-core/latest/src/extram_core/list.rs.html) for
//! the algorithm, `hold.rs` for who holds an M and how a bound one changes hands, `refill.rs` for
//! the duty that travels with an M.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(loom)]
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

mod cell;
mod enter;
mod error;
mod hold;
mod list;
mod lock;
mod m;
#[cfg(all(test, loom))]
mod models;
mod pool;
mod port;
mod refill;
mod runtime;
#[doc(hidden)]
pub mod sync;
mod table;
mod walk;
mod word;

pub use enter::Entered;
pub use error::{Busy, EnterError, LeaveError, StartError};
pub use m::M;
pub use pool::{Binding, Pool};
pub use port::{AtExit, Port, Refused};
pub use runtime::{Event, Runtime};
pub use table::Slots;
pub use walk::{MState, Observed, Stats};
