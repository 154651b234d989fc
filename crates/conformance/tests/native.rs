//! The suite on this system: all green on the real port, red on broken ones.
#![cfg(all(any(target_os = "freebsd", target_os = "linux"), feature = "alloc"))]

use extram::Native;
use extram_conformance::{Config, InSlots, OnHeap, run_on};

/// Where `EXTRAM_SCALE` says that this is slow (an emulator, a sanitizer), fewer threads.
fn size() -> Config {
    if std::env::var_os("EXTRAM_SCALE").is_some() { Config::EMULATED } else { Config::HOST }
}

#[test]
fn every_scenario_holds_on_the_heap() {
    let mut report = String::new();
    let outcome = run_on::<OnHeap<Native>>(&size(), &mut report);
    println!("{report}");
    assert_eq!((outcome.passed, outcome.failed, outcome.skipped), (23, 0, 0), "{report}");
    assert!(report.ends_with("23 passed, 0 failed, 0 skipped\n"));
}

#[test]
fn every_scenario_holds_in_static_slots() {
    let mut report = String::new();
    let outcome = run_on::<InSlots<Native>>(&size(), &mut report);
    println!("{report}");
    assert_eq!((outcome.passed, outcome.failed, outcome.skipped), (23, 0, 0), "{report}");
}
