//! The lane `--soak`: everything that can be done to a pool, at random, for half a minute.

use anyhow::Result;
use judge::Summary;
use toolchain::command::Command;

/// Half a minute with a seed of the moment, which is printed.
pub(crate) fn lane() -> Result<Summary> {
    let soak = Command::new("cargo").args([
        "run",
        "--quiet",
        "--release",
        "-p",
        "extram-soak",
        "--bin",
        "soak",
        "--",
    ]);
    let run = soak.args(["--seconds", "30", "--fresh-threads", "20000"]).run();
    Ok(Summary::of("a soak of 30 seconds", run))
}
