//! The project's commands: `cargo xtask VERB`.

#[allow(dead_code)] // its users follow
mod command;
#[allow(dead_code)]
mod targets;
#[allow(dead_code)]
mod toolchain;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "extram's commands")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List every target: what is proved for it, and how it is built and run on this machine.
    Targets(targets::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().verb {
        Verb::Targets(args) => targets::targets(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
