//! The C face of extram: `libextram.a`, `libextram.so` and `extram.h`.
//!
//! The functions are documented in the header, which cbindgen writes from this crate
//! (`cargo xtask header`). A program in Rust uses the crate `extram` instead.
//!
//! # What it guards against
//!
//! A pool and an M are handed to C as *handles*: odd numbers in the shape of a pointer, which say
//! which slot of the [`registry`](self) is meant and which of its tenants. Nothing that C hands
//! back is ever dereferenced, so a null, stale, foreign or invented handle gets
//! [`EXTRAM_INVALID`](extram_code::EXTRAM_INVALID) and not a crash. `registry.rs` says why this
//! holds while another thread frees the pool, and why it costs no locked instruction.
//!
//! A panic, which only a function in the configuration can cause, does not cross into C:
//! `boundary.rs`.
//!
//! # Without an operating system
//!
//! With the feature `kernel` in place of `std` a kernel written in C supplies what is below: its
//! thread's block, a counter, waiting (`extram_port.h`). Pools lie in memory of the kernel's
//! (`extram_pool_init`). A static library has to say what a panic does, so
//! `cargo xtask install --target thumbv7m-none-eabi` adds `panic-handler`: the kernel's
//! `extram_port_panic` is called. A program that has other Rust in it depends on this crate with
//! `kernel` alone and keeps its own handler.
#![cfg_attr(not(feature = "std"), no_std)]
#![allow(non_camel_case_types)] // the names that C sees
#![allow(improper_ctypes_definitions)] // handles: opaque on purpose, see `handle.rs`

mod boundary;
mod call;
mod code;
mod config;
#[cfg(all(feature = "std", windows))]
mod errno;
#[cfg(all(feature = "std", unix))]
mod fork;
mod handle;
#[cfg(all(feature = "kernel", not(feature = "std")))]
mod kernel;
mod note;
#[cfg(all(feature = "panic-handler", not(feature = "std"), not(test)))]
mod panic;
mod pool;
mod quick;
mod registry;
mod runtime;
mod seat;
mod walk;
mod watch;

#[cfg(feature = "std")]
use extram::Native;
#[cfg(all(feature = "kernel", not(feature = "std")))]
use kernel::Native;
#[cfg(not(any(feature = "std", feature = "kernel")))]
compile_error!("one of the features `std` and `kernel` is needed");

pub use call::*;
pub use code::{extram_code, extram_strerror};
pub use config::{
    EXTRAM_BIND_CALL, EXTRAM_BIND_THREAD, extram_binding, extram_config, extram_config_problem, extram_event,
    extram_event_kind, extram_m_info, extram_state, extram_stats,
};
pub use handle::{extram_m, extram_pool};
#[cfg(all(feature = "kernel", not(feature = "std")))]
pub use kernel::{EXTRAM_BLOCK_WORDS, extram_block, extram_block_exit, extram_block_reset};
pub use pool::*;
pub use walk::*;
