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
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) fn can_trace() -> Result<(), String> {
    let (program, args) = super::OTHER;
    let traced = calls(&[&[program], args].concat());
    traced.map(|_| ()).map_err(|failed| format!("ktrace: {}", failed.message().unwrap_or("failed")))
}

/// The number of each system call that the program makes, and how often.
pub(crate) fn calls(program: &[&str]) -> Result<BTreeMap<usize, u64>, Failed> {
    static REPORTS: AtomicU32 = AtomicU32::new(0);
    let name = format!("extram-calls-{}-{}", std::process::id(), REPORTS.fetch_add(1, Ordering::Relaxed));
    let report = std::env::temp_dir().join(name);
    let counts = run_traced(program, &report);
    let _ = std::fs::remove_file(&report);
    counts.map_err(|error| error.to_string().into())
}

fn run_traced(program: &[&str], report: &Path) -> io::Result<BTreeMap<usize, u64>> {
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
