//! `cargo xtask soak`: builds the soak in release mode and runs it with the same options; and the
//! lane, which does so for half a minute.

use crate::command::Command;
use crate::judge::Summary;
use anyhow::Result;
use clap::Args as ClapArgs;

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Options of the soak: --seconds S, --seed N, --entries N, --acts N, --fresh-threads N, --edges.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

fn command() -> Command {
    Command::new("cargo").args(["run", "--quiet", "--release", "-p", "extram-soak", "--bin", "soak", "--"])
}

pub(crate) fn soak(args: &Args) -> Result<()> {
    command().args(&args.options).run()
}

/// Half a minute with a seed of the moment, which is printed.
pub(crate) fn lane() -> Result<Summary> {
    let run = command().args(["--seconds", "30", "--fresh-threads", "20000"]).run();
    Ok(Summary::of("a soak of 30 seconds", run))
}
