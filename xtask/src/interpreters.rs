//! The lanes `--valgrind` and `--miri`: tests in a machine made of software, which sees every access.
//!
//! Of valgrind's tools only memcheck: helgrind and drd do not understand C11 atomics (they take each
//! for a plain access) and would report every word of the core; ThreadSanitizer does that work.
//! Memcheck adds what AddressSanitizer does not look for: reads of memory that nobody has written.

use crate::command::{Command, which};
use crate::sanitizers::is_found;
use crate::summary::Summary;
use crate::test::cargo_test;
use anyhow::Result;

pub(crate) fn valgrind() -> Result<Summary> {
    if which("valgrind").is_none() {
        return Ok(Summary::skipped("memcheck", "no valgrind (cargo xtask setup --all)"));
    }
    println!("{}", Command::new("valgrind").arg("--version").read()?.trim());
    // Leaks are LeakSanitizer's.
    let runner = "valgrind --quiet --error-exitcode=9 --leak-check=no --child-silent-after-fork=yes";
    let host = format!("CARGO_TARGET_{}_RUNNER", host()?.to_uppercase().replace(['-', '.'], "_"));
    let cargo =
        |args: &[&str]| Command::new("cargo").args(args).env(&host, runner).env("EXTRAM_STEPS", "500");
    let planted = cargo(&["run", "--quiet", "-p", "extram-planted", "--bin", "use_after_free"]);
    let mut summary = Summary::of("planted: use_after_free is found", is_found(&planted, "Invalid read"));
    summary += cargo_test(&cargo(&["test", "-p", "extram-capi", "--lib", "--tests", "--no-fail-fast"]))?;
    Ok(summary)
}

pub(crate) fn miri() -> Result<Summary> {
    let with = |toolchain: &[&'static str]| {
        let version = Command::new("cargo").args(toolchain).args(["miri", "--version"]).read();
        version.ok().map(|version| (toolchain.to_vec(), version))
    };
    let Some((toolchain, version)) = with(&[]).or_else(|| with(&["+nightly"])) else {
        let reason = "no toolchain here has it (rustup +nightly component add miri rust-src)";
        return Ok(Summary::skipped("Miri", reason));
    };
    println!("{}", version.trim());
    cargo_test(&Command::new("cargo").args(toolchain).args(["miri", "test", "-p", "extram-core", "--lib"]))
}

/// The triple that cargo builds for.
fn host() -> Result<String> {
    let about = Command::new("rustc").arg("-vV").read()?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.unwrap_or_default().to_owned())
}
