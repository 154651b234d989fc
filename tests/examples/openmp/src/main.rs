//! `openmp`: the threads of OpenMP regions in C call back into Lua, and draw a picture.
//!
//! `cargo run --release -p extram-openmp`

#[cfg(openmp)]
mod draw;
#[cfg(openmp)]
mod picture;

use std::process::ExitCode;

#[cfg(openmp)]
fn main() -> ExitCode {
    draw::main()
}

#[cfg(not(openmp))]
fn main() -> ExitCode {
    eprintln!(
        "openmp: built by a C compiler without OpenMP. Install gcc and build again: touch tests/examples/openmp/build.rs"
    );
    ExitCode::FAILURE
}
