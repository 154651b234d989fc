//! The conformance suite under many seeds: each is another schedule of every scenario, on one to eight
//! cores, with accesses held up at random.

use crate::costs::US;
use crate::{Costs, Failure, Simulated, explore};
use extram_conformance::{Config, OnHeap, Outcome, run_on, run_scenarios_on};
use std::time::Duration;

/// As many scenarios as the suite has.
pub const SCENARIOS: u32 = 23;

/// Sizes that leave the variety to the seeds. Making an M takes well above what accesses are held up by.
pub const CONFIG: Config = Config {
    threads: 16,
    stack: 0,
    sequence: 4,
    entries: 16,
    races: 8,
    cost: 50_000,
    patience: Duration::from_secs(20),
    interrupts: None,
};

/// One access in so many is held up.
const HOLD_UP: [u32; 4] = [8, 32, 128, 1024];

/// What does not matter to the order of events is cheap, so that more of them meet.
const COSTS: Costs =
    Costs { idle_exit: US, create: 2 * US, end: 2 * US, join: US, spread: 50, ..Costs::LINUX };

/// How the suite runs: all of it, or the scenarios alone.
type Run = fn(&Config, &mut dyn core::fmt::Write) -> Outcome;

/// The suite's scenarios by one seed: what came out, and the report.
///
/// # Errors
///
/// Threads of the suite wait for ever, all of them, or one panicked.
pub fn conform(seed: u64) -> Result<(Outcome, String), Failure> {
    run(seed, run_scenarios_on::<OnHeap<Simulated>>)
}

/// The whole of it, the checks of the simulated port's functions as well.
///
/// # Errors
///
/// As above.
pub fn conform_whole(seed: u64) -> Result<(Outcome, String), Failure> {
    run(seed, run_on::<OnHeap<Simulated>>)
}

fn run(seed: u64, suite: Run) -> Result<(Outcome, String), Failure> {
    let mut draw = fastrand::Rng::with_seed(seed);
    let (cores, hold_up) = (draw.u32(1..=8), HOLD_UP[draw.usize(0..HOLD_UP.len())]);
    let (result, _) = explore(&COSTS, cores, seed, hold_up, move || {
        let mut report = String::new();
        (suite(&CONFIG, &mut report), report)
    })?;
    Ok(result)
}

/// Why a seed is not good, if it is not.
pub fn verdict(seed: u64) -> Result<(), String> {
    match conform(seed) {
        Ok((outcome, _)) if outcome.passed() && outcome.skips == 0 => Ok(()),
        Ok((_, report)) => Err(report),
        Err(failure) => Err(failure.to_string()),
    }
}
