//! `cargo xtask mutate`.

use clap::Parser;
use models::mutate;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Verb {
    /// Make the core worse in one place at a time and show which test notices.
    Mutate(mutate::Args),
}

fn main() -> ExitCode {
    let Verb::Mutate(args) = Verb::parse();
    judge::exit_code(&mutate::mutate(&args))
}
