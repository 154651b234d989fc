//! Entries that need no system call make none: the same program with 10 and with 10,000 pairs of
//! enter and leave makes the same ones. Ignored, which counts as skipped, where nothing can trace.

use libtest_mimic::{Arguments, Failed, Trial};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

#[cfg_attr(target_os = "freebsd", path = "system_calls/ktrace.rs")]
#[cfg_attr(not(target_os = "freebsd"), path = "system_calls/strace.rs")]
mod tracer;

use tracer::{Call, can_trace};

/// A program that makes other calls: it says something at its end.
const OTHER: &[&str] = &[env!("CARGO_BIN_EXE_process_exit"), "unbound"];

/// Each system call that the program makes, and how often.
fn calls(program: &[&str]) -> Result<BTreeMap<Call, u64>, Failed> {
    static REPORTS: AtomicU32 = AtomicU32::new(0);
    let name = format!("extram-calls-{}-{}", std::process::id(), REPORTS.fetch_add(1, Ordering::Relaxed));
    let report = std::env::temp_dir().join(name);
    let counts = tracer::calls(program, &report);
    let _ = std::fs::remove_file(&report);
    counts
}

fn main() {
    let args = Arguments::from_args();
    let missing = can_trace().err();
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
    if calls(&[env!("CARGO_BIN_EXE_entry_pairs"), "10", "unbound"])? == calls(OTHER)? {
        return Err("two programs that differ are the same".into());
    }
    Ok(())
}
