//! Each way, by counts and results.

use extram_example_threads::{Load, processors};
use extram_example_wasm::WAYS;

/// `figures` fails if a single call is wrong, lost or made twice, or a context is left or too many.
#[test]
fn every_call_is_right_in_every_way() {
    let crowd = Load { name: "", threads: 24, at_once: 24, calls: 40, rounds: 100 };
    let passing = Load { threads: 200, at_once: 8, calls: 2, ..crowd };
    // Long enough for the calls of several threads to overlap.
    let long = Load { calls: 2, rounds: 100_000, ..crowd };
    for load in [crowd, passing, long] {
        for way in WAYS {
            let figures = way.figures(&load).unwrap_or_else(|wrong| panic!("{load:?}: {wrong}"));
            let made = figures.census.made();
            match figures.way {
                name if name.contains("mutex") => assert_eq!(made, 1),
                name if name.contains("each thread") => assert_eq!(made, load.threads),
                // Each M comes back when its thread ends, and is lent again.
                name if name.contains("default") => assert!(made <= load.at_once + 1, "{made}"),
                _ => assert!(made <= processors(), "{made}"),
            }
        }
    }
}
