//! What the ports to POSIX systems share, in the words of POSIX: threads, keys, clocks, fork.
//!
//! A port adds what POSIX does not have: waiting on a word, the bounds of a stack, the barrier.
//! Where the two systems give one thing two names, the name is chosen here.
//!
//! # Thread-local storage
//!
//! The first three pools of a process keep their thread-local word in the ELF TLS block of
//! `extram-elf-tls`, further ones (and all on processors that it does not know) in a POSIX key.
//! `cargo bench -p extram-benches -- thread_local` shows what each costs: a key is a call into the
//! C library, an order of magnitude above the bare read. The exit hook is a key's destructor in
//! both cases: unlike a C++ thread-local destructor it does not keep a shared library from being
//! unloaded, and it can be withdrawn when the pool is closed.
#![no_std]
#![cfg(any(target_os = "linux", target_os = "freebsd"))]

pub mod errno;
pub mod fork;
pub mod local;
pub mod thread;
pub mod time;
