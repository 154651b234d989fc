//! The lanes of the models: `--loom` runs the shipped code through every interleaving of a few
//! threads; `--shuttle` through random schedules of more threads, over whole scenarios; `--model`
//! searches the abstract algorithm.

use crate::command::Command;
use crate::judge::Summary;
use crate::test::cargo_test;
use anyhow::{Context as _, Result, ensure};
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(clap::Args)]
#[group(skip)]
pub(crate) struct Wanted {
    /// The core's models: every interleaving of a few threads.
    #[arg(long)]
    pub(crate) loom: bool,
    /// Whole scenarios of the core in random schedules, EXTRAM_SCHEDULES of each.
    #[arg(long)]
    pub(crate) shuttle: bool,
    /// Every state of the abstract algorithm, with five and more threads.
    #[arg(long)]
    pub(crate) model: bool,
}

/// `cargo test` of the core's models. Optimised, because it runs the code hundreds of thousands of
/// times; in a target directory of its own, because the flag is another for every crate.
pub(crate) fn loom_tests() -> Command {
    Command::new("cargo")
        .args(["test", "--release", "--package", "extram-core", "--lib"])
        .args(["--target-dir", "target/loom"])
        .env("RUSTFLAGS", "--cfg loom -C debug-assertions")
}

/// The models of the core, and a handful of mutations to show that they can fail.
pub(crate) fn loom() -> Result<Summary> {
    let mut summary = cargo_test(&loom_tests().args(["--", "--nocapture"]))?;
    summary += crate::mutate::quick()?;
    Ok(summary)
}

/// How many schedules of each test, where `EXTRAM_SCHEDULES` does not say.
const SCHEDULES: u32 = 2000;

/// `cargo test` of the tests whose path has `shuttle` in it. As with loom, but a test draws its
/// schedules from `seed`, so that the same seed sees the same ones again.
pub(crate) fn shuttle_tests(schedules: u32, seed: u64) -> Command {
    Command::new("cargo")
        .args(["test", "--release", "--package", "extram-core", "--lib"])
        .args(["--target-dir", "target/shuttle", "shuttle"])
        .env("RUSTFLAGS", "--cfg shuttle -C debug-assertions")
        // That it knows no weak orderings: they are for loom.
        .env("SHUTTLE_SILENCE_WARNINGS", "1")
        .env("EXTRAM_SCHEDULES", schedules.to_string())
        .env("EXTRAM_SEED", seed.to_string())
}

/// A fixed number of schedules; the seed is a new one at each run, or that in `EXTRAM_SEED`.
pub(crate) fn shuttle() -> Result<Summary> {
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
    Ok(Some(value.parse().with_context(|| format!("{name}={value} is no number"))?))
}

/// The search of tests/proof/model, and the same algorithm in Promela.
pub(crate) fn model() -> Result<Summary> {
    let search = ["test", "--release", "--package", "extram-model", "--", "--nocapture"];
    let mut summary = cargo_test(&Command::new("cargo").args(search))?;
    summary += crate::spin::checks()?;
    Ok(summary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_models_run_on_the_core_itself_with_its_assertions() {
        let line = loom_tests().to_string();
        assert!(
            line.contains("--cfg loom -C debug-assertions") && line.contains("extram-core --lib"),
            "{line}"
        );
    }

    #[test]
    fn shuttle_is_told_how_many_schedules_and_from_which_seed() {
        let line = shuttle_tests(70, 9).to_string();
        for part in
            ["--cfg shuttle", "EXTRAM_SCHEDULES=70", "EXTRAM_SEED=9", "--lib", "target/shuttle shuttle"]
        {
            assert!(line.contains(part), "{part} is not in {line}");
        }
    }
}
