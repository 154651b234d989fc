//! Simulated threads on simulated cores, by a virtual clock: what a pool does with 512 cores or 65,536
//! threads, on any machine, and the same bytes from the same seed.
//!
//! ```
//! use extram_sim::{Costs, simulate, thread};
//!
//! let (answer, figures) = simulate(&Costs::LINUX, 2, 1, || {
//!     let other = thread::spawn(|| thread::sleep(1_000_000)).unwrap();
//!     thread::join(other);
//!     42
//! })
//! .unwrap();
//! assert_eq!(answer, 42);
//! assert!(figures.clock > 50_000_000, "Linux is late by 50 µs: {figures:?}");
//! ```
//!
//! # How it works
//!
//! A simulated thread is a coroutine with a stack of its own. All of them run in turn on one thread of the
//! system, and stop wherever something takes time: an atomic access, a computation, a sleep, a system
//! call. What is to happen stands in an agenda ordered by virtual time ([`machine`]); what is at the same
//! time is ordered by the seed. Memory is therefore sequentially consistent: orderings are for loom.
//!
//! - The core and the references see the simulator as a [`Port`](extram_core::Port) ([`Simulated`]), and,
//!   with `--cfg extram_sim`, tell it of each atomic access (`sync/simulated.rs` of the core), which costs
//!   what the cache line costs ([`mod@line`]). Nothing else of them is changed.
//! - Who has a core is decided as Linux 6.18 does it (EEVDF), or by turns as on FreeBSD ([`core`](mod@core));
//!   a core with nothing to do takes from others. One interrupt of Linux ends all sleeps of its core that may
//!   end by then, and a system call of it is not preempted.
//! - What things cost is in [`costs`], each with its source.
//!
//! # Invariants
//!
//! - **One.** One coroutine of a machine runs at a time, on the thread that runs the machine, and the
//!   machine is not borrowed while it does.
//! - **Order.** The clock never goes back, and whatever two threads do happens in the order of the clock.

mod agenda;
pub mod alloc;
pub mod calibrate;
pub mod conform;
pub mod core;
pub mod costs;
pub mod line;
pub mod machine;
pub mod many_cores;
pub mod polls;
pub mod pools;
mod port;
pub mod report;
pub mod spec;
mod stack;
pub mod thread;
pub mod validate;
pub mod work;

pub use costs::Costs;
pub use machine::{Failure, Figures, Tid, explore, simulate};
pub use port::{Local, Simulated};

/// Picoseconds of virtual time. 2^64 of them are 213 days.
pub type Ps = u64;
