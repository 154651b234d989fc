//! The scenarios in sizes for an interpreter, which takes a thousand times as long for everything, but whose
//! clock knows nothing of that.
#![cfg(miri)]

use extram::Native;
use extram_conformance::{Config, InSlots, OnHeap, Subject, run_scenarios_on};
use std::time::Duration;

const CONFIG: Config = Config {
    threads: 3,
    stack: 0,
    sequence: 3,
    entries: 4,
    races: 2,
    cost: 100,
    patience: Duration::from_secs(20),
    interrupts: None,
};

fn holds<S: Subject>() {
    let mut report = String::new();
    let outcome = run_scenarios_on::<S>(&CONFIG, &mut report);
    println!("{report}");
    assert!(outcome.passed(), "{report}");
}

#[test]
fn every_scenario_holds_on_the_heap() {
    holds::<OnHeap<Native>>();
}

#[test]
fn every_scenario_holds_in_static_slots() {
    holds::<InSlots<Native>>();
}
