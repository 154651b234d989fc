//! A thread makes the first pool of the process while another one forks: the child makes one of its
//! own. Each try is a process of its own, which forks at another moment.
#![cfg(all(unix, not(miri)))]

mod face;

use extram_capi::extram_code::*;
use face::{config, end, enter, in_a_child, leave, new};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

fn works() -> bool {
    let pool = new(&config());
    let worked = enter(pool).map(|m| leave(pool, m)) == Ok(EXTRAM_OK);
    end(pool);
    worked
}

/// Forks that long after the other thread has begun. The child is 0, 1 if it does not do well.
fn one_try(delay: Duration) -> bool {
    static BEGUN: AtomicBool = AtomicBool::new(false);
    let first = std::thread::spawn(|| {
        BEGUN.store(true, SeqCst);
        works()
    });
    face::until(|| BEGUN.load(SeqCst));
    let begun = Instant::now();
    while begun.elapsed() < delay {
        std::hint::spin_loop();
    }
    in_a_child(works) && first.join().expect("no panic")
}

/// Scenario 38.
#[test]
fn a_fork_while_the_first_pool_is_made_hangs_nobody() {
    for step in 0..u64::from(face::scaled(120)) {
        let delay = Duration::from_micros(step * 37 % 3000);
        assert!(in_a_child(|| one_try(delay)), "after {delay:?}");
    }
}
