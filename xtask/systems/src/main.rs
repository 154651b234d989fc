//! `cargo xtask new-port`, `cargo xtask targets`, and what setting up takes beyond packages.

use clap::Parser;
use std::process::ExitCode;
use systems::new_port;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Verb {
    /// Write the skeleton of a port to another system.
    NewPort(new_port::Args),
    /// List every target: what is proved for it, and how it is built and run on this machine.
    Targets {
        /// Fail unless every target can be built and run here.
        #[arg(long)]
        require: bool,
    },
    /// Install what no package of the system is, for one target or for all.
    #[command(hide = true)]
    Setup {
        #[arg(long)]
        target: Option<String>,
    },
}

fn main() -> ExitCode {
    toolchain::closed_pipe::end_quietly();
    judge::exit_code(&match Verb::parse() {
        Verb::NewPort(args) => new_port::new_port(&args),
        Verb::Targets { require } => systems::targets(require),
        Verb::Setup { target } => systems::setup(target.as_deref()),
    })
}
