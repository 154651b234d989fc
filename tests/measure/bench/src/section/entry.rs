//! What one call costs where nobody is in the way.
//!
//! `call`: again and again on one thread, in nanoseconds a call. `first`: the first call of a fresh
//! thread, timed within it, when spare contexts are there.
//!
//! Each figure comes from a process of its own, `bench --entry NAME CALLS THREADS`: only the first few
//! pools of a process have the shortest way to what a thread keeps.

use crate::peer::Peer;
use crate::sample::{Samples, Turn};
use crate::section::subjects::{NAMES, Work, work};
use extram_herd::{Crew, median};
use std::process::ExitCode;
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

impl Plan {
    pub(crate) fn turns(&self) -> u64 {
        u64::from(self.rounds) * NAMES.len() as u64
    }
}

pub(crate) fn run(plan: &Plan, samples: &mut Samples, mut step: impl FnMut(&str)) -> Result<(), String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let amounts = [plan.calls, plan.threads].map(|amount| amount.to_string());
    for round in 0..plan.rounds {
        for turn in 0..NAMES.len() {
            let name = NAMES[(turn + round as usize) % NAMES.len()];
            step(&format!("entry: {name}"));
            let figures = Peer::new(name, &this, &["--entry", name]).measure(&amounts);
            for (metric, value) in figures.map_err(|error| format!("entry: {name}: {error}"))? {
                let case = if metric == "call_ns" { CALL } else { FIRST };
                let (case, subject) = (case.into(), name.into());
                Turn { samples, section: NAME, case, subject, round }.add(&metric, value);
            }
        }
    }
    Ok(())
}

/// Measures one of them and prints its figures.
pub(crate) fn be(args: &[String]) -> ExitCode {
    let figures = || -> Result<(f64, f64), String> {
        let [name, calls, threads] = args else { return Err("--entry NAME CALLS THREADS".into()) };
        let number = |text: &String| text.parse().map_err(|error| format!("{text}: {error}"));
        let work = work(name)?;
        Ok((call(&work, number(calls)?), first(&work, number(threads)?)?))
    };
    match figures() {
        Ok((call, first)) => {
            println!("{{\"call_ns\":{call:.3},\"first_call_ns\":{first:.1}}}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn call(work: &Work, calls: u32) -> f64 {
    work(calls / 10 + 1);
    let begun = Instant::now();
    work(calls);
    begun.elapsed().as_nanos() as f64 / f64::from(calls.max(1))
}

const STACK: usize = 64 << 10;

fn first(work: &Work, threads: u32) -> Result<f64, String> {
    let times: Arc<[OnceLock<f64>]> = (0..threads).map(|_| OnceLock::new()).collect();
    for thread in 0..threads as usize {
        let (work, times) = (work.clone(), times.clone());
        let crew = Crew::line_up(1, STACK, move |_| {
            let begun = Instant::now();
            work(1);
            // Each number has one thread.
            let _ = times[thread].set(begun.elapsed().as_nanos() as f64);
        })
        .map_err(|error| error.to_string())?;
        crew.go();
        crew.join();
    }
    median(times.iter().filter_map(OnceLock::get).copied()).ok_or_else(|| "no thread ran".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_can_be_called_and_no_other() {
        for name in NAMES {
            let work = work(name).unwrap();
            assert!(call(&work, 10) > 0.0 && first(&work, 2).unwrap() > 0.0, "{name}");
        }
        assert!(work("nobody").is_err());
    }
}
