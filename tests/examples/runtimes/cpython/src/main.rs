//! Prints the figures.

use std::process::ExitCode;

#[cfg(python)]
fn main() -> ExitCode {
    ExitCode::from(u8::from(!extram_example_cpython::print()))
}

#[cfg(not(python))]
fn main() -> ExitCode {
    println!(
        "built without CPython: none of 3.12 or later with a shared library was found (EXTRAM_PYTHON names one)"
    );
    ExitCode::from(2)
}
