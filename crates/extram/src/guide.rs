//! The guide for those who embed extram. There is no code in here: each module is a chapter.
//!
//! | chapter | what |
//! |---|---|
//! | [`choosing`] | when to use it, when not, which binding and which limit for which work, and what a call costs |
//! | [`embedding`] | a program from scratch, in Rust, C and C++; and a collector that stops the world |
//! | [`contexts`] | contexts that are not `Send`, that want `&mut`, that can break |
//! | [`places`] | a pool in a structure, in a plug-in, in an async program, on a microcontroller |
//! | [`running`] | memory, failures, and what a running pool tells |
//! | [`runtimes`] | figures of wasmi, QuickJS, CPython and Lua on a board, beside their users' usual ways |
//! | [`functions`] | each function once, with an example |
//! | [`guarantees`] | which function does what in which context |
//! | [`names`] | coming from cgo's extra M, JNI, Python's `PyGILState` or OCaml's `caml_c_thread_register` |
//! | [`limits`] | what does not work, or not as one would wish |
//!
//! What a function promises is in its own documentation. Where this guide says less, the function's
//! documentation holds.

// Both are for the links of the chapters.
#[cfg(feature = "alloc")]
#[allow(unused_imports)]
use crate::Owned;
#[allow(unused_imports)]
use crate::{
    Binding, Busy, EnterError, Entered, Event, M, Observed, Pool, Port, Runtime, Slots, StartError, Stats,
};

#[doc = include_str!("guide/choosing.md")]
pub mod choosing {}

#[doc = include_str!("guide/embedding.md")]
///
/// ## In Rust
///
/// ```
#[doc = include_str!("guide/programs/calculator.rs")]
/// ```
///
#[doc = include_str!("guide/embedding-c.md")]
///
/// ```c
#[doc = include_str!("guide/programs/calculator.c")]
/// ```
///
#[doc = include_str!("guide/embedding-cpp.md")]
///
/// ```cpp
#[doc = include_str!("guide/programs/calculator.cpp")]
/// ```
///
#[doc = include_str!("guide/collecting.md")]
///
/// ```
#[doc = include_str!("guide/programs/collector.rs")]
/// ```
///
#[doc = include_str!("guide/collecting-c.md")]
///
/// ```c
#[doc = include_str!("guide/programs/collector.c")]
/// ```
///
#[doc = include_str!("guide/collecting-discarded.md")]
pub mod embedding {}

#[doc = include_str!("guide/contexts.md")]
pub mod contexts {}

#[doc = include_str!("guide/places.md")]
pub mod places {}

#[doc = include_str!("guide/running.md")]
pub mod running {}

#[doc = include_str!("guide/runtimes.md")]
pub mod runtimes {}

#[doc = include_str!("guide/functions.md")]
pub mod functions {}

#[doc = include_str!("guide/guarantees.md")]
pub mod guarantees {}

#[doc = include_str!("guide/names.md")]
pub mod names {}

#[doc = include_str!("guide/limits.md")]
pub mod limits {}
