//! The lane `--counts`: instructions of the hot paths and a herd's figures against blessed ones; no clocks.

use anyhow::Result;
use judge::Summary;
use toolchain::command::{Command, which};

/// Without valgrind the herd is left.
pub(crate) fn lane() -> Result<Summary> {
    let counts = Command::new("cargo").args(["run", "--quiet", "--release", "-p", "extram-counts", "--"]);
    if which("valgrind").is_some() {
        return Ok(Summary::of("instructions and a herd's figures are as blessed", counts.run()));
    }
    let mut summary = Summary::of("a herd's figures are as blessed", counts.arg("--herd").run());
    summary += Summary::skipped("instruction counts", "no valgrind (cargo xtask setup --all)");
    Ok(summary)
}
