//! The verbs about FreeBSD: `cargo xtask freebsd` and `run`, and what `setup` adds for it.

use clap::Parser;
use freebsd::{fetch, run};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Verb {
    /// Fetch the FreeBSD that the tests run on.
    Freebsd(fetch::Args),
    /// Run one program on FreeBSD in QEMU, with its output and its exit code.
    Run(run::Args),
    /// Install what no package of the system is, as `cargo xtask setup` does in the end.
    #[command(hide = true)]
    Setup {
        /// For this target alone.
        #[arg(long, value_name = "TRIPLE")]
        target: Option<String>,
    },
}

fn main() -> ExitCode {
    toolchain::closed_pipe::end_quietly();
    judge::exit_code(&match Verb::parse() {
        Verb::Freebsd(args) => fetch::freebsd(&args),
        Verb::Run(args) => run::run(&args),
        Verb::Setup { target } => freebsd::setup(target.as_deref()),
    })
}
