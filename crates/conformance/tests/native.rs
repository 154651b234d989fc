//! The suite on this system, all green.
#![cfg(all(any(unix, windows), feature = "alloc"))]

#[cfg(unix)]
mod interrupting;

use extram::Native;
use extram_conformance::{CHECKS, Config, InSlots, OnHeap, Subject, run_on};
use std::sync::Mutex;

/// Where `EXTRAM_SCALE` is less than 1, because this is slow (an emulator, a sanitizer), fewer
/// threads, and fewer still below 0.1. The output says which.
fn size() -> Config {
    let factor: f64 =
        std::env::var("EXTRAM_SCALE").map_or(1.0, |factor| factor.parse().expect("EXTRAM_SCALE is a number"));
    let slow = Config { threads: 32, sequence: 50, entries: 200, races: 200, ..Config::EMULATED };
    let (name, size) = match factor {
        ..0.1 => ("one emulator of several", slow),
        ..1.0 => ("an emulator", Config::EMULATED),
        _ => ("a host", Config::HOST),
    };
    #[cfg(unix)]
    let size = Config { interrupts: Some(interrupting::SIGNALS), ..size };
    println!("the sizes for {name} (EXTRAM_SCALE is {factor}): {size:?}");
    size
}

/// What this system, or the machine, has not got is named and is nothing that a scenario needs. A port that
/// `tells` the bounds of a stack has to.
fn holds<S: Subject>(config: &Config, tells: bool) {
    /// Signals find one of them.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock();
    let mut report = String::new();
    let outcome = run_on::<S>(config, &mut report);
    println!("{report}");
    assert!(outcome.passed(), "{report}");
    assert_eq!(outcome.skips, 0, "{report}");
    for (at, check) in CHECKS.iter().enumerate() {
        let may_lack = match check.function {
            // It wants two processors at once, and a kernel that has one.
            "heavy_barrier" => true,
            "wake, in a handler" => cfg!(not(unix)),
            "stack_bounds" | "newosproc" => !tells,
            _ => false,
        };
        assert!(may_lack || outcome.unchecked & (1 << at) == 0, "{report}");
    }
    assert!(report.ends_with(&format!("{outcome}\n")));
}

#[test]
fn every_scenario_holds_on_the_heap() {
    holds::<OnHeap<Native>>(&size(), true);
}

/// The port that a POSIX system has if it has no other. Of a stack it tells only what such a system does,
/// or Linux.
#[cfg(unix)]
#[test]
fn every_scenario_holds_on_mutexes_and_condition_variables() {
    let threads = size().threads.min(Config::EMULATED.threads);
    let has_its_own =
        cfg!(any(target_os = "freebsd", target_os = "macos", target_os = "netbsd", target_os = "openbsd"));
    holds::<OnHeap<extram_port_unix::Native>>(&Config { threads, ..size() }, !has_its_own);
}

#[test]
fn every_scenario_holds_in_static_slots() {
    holds::<InSlots<Native>>(&size(), true);
}
