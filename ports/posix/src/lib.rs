//! What the ports to POSIX systems share, in the words of POSIX: threads, keys, clocks, fork.
//!
//! A port adds what POSIX does not have: waiting on a word, the bounds of a stack, the barrier.
//! Where the two systems give one thing two names, the name is chosen here.
//!
//! # Thread-local storage
//!
//! The first three pools of a process keep their thread-local word in the ELF TLS block of
//! `extram-elf-tls`, further ones, up to 1,024 (and all on processors that it does not know), in
//! memory that a thread gets when it first needs it. `cargo bench -p extram-benches -- thread_local`
//! shows what each costs. The exit hook is the destructor of one POSIX key for all of them.
//!
//! | file | what |
//! |---|---|
//! | `errno.rs` | `errno` is the caller's |
//! | `time.rs` | sleeping, yielding, the clock |
//! | `thread.rs` | threads: creating them, telling them apart |
//! | `stack.rs` | the bounds of a thread's own stack, kept |
//! | `local.rs` | a pool's thread-local word |
//! | `slot.rs` | the open pools: whom a thread's end and a fork have to tell |
//! | `words.rs` | a thread's words for pools without a pair in the block |
//! | `key.rs` | the one key; what happens when the library is loaded and unloaded |
//! | `end.rs` | a thread's end |
//! | `fork.rs` | forked children |
#![no_std]
#![cfg(any(target_os = "linux", target_os = "freebsd"))]

// A program cannot keep itself from being interrupted, which `Port::brief` would have to.
#[cfg(not(target_has_atomic = "64"))]
compile_error!("extram needs a processor that can exchange 64 bits at once, except on bare metal");

mod end;
pub mod errno;
pub mod fork;
mod key;
pub mod local;
mod slot;
pub mod stack;
#[cfg(test)]
mod tests;
pub mod thread;
pub mod time;
mod words;
