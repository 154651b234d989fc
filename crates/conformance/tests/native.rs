//! The suite on this system: all green on the real port, red on broken ones.
#![cfg(all(unix, feature = "alloc"))]

use extram::Native;
use extram_conformance::{Config, InSlots, OnHeap, run_on};

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
    println!("the sizes for {name} (EXTRAM_SCALE is {factor}): {size:?}");
    size
}

#[test]
fn every_scenario_holds_on_the_heap() {
    let mut report = String::new();
    let outcome = run_on::<OnHeap<Native>>(&size(), &mut report);
    println!("{report}");
    assert_eq!((outcome.passed, outcome.failed, outcome.skipped), (23, 0, 0), "{report}");
    assert!(report.ends_with("23 passed, 0 failed, 0 skipped\n"));
}

/// The port that a POSIX system has if it has no other.
#[test]
fn every_scenario_holds_on_mutexes_and_condition_variables() {
    let mut report = String::new();
    let threads = size().threads.min(Config::EMULATED.threads);
    let config = Config { threads, ..size() };
    let outcome = run_on::<OnHeap<extram_port_unix::Native>>(&config, &mut report);
    println!("{report}");
    assert_eq!((outcome.passed, outcome.failed, outcome.skipped), (23, 0, 0), "{report}");
}

#[test]
fn every_scenario_holds_in_static_slots() {
    let mut report = String::new();
    let outcome = run_on::<InSlots<Native>>(&size(), &mut report);
    println!("{report}");
    assert_eq!((outcome.passed, outcome.failed, outcome.skipped), (23, 0, 0), "{report}");
}
