//! The suite as a port without an allocator builds it: `--no-default-features`.
#![cfg(all(target_os = "linux", not(feature = "alloc")))]

use extram_conformance::{Config, run};
use extram_port_linux::Linux;

#[test]
fn every_scenario_holds_without_an_allocator() {
    let mut report = String::new();
    let outcome = run::<Linux>(&Config::SMALL, &mut report);
    println!("{report}");
    // Scenario 4 wants sixteen threads.
    assert_eq!((outcome.passed, outcome.failed, outcome.skips), (17, 0, 1 << 4), "{report}");
}
