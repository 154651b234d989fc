//! The suite on Linux: all green on the real port, red on broken ones.
#![cfg(all(target_os = "linux", feature = "alloc"))]

use extram_conformance::{Config, InSlots, OnHeap, run_on};
use extram_port_linux::Linux;

#[test]
fn every_scenario_holds_on_the_heap() {
    let mut report = String::new();
    let outcome = run_on::<OnHeap<Linux>>(&Config::HOST, &mut report);
    println!("{report}");
    assert_eq!((outcome.passed, outcome.failed, outcome.skipped), (18, 0, 0), "{report}");
    assert!(report.ends_with("18 passed, 0 failed, 0 skipped\n"));
}

#[test]
fn every_scenario_holds_in_static_slots() {
    let mut report = String::new();
    let outcome = run_on::<InSlots<Linux>>(&Config::HOST, &mut report);
    println!("{report}");
    assert_eq!((outcome.passed, outcome.failed, outcome.skipped), (18, 0, 0), "{report}");
}
