//! The lane `--runtimes`: wasmi, QuickJS and CPython, lent to threads that C has made; Lua on a
//! board.
//!
//! They take a minute or two to build, so they are a workspace of their own, and nobody else builds them. What
//! an example lacks here, it says itself: its test is ignored, with the reason.

use anyhow::Result;
use judge::{Summary, cargo_test};
use toolchain::command::{Command, which};

const MANIFEST: &str = "tests/examples/runtimes/Cargo.toml";

/// Where `cargo runtime` builds, too (`.cargo/config.toml`).
const TARGET_DIR: &str = "target/runtimes";

pub(crate) fn lane() -> Result<Summary> {
    if which("cc").is_none() {
        return Ok(Summary::skipped("real runtimes", "not here: cc (cargo xtask setup)"));
    }
    let workspace = |verb: &[&str]| {
        Command::new("cargo").args(verb).args(["--manifest-path", MANIFEST, "--target-dir", TARGET_DIR])
    };
    let mut summary =
        cargo_test(&workspace(&["test", "--release", "--workspace", "--tests", "--no-fail-fast"]))?;
    summary += boards::lua::check()?;
    // As the tests were built, so that nothing is compiled twice but the examples themselves.
    let clippy = workspace(&["clippy", "--release", "--workspace", "--all-targets"]);
    summary += Summary::of("clippy, real runtimes", clippy.args(["--", "-D", "warnings"]).run());
    Ok(summary)
}
