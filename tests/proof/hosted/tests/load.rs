//! Many entries on many threads; the long mix of everything is `cargo xtask soak`.
#![cfg(unix)]

use extram::{Binding, Pool};
use extram_hosted::{Witness, call, close, crew, rest, scaled, started};
use std::sync::atomic::Ordering::SeqCst;

/// Scenario 35. Two million entries across 64 threads, each with a check of who has the M.
#[test]
fn two_million_entries_across_64_threads() {
    let pools = [
        started(Pool::new(Witness::default())),
        started(Pool::new(Witness::default()).binding(Binding::Call)),
        started(Pool::new(Witness::default()).limit(8)),
        started(Pool::new(Witness::default()).limit(8).binding(Binding::Call)),
    ];
    let each = scaled(2_000_000 / 64 / 4);
    let mut entries = 0;
    for pool in pools {
        assert_eq!(crew(64, 64 << 10, |_| (0..each).for_each(|_| _ = call(pool))), 64);
        rest(pool, 0);
        entries += pool.runtime().admitted.load(SeqCst);
        close(pool);
    }
    assert_eq!(entries, u64::from(each) * 64 * 4);
}
