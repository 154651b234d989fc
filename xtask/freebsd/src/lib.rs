//! FreeBSD: cross-compilation, the ABI check, and running on a FreeBSD in QEMU.

mod abi;
pub mod base;
mod boot;
mod build;
mod download;
mod elf;
mod fault;
pub mod fetch;
mod grub;
pub mod host;
mod image;
mod incoming;
pub mod machine;
#[cfg(test)]
mod mirror;
mod protocol;
mod release;
pub mod run;
mod scripts;
mod sums;
mod symbols;
mod tally;
pub mod zig;

use anyhow::Result;
use base::TARGETS;
use build::STD;
use judge::Summary;
use toolchain::workspace;

/// `cargo xtask test --target x86_64-unknown-freebsd`.
pub fn x86_64() -> Result<Summary> {
    lane("x86_64-unknown-freebsd")
}

/// `cargo xtask test --target aarch64-unknown-freebsd`.
pub fn aarch64() -> Result<Summary> {
    lane("aarch64-unknown-freebsd")
}

/// Installs what no package of the system is, and names what is still missing. Without a target:
/// for both.
pub fn setup(target: Option<&str>) -> Result<()> {
    zig::install()?;
    for target in TARGETS.into_iter().filter(|each| target.is_none_or(|target| target == *each)) {
        if let Err(missing) = toolchain::for_target(target, STD) {
            println!("missing: {missing}");
        }
        match base::find(target) {
            Ok(Some(base)) => {
                println!("{target} runs on {} in {}", base.identity, base.dir.display())
            }
            Ok(None) => println!(
                "missing: a FreeBSD to run {target} on; cargo xtask freebsd fetch --target {target} brings \
                 one, --freebsd-base DIR or FREEBSD_BASE names one"
            ),
            Err(error) => println!("missing: a FreeBSD to run {target} on: {error:#}"),
        }
    }
    Ok(())
}

fn lane(target: &str) -> Result<Summary> {
    let mut summary = Summary::default();
    // A base that will not do is a failure, and does not keep the rest from being checked.
    let base = base::find(target).unwrap_or_else(|error| {
        summary += Summary::of("the FreeBSD base", Err(error));
        None
    });
    let host = host::find(target);
    if host.is_none() && base.is_some() {
        boot::check_place(workspace())?;
    }
    let tests = build::build_tests(target, base.as_ref().map(|base| base.dir.as_path()))?;
    println!("{} test programs, {} beside them", tests.programs.len(), tests.companions.len());
    summary += Summary::of("every test program builds and links", Ok(()));
    summary += abi::check(target, &tests.programs, base.as_ref())?;
    summary += match (host, &base) {
        (Some(host), _) => host.tests(&tests),
        (None, Some(base)) => run::tests(target, base, &tests),
        (None, None) => Summary::skipped("running them", "no FreeBSD base; run cargo xtask freebsd fetch"),
    };
    Ok(summary)
}
