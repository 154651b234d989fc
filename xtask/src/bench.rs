//! `cargo xtask bench`: builds the measurement in release mode and runs it with the same options.

use anyhow::{Context as _, Result, bail};
use clap::Args as ClapArgs;
use std::process::Command;

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Options of the measurement: --quick, --only, --rounds, --compare, …; `--help` after `--` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

/// Not echoed: the report is all there is on standard output.
pub(crate) fn bench(args: &Args) -> Result<()> {
    let run = ["run", "--quiet", "--release", "--package", "extram-bench", "--bin", "bench", "--"];
    let status =
        Command::new("cargo").args(run).args(&args.options).status().context("cannot start cargo")?;
    if !status.success() {
        bail!("bench: {status}");
    }
    Ok(())
}
