//! FreeBSD: cross-compilation, the ABI check, and running on a FreeBSD in QEMU.

pub(crate) mod abi;
pub(crate) mod base;
mod boot;
pub(crate) mod build;
mod elf;
pub(crate) mod fetch;
pub(crate) mod host;
mod image;
mod protocol;
pub(crate) mod run;
mod symbols;
pub(crate) mod zig;

use crate::summary::Summary;
use anyhow::Result;

/// `cargo xtask test --target x86_64-unknown-freebsd`.
pub(crate) fn x86_64() -> Result<Summary> {
    lane("x86_64-unknown-freebsd")
}

/// `cargo xtask test --target aarch64-unknown-freebsd`.
pub(crate) fn aarch64() -> Result<Summary> {
    lane("aarch64-unknown-freebsd")
}

fn lane(target: &str) -> Result<Summary> {
    let mut summary = Summary::default();
    // A base that will not do is a failure, and does not keep the rest from being checked.
    let base = base::find(target).unwrap_or_else(|error| {
        summary += Summary::of("the FreeBSD base", Err(error));
        None
    });
    let tests = build::build_tests(target, base.as_ref().map(|base| base.dir.as_path()))?;
    println!("{} test programs, {} beside them", tests.programs.len(), tests.companions.len());
    summary += Summary::of("every test program builds and links", Ok(()));
    summary += abi::check(target, &tests.programs)?;
    summary += match (host::find(target), &base) {
        (Some(host), _) => host.tests(&tests),
        (None, Some(base)) => run::tests(target, base, &tests),
        (None, None) => Summary::skipped("running them", "no FreeBSD base; run cargo xtask freebsd fetch"),
    };
    Ok(summary)
}
