//! Prints the figures.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(u8::from(!extram_example_quickjs::print()))
}
