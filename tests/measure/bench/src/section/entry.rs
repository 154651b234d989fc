//! What one call costs where nobody is in the way.
//!
//! `call`: again and again on one thread, in nanoseconds a call. `first`: the first call of a fresh
//! thread, timed within it, when spare contexts are there.

use crate::sample::{Samples, Turn};
use crate::section::subjects::{Work, works};
use extram_herd::{Crew, median};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

pub(crate) const NAME: &str = "entry";
pub(crate) const CALL: &str = "call";
pub(crate) const FIRST: &str = "first";

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) rounds: u32,
    /// Calls of a turn.
    pub(crate) calls: u32,
    /// Threads of a turn, one after the other.
    pub(crate) threads: u32,
}

pub(crate) fn run(plan: Plan, samples: &mut Samples, mut step: impl FnMut(&str)) -> Result<(), String> {
    let works = works()?;
    for round in 0..plan.rounds {
        for turn in 0..works.len() {
            let work = &works[(turn + round as usize) % works.len()];
            step(&format!("entry: {}", work.name));
            let nanoseconds = call(work, plan.calls);
            let first = first(work, plan.threads)?;
            for (case, metric, value) in [(CALL, "call_ns", nanoseconds), (FIRST, "first_call_ns", first)] {
                let (case, subject) = (case.into(), work.name.into());
                Turn { samples, section: NAME, case, subject, round }.add(metric, value);
            }
        }
    }
    Ok(())
}

pub(crate) fn turns(plan: Plan) -> u64 {
    works().map_or(0, |works| works.len() as u64 * u64::from(plan.rounds))
}

fn call(work: &Work, calls: u32) -> f64 {
    (work.run)(calls / 10 + 1);
    let begun = Instant::now();
    (work.run)(calls);
    begun.elapsed().as_nanos() as f64 / f64::from(calls)
}

const STACK: usize = 64 << 10;

fn first(work: &Work, threads: u32) -> Result<f64, String> {
    let times: Arc<[OnceLock<f64>]> = (0..threads).map(|_| OnceLock::new()).collect();
    for thread in 0..threads as usize {
        let (run, times) = (work.run.clone(), times.clone());
        let crew = Crew::line_up(1, STACK, move |_| {
            let begun = Instant::now();
            run(1);
            // Each number has one thread.
            let _ = times[thread].set(begun.elapsed().as_nanos() as f64);
        })
        .map_err(|error| error.to_string())?;
        crew.go();
        crew.join();
    }
    median(times.iter().filter_map(OnceLock::get).copied()).ok_or_else(|| "no thread ran".into())
}
