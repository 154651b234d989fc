//! The suite as a port without an allocator builds it: `--no-default-features`.
#![cfg(all(any(unix, windows), not(feature = "alloc")))]

use extram::Native;
use extram_conformance::{Config, run};

#[test]
fn every_scenario_holds_without_an_allocator() {
    let mut report = String::new();
    let outcome = run::<Native>(&Config::SMALL, &mut report);
    println!("{report}");
    // Scenario 4 wants sixteen threads.
    assert_eq!((outcome.failed, outcome.skips), (0, 1 << 4), "{report}");
}
