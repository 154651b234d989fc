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

/// With `--nocapture` shows what is told as it is told: it takes minutes.
struct Shown;

impl std::fmt::Write for Shown {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        print!("{text}");
        Ok(())
    }
}

fn holds<S: Subject>() {
    assert!(run_scenarios_on::<S>(&CONFIG, &mut Shown).passed());
}

#[test]
fn every_scenario_holds_on_the_heap() {
    holds::<OnHeap<Native>>();
}

#[test]
fn every_scenario_holds_in_static_slots() {
    holds::<InSlots<Native>>();
}
