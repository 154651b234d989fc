//! Entries that need no system call make none: the same program with 10 and with 10,000 pairs of
//! enter and leave makes the same ones. Ignored, which counts as skipped, where nothing can trace.
//!
//! What the C library calls by itself may differ from run to run: FreeBSD's asks the kernel for a lock
//! that it finds taken. So the least of several runs is compared there, call by call. What an entry makes
//! is in each run of 10,000.

use libtest_mimic::{Arguments, Failed, Trial};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

#[cfg_attr(target_os = "freebsd", path = "system_calls/ktrace.rs")]
#[cfg_attr(not(target_os = "freebsd"), path = "system_calls/strace.rs")]
mod tracer;

use tracer::{Call, RUNS, can_trace};

type Calls = BTreeMap<Call, u64>;

/// A program that makes other calls: it says something at its end.
const OTHER: &[&str] = &[env!("CARGO_BIN_EXE_process_exit"), "unbound"];

/// Each system call that the program makes, and how often.
fn calls(program: &[&str]) -> Result<Calls, Failed> {
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
        Trial::test("what_differs_from_run_to_run_is_no_difference", comparison),
    ];
    libtest_mimic::run(&args, trials).exit();
}

/// Each call as often as in the run that made it least.
fn least<C: Ord + Clone>(one: &BTreeMap<C, u64>, other: &BTreeMap<C, u64>) -> BTreeMap<C, u64> {
    one.iter().filter_map(|(call, count)| Some((call.clone(), *count.min(other.get(call)?)))).collect()
}

/// Compares the least of up to `runs` runs with few pairs and with many; returns it where they are the same.
fn compare(runs: u32, mut calls: impl FnMut(&str) -> Result<Calls, Failed>) -> Result<Calls, Failed> {
    let (mut few, mut many) = (calls("10")?, calls("10000")?);
    for _ in 1..runs {
        if few == many {
            break;
        }
        (few, many) = (least(&few, &calls("10")?), least(&many, &calls("10000")?));
    }
    if few == many { Ok(few) } else { Err(format!("10 pairs {few:?}, 10,000 pairs {many:?}").into()) }
}

fn same(binding: &str) -> Result<(), Failed> {
    let few = compare(RUNS, |count| calls(&[env!("CARGO_BIN_EXE_entry_pairs"), count, binding]))?;
    println!("{binding}: {} system calls with 10 pairs", few.values().sum::<u64>());
    Ok(())
}

/// The comparison itself, on counts that are made up: a lock that is found taken in some runs is no
/// difference, a call in every thousandth entry is one.
fn comparison() -> Result<(), Failed> {
    let told = |runs, each: u64, locks: [u64; 6]| {
        let mut locks = locks.into_iter();
        compare(runs, |pairs| {
            let entries = pairs.parse::<u64>().expect("a number") / 1000 * each;
            let [exit, umtx, other] = [1, 454, 4].map(tracer::named);
            let lock = locks.next().unwrap_or(0);
            let made = [(exit, 1), (umtx, 3 + lock), (other, entries)];
            Ok(made.into_iter().filter(|(_, count)| *count > 0).collect())
        })
    };
    assert!(told(1, 0, [0; 6]).is_ok());
    assert!(told(1, 0, [0, 1, 0, 0, 0, 0]).is_err(), "one run is compared as it is");
    assert!(told(3, 0, [1, 0, 2, 2, 0, 0]).is_ok());
    assert!(told(3, 1, [0; 6]).is_err(), "an entry in a thousand makes a call");
    Ok(())
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
