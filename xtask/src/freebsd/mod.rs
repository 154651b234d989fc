//! FreeBSD: cross-compilation and the ABI check.

pub(crate) mod abi;
#[allow(dead_code)] // its users follow
pub(crate) mod base;
#[allow(dead_code)] // its users follow
mod boot;
pub(crate) mod build;
#[allow(dead_code)] // its users follow
mod elf;
#[allow(dead_code)] // its users follow
mod image;
#[allow(dead_code)] // its users follow
mod protocol;
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
    let tests = build::build_tests(target, None)?;
    println!("{} test programs, {} beside them", tests.programs.len(), tests.companions.len());
    summary += Summary::of("every test program builds and links", Ok(()));
    summary += abi::check(target, &tests.programs)?;
    summary += Summary::skipped("running them", "no FreeBSD base; run cargo xtask freebsd fetch");
    Ok(summary)
}
