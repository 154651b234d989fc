//! What looks into a program in C from outside finds what an installation for it has: gdb the types and its script,
//! bpftrace the notes of the probes.

use super::{Installed, same, source};
use anyhow::{Result, ensure};
use install::Options;
use judge::Summary;
use object::{Object as _, ObjectSection as _};
use std::collections::BTreeSet;
use std::path::Path;
use toolchain::command::{Command, which};

impl Installed {
    pub(super) fn inspected(&self) -> Summary {
        let prefix = self.out.join("inspected");
        if let Err(error) = install::install(&Options::below(&prefix).debug_info(true).probes(true)) {
            return Summary::of("an installation for gdb and bpftrace", Err(error));
        }
        let what = "gdb shows the pools of a C program";
        let mut summary = match which("gdb") {
            Some(_) => self.by_gdb(&prefix, what),
            None => Summary::skipped(what, "no gdb (cargo xtask setup)"),
        };
        summary += Summary::of("the probes of libextram.so are in its notes", self.noted(&prefix));
        summary
    }

    /// Where they are asked for, and nowhere else.
    fn noted(&self, prefix: &Path) -> Result<()> {
        let (asked, usual) = (notes(prefix)?, notes(&self.prefix)?);
        let one = ["waiting", "refused", "making", "failed", "closed"];
        let two = ["granted", "entered", "made", "left", "returned", "discarded"];
        same("the notes", &asked, &one.iter().chain(&two).map(|name| (*name).to_owned()).collect())?;
        same("the notes without --probes", &usual, &BTreeSet::new())
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

/// The names of extram's probes in an installed library: each stands behind that of their provider.
fn notes(prefix: &Path) -> Result<BTreeSet<String>> {
    let library = std::fs::read(prefix.join("lib/libextram.so"))?;
    let file = object::File::parse(&*library)?;
    let Some(section) = file.section_by_name(".note.stapsdt") else { return Ok(BTreeSet::new()) };
    let strings: Vec<_> = section.data()?.split(|byte| *byte == 0).collect();
    let names = strings.windows(2).filter(|pair| pair[0].ends_with(b"extram"));
    Ok(names.map(|pair| String::from_utf8_lossy(pair[1]).into_owned()).collect())
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
