//! What looks into a program in C from outside finds what an installation for it has: gdb the types and its script.

use super::{Installed, source};
use anyhow::{Result, ensure};
use install::Options;
use judge::Summary;
use std::path::Path;
use toolchain::command::{Command, which};

impl Installed {
    pub(super) fn inspected(&self) -> Summary {
        let prefix = self.out.join("inspected");
        if let Err(error) = install::install(&Options::below(&prefix).debug_info(true)) {
            return Summary::of("an installation for gdb", Err(error));
        }
        let what = "gdb shows the pools of a C program";
        match which("gdb") {
            Some(_) => self.by_gdb(&prefix, what),
            None => Summary::skipped(what, "no gdb (cargo xtask setup)"),
        }
    }

    fn by_gdb(&self, prefix: &Path, what: &str) -> Summary {
        match self.shown(prefix) {
            Ok(said) if refused(&said) => Summary::skipped(what, "gdb may not trace a program here"),
            said => Summary::of(what, said.and_then(|said| holds_and_waits(&said))),
        }
    }

    /// What gdb says of a program that is inside, and ends there.
    fn shown(&self, prefix: &Path) -> Result<String> {
        let (program, lib) = (self.out.join("stuck"), prefix.join("lib"));
        let cc = Command::new("cc").args(["-std=c99", "-pthread"]).arg(source("stuck.c"));
        let cc = cc.arg(format!("-I{}", prefix.join("include").display())).arg(lib.join("libextram.so"));
        cc.arg(format!("-Wl,-rpath,{}", lib.display())).arg("-o").arg(&program).run()?;
        let script = format!("source {}", prefix.join("share/extram/extram-gdb.py").display());
        let gdb = Command::new("sh").args(["-c", "gdb \"$@\" 2>&1 || true", "gdb", "-batch", "-nx"]);
        let gdb = gdb.args(["-ex", "set debuginfod enabled off", "-ex", "run"]);
        let gdb = gdb.args(["-ex", &script, "-ex", "extram", "-ex", "kill"]).arg(&program);
        gdb.echo();
        gdb.read()
    }
}

fn refused(said: &str) -> bool {
    said.contains("ptrace: Operation not permitted") || said.contains("Could not trace")
}

fn holds_and_waits(said: &str) -> Result<()> {
    ensure!(said.contains("pool: open; 1 threads wait, 0 Ms are being made"), "no pool: {said}");
    let line = |begin: &str, end: &str| {
        said.lines().any(|line| line.trim_start().starts_with(begin) && line.ends_with(end))
    };
    ensure!(line("M 1: in use by thread ", " (gdb's thread 1, \"stuck\"), 2 deep"), "no M: {said}");
    ensure!(line("thread ", " (gdb's thread 2, \"stuck\") waits"), "nobody waits: {said}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gdb_has_to_name_who_holds_and_who_waits() {
        let pool = "pool: open; 1 threads wait, 0 Ms are being made\n";
        let holds = "  M 1: in use by thread 7 (gdb's thread 1, \"stuck\"), 2 deep\n";
        let waits = "  thread 8 (gdb's thread 2, \"stuck\") waits\n";
        assert!(holds_and_waits(&[pool, holds, waits].concat()).is_ok());
        let other = "  M 1: in use by thread 7 (gdb's thread 2, \"stuck\"), 2 deep\n";
        for wrong in [["", holds, waits], [pool, "", waits], [pool, holds, ""], [pool, other, waits]] {
            assert!(holds_and_waits(&wrong.concat()).is_err());
        }
        assert!(holds_and_waits("no C face of extram, or no debug information of it").is_err());
    }
}
