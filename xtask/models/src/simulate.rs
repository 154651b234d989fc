//! `cargo xtask simulate`: builds the simulator, for which the core tells of its atomic accesses, and runs
//! it with the same options; and the lane: the simulator's tests, and the conformance scenarios by it.

use anyhow::{Context as _, Result, ensure};
use clap::Args as ClapArgs;
use judge::{LIMIT, Summary, cargo_test};
use std::time::{SystemTime, UNIX_EPOCH};
use toolchain::command::{Command, Ended};

/// Handed on as they are.
#[derive(ClapArgs)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// Options of the simulator; `--help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

/// How many seeds the lane tries, where `EXTRAM_SEEDS` does not say: two minutes of processor time.
const SEEDS: u64 = 2000;

/// Optimised, because it is a simulation, and in a target directory of its own, because the flag is another
/// for every crate.
fn cargo(verb: &str) -> Command {
    Command::new("cargo")
        .args([verb, "--quiet", "--release", "--package", "extram-sim", "--target-dir", "target/sim"])
        .env("RUSTFLAGS", "--cfg extram_sim -C debug-assertions")
}

fn program() -> Command {
    cargo("run").args(["--bin", "simulate", "--"])
}

/// The verb.
pub fn simulate(args: &Args) -> Result<()> {
    if !toolchain::workspace().join("target/sim/release/simulate").is_file() {
        eprintln!("building the simulator, optimised: this takes a minute, the first time only");
    }
    program().args(&args.options).run()
}

/// A number in the environment, if it is there.
fn setting(name: &str) -> Result<Option<u64>> {
    let Ok(value) = std::env::var(name) else { return Ok(None) };
    Ok(Some(value.parse().with_context(|| format!("{name}={value} is not a number"))?))
}

/// The simulator's tests, and the scenarios under seeds from a new one at each run, or that in `EXTRAM_SEED`.
pub fn lane() -> Result<Summary> {
    let mut summary = cargo_test(&cargo("test"))?;
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (seed, count) = (setting("EXTRAM_SEED")?.unwrap_or(clock), setting("EXTRAM_SEEDS")?.unwrap_or(SEEDS));
    ensure!(count > 0, "EXTRAM_SEEDS=0 would show nothing");
    let run = program().args(["conform", "--seed", &seed.to_string(), "--count", &count.to_string()]);
    let mut told = String::new();
    let ended = run.stream(LIMIT, |_, chunk| {
        let text = String::from_utf8_lossy(chunk);
        print!("{text}");
        told.push_str(&text);
    })?;
    summary += closing(&told, matches!(ended, Ended::Exited(status) if status.success()));
    Ok(summary)
}

/// What the program's closing line says; a failure if it has none, or did not end as the line says.
fn closing(told: &str, good: bool) -> Summary {
    let line = told.lines().rev().find_map(|line| {
        let (passed, rest) = line.split_once(" passed, ")?;
        let failed = rest.strip_suffix(" failed, 0 skipped")?;
        Some((passed.parse().ok()?, failed.parse().ok()?))
    });
    match line {
        Some((passed, failed)) if good == (failed == 0) => Summary { passed, failed, ..Summary::default() },
        _ => {
            println!("FAILED: the simulation of the scenarios did not end as it says");
            Summary::FAILED
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_is_the_closing_line_if_the_program_ended_like_that() {
        let of = |told, good| closing(told, good).to_string();
        assert_eq!(of("seed 7\n46 passed, 0 failed, 0 skipped\n", true), "46 passed, 0 failed, 0 skipped");
        assert_eq!(
            of("23 passed, 1 failed, 0 skipped\nsimulate: x\n", false),
            "23 passed, 1 failed, 0 skipped"
        );
        for (told, good) in
            [("", true), ("46 passed, 0 failed, 0 skipped", false), ("9 passed, 1 failed, 0 skipped", true)]
        {
            assert_eq!(of(told, good), "0 passed, 1 failed, 0 skipped", "{told}");
        }
    }

    #[test]
    fn the_core_is_told_to_tell() {
        let line = program().to_string();
        assert!(line.contains("--cfg extram_sim") && line.contains("target/sim"), "{line}");
    }
}
