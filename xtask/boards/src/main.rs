//! The verbs about boards: `cargo xtask interrupts` and `size`.

use boards::{interrupts, size};
use clap::Parser;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Verb {
    /// Run a demonstration on two Cortex-M33: an interrupt and a second core call into a runtime.
    Interrupts,
    /// Measure the smallest program that embeds extram on bare metal against its budget.
    Size(size::Args),
}

fn main() -> ExitCode {
    toolchain::closed_pipe::end_quietly();
    judge::exit_code(&match Verb::parse() {
        Verb::Interrupts => interrupts(),
        Verb::Size(args) => size::size(&args),
    })
}
