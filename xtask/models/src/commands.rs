//! The commands that run the core's models.

use toolchain::command::Command;

/// `cargo test` of the core's models. Optimised, because it runs the code hundreds of thousands of
/// times; in a target directory of its own, because the flag is another for every crate.
pub(super) fn loom_tests() -> Command {
    Command::new("cargo")
        .args(["test", "--release", "--package", "extram-core", "--lib"])
        .args(["--target-dir", "target/loom"])
        .env("RUSTFLAGS", "--cfg loom -C debug-assertions")
}

/// `cargo test` of the tests whose path has `shuttle` in it. As with loom, but a test draws its
/// schedules from `seed`, so that the same seed sees the same ones again.
pub(super) fn shuttle_tests(schedules: u32, seed: u64) -> Command {
    Command::new("cargo")
        .args(["test", "--release", "--package", "extram-core", "--lib"])
        .args(["--target-dir", "target/shuttle", "shuttle"])
        .env("RUSTFLAGS", "--cfg shuttle -C debug-assertions")
        // That it knows no weak orderings: they are for loom.
        .env("SHUTTLE_SILENCE_WARNINGS", "1")
        .env("EXTRAM_SCHEDULES", schedules.to_string())
        .env("EXTRAM_SEED", seed.to_string())
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
