//! extram on POSIX systems, in the words of POSIX: threads, keys, clocks, fork.
//!
//! [`Posix<S>`](Posix) is the port to a system. What POSIX does not have, [`System`] asks for: waiting on a
//! word, the bounds of a stack, a thread's number, the barrier. A port crate implements that for a unit
//! type, and is done.
//!
//! # Thread-local storage
//!
//! The first three pools of a process keep their thread-local word in the ELF TLS block of
//! `extram-elf-tls`, further ones, up to 1,024 (and all on processors and systems that it does not know),
//! in memory that a thread gets when it first needs it. `cargo bench -p extram-benches -- thread_local`
//! shows what each costs. The exit hook is the destructor of one POSIX key for all of them.
//!
//! | file | what |
//! |---|---|
//! | `system.rs` | the seam: what a system supplies |
//! | `port.rs` | the port, from a system and what follows |
//! | `errno.rs` | `errno` is the caller's |
//! | `time.rs` | sleeping, yielding, the clock |
//! | `thread.rs` | threads: creating them, telling them apart |
//! | `stack.rs` | the bounds of stacks; a thread's own are kept |
//! | `local.rs` | a pool's thread-local word |
//! | `slot.rs` | the open pools: whom a thread's end and a fork have to tell |
//! | `words.rs` | a thread's words for pools without a pair in the block |
//! | `key.rs` | the one key; what happens when the library is loaded and unloaded |
//! | `end.rs` | a thread's end |
//! | `fork.rs` | forked children |
//! | `queue.rs` | waiting on a word where the system has no such thing |
#![no_std]
#![cfg(unix)]

// A program cannot keep itself from being interrupted, which `Port::brief` would have to.
#[cfg(not(target_has_atomic = "64"))]
compile_error!("extram needs a processor that can exchange 64 bits at once, except on bare metal");

// This crate does not depend on `std`, so its objects may come after the C library that `std` brings along,
// and a static library serves only those before it.
#[cfg(all(target_env = "musl", target_feature = "crt-static"))]
#[link(name = "c", kind = "static", modifiers = "-bundle")]
unsafe extern "C" {}

#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_os = "cygwin",
    target_os = "haiku",
    target_os = "hurd",
    target_os = "netbsd",
))]
pub mod attributes;
mod end;
pub mod errno;
mod fork;
mod key;
mod local;
mod port;
pub mod queue;
mod slot;
mod stack;
mod system;
#[cfg(test)]
mod tests;
mod thread;
pub mod time;
mod words;

pub use local::Local;
pub use port::Posix;
pub use system::System;
pub use thread::Thread;
