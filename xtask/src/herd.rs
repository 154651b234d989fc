//! `cargo xtask herd`: builds the herd program in release mode and runs it with the same options.

use anyhow::{Context as _, Result, bail};
use clap::Args as ClapArgs;

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Options of the herd program; `--help` after `--` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

/// Not echoed: with `--json` the program's array is all there is on standard output.
pub(crate) fn herd(args: &Args) -> Result<()> {
    let run = ["run", "--quiet", "--release", "--package", "extram-herd", "--bin", "herd", "--"];
    let status = std::process::Command::new("cargo")
        .args(run)
        .args(&args.options)
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        bail!("herd: {status}");
    }
    Ok(())
}
