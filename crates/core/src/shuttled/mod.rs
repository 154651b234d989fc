//! Whole scenarios in random schedules: shuttle runs the shipped code with three to eight threads,
//! where loom (`models`) goes through every schedule of two or three.
//!
//! Every atomic access is a place where shuttle may switch threads, and no other is; memory is
//! sequentially consistent. So orderings are loom's business, and what takes many threads and many
//! steps is shuttle's: half the schedules are drawn at random, half by PCT (Burckhardt et al., "A
//! Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", ASPLOS 2010), which finds a
//! bug that takes `d` ordering constraints with a known probability.
//!
//! `EXTRAM_SCHEDULES` is how many of each test, `EXTRAM_SEED` where they are drawn from. A thread
//! that waits for ever is a deadlock, which shuttle reports.

mod life;
mod port;
mod scenarios;
mod world;

use ::shuttle::scheduler::{PctScheduler, RandomScheduler};
use ::shuttle::{Config, FailurePersistence, Runner};
use std::string::String;

/// How many ordering constraints PCT looks for.
const DEPTH: usize = 4;

fn setting(name: &str, default: u64) -> u64 {
    let parse = |text: String| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number"));
    std::env::var(name).map_or(default, parse)
}

/// Runs `f` in as many schedules as the environment says.
#[track_caller]
fn schedules(f: impl Fn() + Send + Sync + 'static) {
    let (count, seed) = (setting("EXTRAM_SCHEDULES", 100) as usize, setting("EXTRAM_SEED", 1));
    let mut config = Config::new();
    config.stack_size = 0x40000;
    config.failure_persistence = FailurePersistence::Print;
    let f = std::sync::Arc::new(f);
    let run = {
        let f = std::sync::Arc::clone(&f);
        move || {
            port::reset();
            f();
        }
    };
    let at_random = RandomScheduler::new_from_seed(seed, count.div_ceil(2));
    let mut ran = Runner::new(at_random, config.clone()).run(run.clone());
    ran += Runner::new(PctScheduler::new_from_seed(seed, DEPTH, count.div_ceil(2)), config).run(run);
    assert!(ran >= count, "{ran} schedules");
    std::println!("{ran} schedules from seed {seed}");
}
