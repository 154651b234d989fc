//! extram lends an execution context, an **M**, to any thread that calls into a language runtime which
//! did not create it.
//!
//! 1. Implement [`Runtime`], which makes contexts and may admit calls.
//! 2. Put a [`Pool`] into a `static`, and [start](Pool::start) it once.
//! 3. Then any thread makes its [calls](Pool::callback), or [enters](Pool::enter) and keeps the guard,
//!    [`Entered`], for as long as it is inside. Signal handlers have
//!    [`enter_from_signal`](Pool::enter_from_signal).
//! 4. At the end, call [`close`](Pool::close) until it is no longer [`Busy`]; [`reopen`](Pool::reopen) takes
//!    that back.
//!
//! On a target without an operating system the port is named by the program: `Pool<MyRuntime, MyPort>`,
//! with the crate `extram-port-bare-metal`.
//!
//! ```
//! use extram::{EnterError, Pool, Runtime};
//! use std::cell::Cell;
//!
//! struct Interpreter;
//!
//! impl Runtime for Interpreter {
//!     type Context = Cell<u32>; // what one M carries
//!     type Error = ();
//!     fn new_context(&self) -> Result<Cell<u32>, ()> {
//!         Ok(Cell::new(0))
//!     }
//! }
//!
//! static POOL: Pool<Interpreter> = Pool::new(Interpreter);
//!
//! /// Any thread may call this, whoever created it.
//! fn calls() -> Result<u32, EnterError> {
//!     POOL.callback(|m| {
//!         m.context().set(m.context().get() + 1);
//!         m.context().get()
//!     })
//! }
//!
//! POOL.start().expect("the first M");
//! assert_eq!(calls(), Ok(1));
//! ```
//!
//! `cargo run -p extram --example owned` is a pool that belongs to something, `slow_calls` a watchdog; `calculator` and
//! `collector` are the guide's programs.
//!
//! # The guide
//!
//! | chapter | what |
//! |---|---|
//! | [When to use it](guide::choosing) | and when not; which [`Binding`] and which [limit](Pool::limit) for which work; what a call costs |
//! | [Embedding, from scratch](guide::embedding) | in Rust, C and C++; a collector that stops the world |
//! | [Contexts](guide::contexts) | that are not `Send`, that want `&mut`, that can break |
//! | [Places](guide::places) | a pool in a structure, in a plug-in, in an async program, on a microcontroller |
//! | [A pool that runs](guide::running) | memory, failures, what it tells |
//! | [Real runtimes](guide::runtimes) | figures of wasmi, QuickJS, CPython and Lua on a board, beside their users' usual ways |
//! | [Each function once](guide::functions) | with an example |
//! | [What it guarantees](guide::guarantees) | for each function, in each context |
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

/// The types behind the aliases [`Pool`], [`Entered`] and [`Owned`], with their functions. Only the
/// documentation has this module: a link to a function leads to the page of its type, and an alias has none
/// of its own.
#[cfg(doc)]
pub mod types {
    #[cfg(feature = "alloc")]
    pub use extram_core::Owned;
    pub use extram_core::{Entered, Pool};
}
