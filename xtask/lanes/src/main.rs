//! `cargo xtask test`.

mod counts;
mod fuzz;
mod interpreters;
mod lint;
mod runtimes;
mod sanitizers;
mod soak;
mod test;
mod tiers;
mod windows;

use clap::Parser;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Verb {
    /// Run the tests: the host's, another target's, or further lanes.
    Test(test::Args),
}

fn main() -> ExitCode {
    toolchain::closed_pipe::end_quietly();
    let Verb::Test(args) = Verb::parse();
    judge::exit_code(&test::test(&args))
}
