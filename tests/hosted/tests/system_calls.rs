//! Entries that need no system call make none: the same program with 10 and with 10,000 pairs of
//! enter and leave makes the same ones. Needs strace, and is ignored, which counts as skipped,
//! where that cannot trace.

use libtest_mimic::{Arguments, Failed, Trial};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

fn main() {
    let args = Arguments::from_args();
    let missing = if cfg!(target_os = "linux") { no_strace().err() } else { Some("not Linux".into()) };
    if let Some(why) = &missing {
        eprintln!("skipped: {why}");
    }
    // Scenario 28.
    let trial = |name: &str, test: fn() -> Result<(), Failed>| {
        Trial::test(name, test).with_ignored_flag(missing.is_some())
    };
    let trials = vec![
        trial("unbound_entries_make_no_system_call", unbound_entries_make_no_system_call),
        trial("bound_entries_make_no_system_call", bound_entries_make_no_system_call),
        trial("a_program_with_more_calls_is_told_from_one_with_fewer", the_count_counts),
    ];
    libtest_mimic::run(&args, trials).exit();
}

fn no_strace() -> Result<(), String> {
    match Command::new("strace").args(["-c", "-f", "-o", "/dev/null", "true"]).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("strace: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("strace: {error}")),
    }
}

/// Each system call that the program makes, and how often.
fn calls(program: &[&str]) -> Result<BTreeMap<String, u64>, Failed> {
    static REPORTS: AtomicU32 = AtomicU32::new(0);
    let name = format!("extram-calls-{}-{}", std::process::id(), REPORTS.fetch_add(1, Ordering::Relaxed));
    let report = std::env::temp_dir().join(name);
    let traced =
        Command::new("strace").args(["-c", "-f", "-o"]).arg(&report).args(program).output().map_err(fail)?;
    let text = std::fs::read_to_string(&report).map_err(fail)?;
    let _ = std::fs::remove_file(&report);
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

fn same(binding: &str) -> Result<(), Failed> {
    let pairs = |count| calls(&[env!("CARGO_BIN_EXE_entry_pairs"), count, binding]);
    let (few, many) = (pairs("10")?, pairs("10000")?);
    println!("{binding}: {} system calls with 10 pairs", few.values().sum::<u64>());
    if few == many { Ok(()) } else { Err(format!("10 pairs {few:?}, 10,000 pairs {many:?}").into()) }
}

/// Scenario 28.
fn unbound_entries_make_no_system_call() -> Result<(), Failed> {
    same("unbound")
}

/// Scenario 28.
fn bound_entries_make_no_system_call() -> Result<(), Failed> {
    same("bound")
}

fn the_count_counts() -> Result<(), Failed> {
    if calls(&["true"])? == calls(&["sh", "-c", "echo one; echo two"])? {
        return Err("two programs that differ are the same".into());
    }
    Ok(())
}
