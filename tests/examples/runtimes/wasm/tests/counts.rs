//! Each way, by counts and results.

use extram_example_threads::{Load, assert_each, processors};
use extram_example_wasm::WAYS;

#[test]
fn every_call_is_right_in_every_way() {
    let crowd = Load { name: "", threads: 24, at_once: 24, calls: 40, rounds: 100 };
    let passing = Load { threads: 200, at_once: 8, calls: 2, ..crowd };
    // Long enough for the calls of several threads to overlap.
    let long = Load { calls: 2, rounds: 100_000, ..crowd };
    assert_each(WAYS, [crowd, passing, long], |way, made, load| match way {
        name if name.contains("mutex") => assert_eq!(made, 1),
        name if name.contains("each thread") => assert_eq!(made, load.threads),
        // Each M comes back when its thread ends, and is lent again.
        name if name.contains("default") => assert!(made <= load.at_once + 1, "{made}"),
        _ => assert!(made <= processors(), "{made}"),
    });
}
