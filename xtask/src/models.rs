//! The lanes of the models: `--loom` runs the shipped code through every interleaving of a few
//! threads; `--model` searches the abstract algorithm, with more of them.

use crate::command::Command;
use crate::summary::Summary;
use crate::test::cargo_test;
use anyhow::Result;

#[derive(clap::Args)]
#[group(skip)]
pub(crate) struct Wanted {
    /// The core's models: every interleaving of a few threads.
    #[arg(long)]
    pub(crate) loom: bool,
    /// Every state of the abstract algorithm, with five and more threads.
    #[arg(long)]
    pub(crate) model: bool,
}

impl Wanted {
    /// Whether one of the lanes is wanted.
    pub(crate) fn any(&self) -> bool {
        self.loom || self.model
    }
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

/// The search of tests/model, and the same algorithm in Promela.
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
}
