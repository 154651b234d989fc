//! By ktrace(2), which a process asks for itself before it becomes the program.

use extram_hosted::{trace, traced};
use libtest_mimic::Failed;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// A system call, by its number.
pub(crate) type Call = usize;

/// How often a program is run at most: on a busy machine libthr makes calls of its own in some runs.
pub(crate) const RUNS: u32 = 8;

/// A call for a test of the counts.
pub(crate) fn named(number: usize) -> Call {
    number
}

pub(crate) fn can_trace() -> Result<(), String> {
    let traced = super::calls(super::OTHER);
    traced.map(|_| ()).map_err(|failed| format!("ktrace: {}", failed.message().unwrap_or("failed")))
}

/// What the program calls, counted with the help of the file `report`.
pub(crate) fn calls(program: &[&str], report: &Path) -> Result<BTreeMap<Call, u64>, Failed> {
    run_traced(program, report).map_err(|error| error.to_string().into())
}

fn run_traced(program: &[&str], report: &Path) -> io::Result<BTreeMap<Call, u64>> {
    // The kernel writes into a file that is there.
    std::fs::write(report, "")?;
    let file = CString::new(report.as_os_str().as_bytes())?;
    let mut command = Command::new(program[0]);
    command.args(&program[1..]);
    let to = file.clone();
    // SAFETY: one system call, between fork and exec.
    let output = unsafe { command.pre_exec(move || trace(&to)) }.output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!("{program:?}: {said}")));
    }
    let counts = traced(&file)?;
    if counts.is_empty() { Err(io::Error::other("an empty trace")) } else { Ok(counts) }
}
