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
#![cfg_attr(not(feature = "std"), no_std)]
#![allow(non_camel_case_types)] // the names that C sees
#![allow(improper_ctypes_definitions)] // handles: opaque on purpose, see `handle.rs`

mod boundary;
mod call;
mod code;
mod config;
mod handle;
mod pool;
mod registry;
mod runtime;

#[cfg(feature = "std")]
use extram::Native;

pub use call::*;
pub use code::{extram_code, extram_strerror};
pub use config::{EXTRAM_BIND_CALL, EXTRAM_BIND_THREAD, extram_binding, extram_config, extram_stats};
pub use handle::{extram_m, extram_pool};
pub use pool::*;
