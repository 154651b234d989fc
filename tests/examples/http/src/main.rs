//! `http`: a C web server with a thread for each connection answers from Lua states that its
//! threads share through extram, behind a global lock, or not at all.
//!
//! `cargo run --release -p extram-http`

#[cfg(libmicrohttpd)]
mod busiest;
#[cfg(libmicrohttpd)]
mod client;
#[cfg(libmicrohttpd)]
mod compare;
#[cfg(libmicrohttpd)]
mod lua;
#[cfg(libmicrohttpd)]
mod server;
#[cfg(libmicrohttpd)]
mod variant;

use std::process::ExitCode;

#[cfg(libmicrohttpd)]
fn main() -> ExitCode {
    compare::main()
}

#[cfg(not(libmicrohttpd))]
fn main() -> ExitCode {
    eprintln!(
        "http: built without libmicrohttpd. Install it (Debian: apt-get install libmicrohttpd-dev \
         pkg-config) and build again: touch tests/examples/http/build.rs"
    );
    ExitCode::FAILURE
}
