//! `cargo xtask mutate` and `cargo xtask simulate`.

use clap::Parser;
use models::{mutate, simulate};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Verb {
    /// Break the core in one place at a time and show which test notices.
    Mutate(mutate::Args),
    /// Simulate herds and calls on 1 to 512 cores, by a virtual clock.
    Simulate(simulate::Args),
}

fn main() -> ExitCode {
    toolchain::closed_pipe::end_quietly();
    judge::exit_code(&match Verb::parse() {
        Verb::Mutate(args) => mutate::mutate(&args),
        Verb::Simulate(args) => simulate::simulate(&args),
    })
}
