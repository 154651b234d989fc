//! Zig: a C compiler and linker that brings FreeBSD's headers and the symbol lists of its
//! libraries, so that programs for FreeBSD 14 link without a FreeBSD at hand.

use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toolchain::command::{Command, Ended, Stream, which};
use toolchain::workspace;

/// The package of PyPI, pinned: another release may know other releases of FreeBSD.
const PACKAGE: &str = "ziglang==0.17.1";

/// Where `install` puts it, seen from the workspace's root.
const VENV: &str = "target/tools/zig";

/// The `zig` program: the one installed here, else the one on `PATH`.
pub fn find() -> Option<PathBuf> {
    installed().or_else(|| which("zig"))
}

fn installed() -> Option<PathBuf> {
    let versions = workspace().join(VENV).join("lib").read_dir().ok()?;
    versions
        .flatten()
        .map(|version| version.path().join("site-packages/ziglang/zig"))
        .find(|zig| zig.is_file())
}

/// Installs it with pip in a virtual environment of its own.
pub fn install() -> Result<()> {
    if find().is_some() {
        return Ok(());
    }
    let venv = workspace().join(VENV);
    Command::new("python3").args(["-m", "venv"]).arg(&venv).run()?;
    let pip = Command::new(venv.join("bin/python")).args(["-m", "pip", "install", "--quiet"]);
    pip.args(["--disable-pip-version-check", PACKAGE]).run()?;
    find().map(|_| ()).context("pip installed ziglang, but no zig is in it")
}

/// The oldest release that zig's own start-up code works on.
pub(crate) const RELEASE: &str = "14.0";

/// `zig cc` for a target of Rust's.
pub(crate) fn cc(zig: &Path, target: &str) -> Command {
    cc_for(zig, target, RELEASE)
}

/// The same for one release of FreeBSD.
pub(crate) fn cc_for(zig: &Path, target: &str, release: &str) -> Command {
    let processor = target.split('-').next().unwrap_or(target);
    let command = Command::new(zig).args(["cc", "-target"]).arg(format!("{processor}-freebsd.{release}"));
    // Zig's sanitizer, which it adds unasked, costs each thread 256 KiB of thread-local storage.
    command.arg("-fno-sanitize=undefined")
}

/// Whether the command succeeded, and what it printed.
pub(super) fn run(command: &Command) -> Result<(bool, String)> {
    let mut said = Vec::new();
    let ended =
        command.stream(Duration::from_secs(10 * 60), |_: Stream, chunk| said.extend_from_slice(chunk))?;
    let said = String::from_utf8_lossy(&said).into_owned();
    match ended {
        Ended::Exited(status) => Ok((status.success(), said)),
        Ended::TimedOut(limit) => bail!("no end after {} s: {command}", limit.as_secs()),
    }
}
