//! The lanes of the models: `--loom` runs the shipped code through every interleaving of a few
//! threads; `--shuttle` through random schedules of more threads, over whole scenarios; `--model`
//! searches the abstract algorithm.

mod commands;
pub mod mutate;
pub mod simulate;
mod spin;

use anyhow::{Context as _, Result, ensure};
use commands::{loom_tests, shuttle_tests};
use judge::{Summary, cargo_test};
use std::time::{SystemTime, UNIX_EPOCH};
use toolchain::command::Command;

/// The lanes of this kind.
#[derive(clap::Args)]
#[group(skip)]
pub struct Wanted {
    /// The core's models: every interleaving of a few threads.
    #[arg(long)]
    pub loom: bool,
    /// Whole scenarios of the core in random schedules, EXTRAM_SCHEDULES of each.
    #[arg(long)]
    pub shuttle: bool,
    /// Every state of the abstract algorithm, with five and more threads.
    #[arg(long)]
    pub model: bool,
}

/// The models of the core, and a handful of mutations to show that they can fail.
pub fn loom() -> Result<Summary> {
    let mut summary = cargo_test(&loom_tests().args(["--", "--nocapture"]))?;
    summary += mutate::quick()?;
    Ok(summary)
}

/// How many schedules of each test, where `EXTRAM_SCHEDULES` does not say.
const SCHEDULES: u32 = 2000;

/// A fixed number of schedules; the seed is a new one at each run, or that in `EXTRAM_SEED`.
pub fn shuttle() -> Result<Summary> {
    let schedules = setting("EXTRAM_SCHEDULES")?.unwrap_or(SCHEDULES.into());
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let seed = setting("EXTRAM_SEED")?.unwrap_or(clock);
    println!("{schedules} schedules of each test; to see the same ones again: EXTRAM_SEED={seed}");
    let schedules = u32::try_from(schedules).context("EXTRAM_SCHEDULES")?;
    ensure!(schedules > 0, "EXTRAM_SCHEDULES=0 would show nothing");
    cargo_test(&shuttle_tests(schedules, seed).args(["--", "--nocapture"]))
}

/// A number in the environment, if it is there.
fn setting(name: &str) -> Result<Option<u64>> {
    let Ok(value) = std::env::var(name) else { return Ok(None) };
    Ok(Some(value.parse().with_context(|| format!("{name}={value} is not a number"))?))
}

/// The search of tests/proof/model, and the same algorithm in Promela.
pub fn model() -> Result<Summary> {
    let search = ["test", "--release", "--package", "extram-model", "--", "--nocapture"];
    let mut summary = cargo_test(&Command::new("cargo").args(search))?;
    summary += spin::checks()?;
    Ok(summary)
}
