//! More threads than anybody would have.
#![cfg(unix)]

use extram::Pool;
use extram_hosted::{Witness, call, close, crew, in_turn, rest, scaled, started};
use std::sync::Barrier;

/// Scenario 26.
#[test]
fn ten_thousand_threads_over_time_count_against_no_limit() {
    let pool = started(Pool::new(Witness::default()).limit(2));
    let threads = scaled(12_000);
    assert_eq!(in_turn(threads, 64 << 10, |_| _ = call(pool)), threads);
    assert!(rest(pool, 0) <= 2);
    close(pool);
}

/// Scenario 26. As many as the system makes, up to 4,000, all alive until the last was served.
#[test]
fn as_many_threads_as_the_system_makes_are_served_by_as_many_ms_as_the_limit_allows() {
    let pool = started(Pool::new(Witness::default()).limit(4));
    let mut threads = scaled(4000);
    loop {
        let all = Barrier::new(threads as usize);
        let made = crew(threads, 64 << 10, |_| {
            call(pool);
            all.wait();
        });
        if made == threads {
            break;
        }
        // The system makes fewer.
        assert!(made > 8, "{made}");
        threads = made - made / 8;
    }
    println!("{threads} threads at once");
    assert!(rest(pool, 0) <= 4);
    close(pool);
}
