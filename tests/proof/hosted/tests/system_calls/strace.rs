//! By strace.

use libtest_mimic::Failed;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// A system call, by its name.
pub(crate) type Call = String;

/// How often a program is run at most: each run is like the other.
pub(crate) const RUNS: u32 = 1;

/// A call for a test of the counts.
pub(crate) fn named(number: usize) -> Call {
    number.to_string()
}

pub(crate) fn can_trace() -> Result<(), String> {
    match Command::new("strace").args(["-c", "-f", "-o", "/dev/null", "true"]).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("strace: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("strace: {error}")),
    }
}

/// What the program calls, counted with the help of the file `report`.
pub(crate) fn calls(program: &[&str], report: &Path) -> Result<BTreeMap<Call, u64>, Failed> {
    let traced =
        Command::new("strace").args(["-c", "-f", "-o"]).arg(report).args(program).output().map_err(fail)?;
    let text = std::fs::read_to_string(report).map_err(fail)?;
    if !traced.status.success() {
        return Err(format!("{program:?}: {}", String::from_utf8_lossy(&traced.stderr)).into());
    }
    // "% time, seconds, usecs/call, calls, errors, syscall", where errors may be blank.
    let row = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let count = words.get(3)?.parse().ok()?;
        Some((words.last()?.to_string(), count))
    };
    let calls: BTreeMap<_, _> = text.lines().filter_map(row).filter(|(name, _)| name != "total").collect();
    if calls.contains_key("execve") { Ok(calls) } else { Err(format!("no table:\n{text}").into()) }
}

fn fail(error: std::io::Error) -> Failed {
    error.to_string().into()
}
