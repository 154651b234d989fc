//! extram lends an execution context, an **M**, to any thread that calls into a language runtime that
//! did not create it.
//!
//! Implement [`Runtime`] for what makes and admits; put a [`Pool`] into a `static`; [start](Pool::start)
//! it once; then any thread makes its [calls](Pool::callback), or [enters](Pool::enter) and keeps the
//! guard, [`Entered`], for as long as it is inside. Signal handlers have
//! [`enter_from_signal`](Pool::enter_from_signal). To end: [`close`](Pool::close) until it is no longer
//! [`Busy`], or [`reopen`](Pool::reopen).
//!
//! On a target without an operating system the port is named by the program: `Pool<MyRuntime, MyPort>`,
//! with the crate `extram-port-bare-metal`.
//!
//! # The guide
//!
//! | chapter | what |
//! |---|---|
//! | [When to use it](guide::choosing) | and when not; which [`Binding`] and which [limit](Pool::limit) for which work |
//! | [Embedding, from nothing](guide::embedding) | in Rust, C and C++; a collector that stops the world |
//! | [Contexts](guide::contexts) | that are not `Send`, that want `&mut`, that can break |
//! | [Places](guide::places) | a pool in a structure, in a plug-in, in an async program, on a microcontroller |
//! | [A pool that runs](guide::running) | memory, failures, what it tells |
//! | [Each function once](guide::functions) | with an example |
//! | [What it guarantees](guide::guarantees) | by function and context |
//! | [Names](guide::names) | from cgo, JNI, `PyGILState_Ensure`, `caml_c_thread_register` |
//! | [Limits](guide::limits) | what does not work |
#![no_std]
#![warn(rustdoc::all)]
// In the program, where gdb looks for it.
#![cfg_attr(any(target_os = "linux", target_os = "freebsd"), debugger_visualizer(gdb_script_file = "gdb.py"))]

#[cfg(feature = "alloc")]
pub use extram_core::Unstarted;
pub use extram_core::{
    Binding, Busy, EnterError, Event, Hooks, LeaveError, M, MState, Observed, Port, Refused, Runtime, Slots,
    StartError, Stats, Threads,
};

mod native;

pub use native::Native;

/// [`extram_core::Pool`] with the port of the target unless another one is named.
pub type Pool<R, P = Native> = extram_core::Pool<R, P>;
/// [`extram_core::Entered`] with the port of the target unless another one is named.
pub type Entered<R, P = Native> = extram_core::Entered<R, P>;
/// [`extram_core::Owned`] with the port of the target unless another one is named.
#[cfg(feature = "alloc")]
pub type Owned<R, P = Native> = extram_core::Owned<R, P>;

#[cfg(any(doc, doctest))]
pub mod guide;

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
