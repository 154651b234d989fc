//! As many plug-ins as a big host has, each with `libextram.a` inside, in one process: with glibc and with musl,
//! whose rooms for thread-local words of libraries that are loaded differ, and from Python.

use super::source;
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};
use toolchain::command::Command;

const COPIES: usize = 60;

/// Copies of the plug-in, which a system takes for different libraries.
pub(super) struct Plugins(Vec<PathBuf>);

impl Plugins {
    /// By this compiler, from what is installed there.
    pub(super) fn build(compiler: &str, prefix: &Path) -> Result<Self> {
        let folder = prefix.join("plugins");
        std::fs::create_dir_all(&folder)?;
        let first = folder.join("plugin.so");
        let cc = Command::new(compiler).args(["-std=c99", "-O1", "-fPIC", "-shared", "-pthread", "-o"]);
        let cc = cc.arg(&first).arg(source("plugin.c"));
        cc.arg(format!("-I{}", prefix.join("include").display()))
            .arg(prefix.join("lib/libextram.a"))
            .run()?;
        let copies = (0..COPIES).map(|number| folder.join(format!("plugin-{number}.so")));
        let copies: Vec<_> = copies.collect();
        for copy in &copies {
            std::fs::copy(&first, copy)?;
        }
        Ok(Plugins(copies))
    }

    /// Loaded by a program in C.
    pub(super) fn loaded(&self, compiler: &str, prefix: &Path) -> Result<()> {
        let host = prefix.join("plugins/host");
        let cc =
            Command::new(compiler).args(["-std=c99", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-o"]);
        cc.arg(&host).arg(source("plugins.c")).args(["-pthread", "-ldl"]).run()?;
        self.by(Command::new(host))
    }

    /// Loaded by Python.
    pub(super) fn by_python(&self) -> Result<()> {
        self.by(Command::new("python3").arg(source("plugins.py")))
    }

    fn by(&self, host: Command) -> Result<()> {
        let host = host.args(&self.0);
        let printed = host.read()?;
        ensure!(printed == format!("{COPIES} plug-ins\n"), "{host}: {printed:?}");
        Ok(())
    }
}
