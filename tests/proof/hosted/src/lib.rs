//! What the hosted scenarios share: a runtime that watches its Ms, threads that C made, and a pool
//! as C sees it. The scenarios themselves are in `tests/`, the C side in `c/`, and the programs
//! that need a process of their own in `src/bin/`.
#![cfg(unix)]

mod face;
mod foreign;
mod plugin;
pub mod stage;
mod tapped;
mod witness;

pub use extram_kept::scaled;
pub use face::CPool;
#[cfg(openmp)]
pub use foreign::openmp;
pub use foreign::{
    JobQueue, Key, cancel_inside, cancelled, crew, exit_inside, in_turn, interrupted_on, on_other_stack,
    preserved, storm,
};
#[cfg(target_os = "freebsd")]
pub use foreign::{trace, traced};
pub use plugin::Plugin;
pub use tapped::{Tapped, Taps};
pub use witness::{Ticket, Witness, alone, call, close, rest, started, started_on, until};

/// The example in the repository's README, compiled and run. Not beside the facade, whose package has the README in
/// another place.
#[cfg(doctest)]
#[doc = include_str!("../../../../README.md")]
struct Readme;
