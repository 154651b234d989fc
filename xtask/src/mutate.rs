//! `cargo xtask mutate`: makes the core worse in one place at a time and shows which test notices.
//!
//! The mutations are data, in tests/mutations/mutations.toml. Each is applied in a copy of the
//! workspace under target/; nothing is changed where you work. The table goes to
//! tests/mutations/README.md; a run of some mutations renews their rows.

use crate::command::{Command, Ended, Stream};
use crate::models::loom_tests;
use crate::summary::Summary;
use anyhow::{Context as _, Result, bail, ensure};
use clap::Args as ClapArgs;
use serde::Deserialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Only the handful that continuous integration runs.
    #[arg(long)]
    quick: bool,
    /// Only mutations whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Only those that have no row in the table yet.
    #[arg(long)]
    missing: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    mutation: Vec<Mutation>,
}

/// One change for the worse.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mutation {
    name: String,
    /// Below crates/core/src.
    file: String,
    before: String,
    after: String,
    /// The test that is tried first.
    caught_by: Option<String>,
    /// Why it is no wonder that nothing catches it.
    because: Option<String>,
    #[serde(default)]
    quick: bool,
}

/// What became of a mutation.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    CaughtBy(String),
    Survived,
}

const PAGE: &str = "tests/mutations/README.md";
const HEADER: &str = "| mutation | caught by |\n|---|---|\n";

const NOT_RUN: &str = "| not run yet |";

/// A model that finds no end has been led into one it does not have.
const ONE_TEST: Duration = Duration::from_secs(120);
const ALL_TESTS: Duration = Duration::from_secs(900);

pub(crate) fn mutate(args: &Args) -> Result<()> {
    let mutations = read()?;
    let table = std::fs::read_to_string(PAGE).unwrap_or_default();
    let has_row = |m: &Mutation| row(&table, m).is_some_and(|row| !row.ends_with(NOT_RUN));
    let wanted = |m: &&Mutation| {
        (!args.quick || m.quick)
            && (!args.missing || !has_row(m))
            && args.only.as_ref().is_none_or(|part| m.name.contains(part.as_str()))
    };
    let chosen: Vec<&Mutation> = mutations.iter().filter(wanted).collect();
    ensure!(!chosen.is_empty(), "no mutation has such a name");
    // After each, so that a run that is cut short is not lost.
    let (summary, rows) = run(&chosen, |rows| Ok(std::fs::write(PAGE, page(&mutations, &table, rows))?))?;
    println!("\n{HEADER}{rows}written to {PAGE}");
    println!("{summary}");
    ensure!(summary.good(false), "not all mutations ended as they should");
    Ok(())
}

/// The handful, as part of the lane of the models.
pub(crate) fn quick() -> Result<Summary> {
    let mutations = read()?;
    let chosen: Vec<&Mutation> = mutations.iter().filter(|m| m.quick).collect();
    let (summary, rows) = run(&chosen, |_| Ok(()))?;
    println!("\n{HEADER}{rows}");
    Ok(summary)
}

fn read() -> Result<Vec<Mutation>> {
    let text = std::fs::read_to_string("tests/mutations/mutations.toml")?;
    let data: Data = toml::from_str(&text)?;
    // All of them, whatever runs: a mutation that is out of date is noticed at once.
    for mutation in &data.mutation {
        let source = std::fs::read_to_string(Path::new("crates/core/src").join(&mutation.file))?;
        apply(mutation, &source)?;
        ensure!(
            mutation.caught_by.is_some() != mutation.because.is_some(),
            "{}: either `caught_by` or `because`",
            mutation.name
        );
    }
    Ok(data.mutation)
}

/// The mutated source. Fails if the text is not there exactly once: the code has moved on.
fn apply(mutation: &Mutation, source: &str) -> Result<String> {
    let found = source.matches(&mutation.before).count();
    ensure!(found == 1, "{}: its text is {found} times in {}", mutation.name, mutation.file);
    Ok(source.replacen(&mutation.before, &mutation.after, 1))
}

fn run(mutations: &[&Mutation], mut save: impl FnMut(&str) -> Result<()>) -> Result<(Summary, String)> {
    let copy = copy_workspace()?;
    let mut summary = Summary::default();
    let mut rows = String::new();
    for mutation in mutations {
        println!("\n-- {}", mutation.name);
        let path = copy.join("crates/core/src").join(&mutation.file);
        let source = std::fs::read_to_string(&path)?;
        std::fs::write(&path, apply(mutation, &source)?)?;
        let fate = fate(&copy, mutation);
        std::fs::write(&path, source)?;
        let fate = fate.with_context(|| mutation.name.clone())?;
        println!("{}: {fate:?}", mutation.name);
        summary += Summary::of(&mutation.name, verdict(mutation, &fate));
        let by = match (&fate, &mutation.because) {
            (Fate::CaughtBy(test), _) => format!("`{test}`"),
            (Fate::Survived, Some(because)) => format!("nothing: {because}"),
            (Fate::Survived, None) => "**nothing**".to_owned(),
        };
        writeln!(rows, "| {} | {by} |", mutation.name)?;
        save(&rows)?;
    }
    Ok((summary, rows))
}

/// A survivor has a reason, and what has a reason survives.
fn verdict(mutation: &Mutation, fate: &Fate) -> Result<()> {
    match (fate, &mutation.because) {
        (Fate::CaughtBy(_), None) | (Fate::Survived, Some(_)) => Ok(()),
        (Fate::Survived, None) => bail!("no test notices"),
        (Fate::CaughtBy(test), Some(_)) => bail!("{test} catches it: its `because` is out of date"),
    }
}

/// Builds the mutated core and runs the test that should notice; if it does not, all models, and on
/// the host the core's own tests and those with faults.
fn fate(copy: &Path, mutation: &Mutation) -> Result<Fate> {
    let loom = loom_tests().dir(copy).env("RUST_BACKTRACE", "0");
    loom.clone().arg("--no-run").run().context("the mutated core does not build")?;
    if let Some(test) = &mutation.caught_by {
        let alone = loom.clone().args(["--", "--exact", test]);
        if let Some(failed) = first_failure(&alone, ONE_TEST, test)? {
            return Ok(Fate::CaughtBy(failed));
        }
        println!("{test} does not notice; all others");
    }
    if let Some(failed) = first_failure(&loom, ALL_TESTS, "the models (no end)")? {
        return Ok(Fate::CaughtBy(failed));
    }
    let host = Command::new("cargo").dir(copy).args(["test", "-p", "extram-core", "-p", "extram"]);
    let host = host.args(["-p", "extram-faults", "--lib", "--tests", "--no-fail-fast"]);
    if let Some(failed) = first_failure(&host, ALL_TESTS, "the tests with faults (no end)")? {
        return Ok(Fate::CaughtBy(failed));
    }
    Ok(Fate::Survived)
}

/// The first test that fails; `whole` if there is no telling which, because the program crashed or
/// found no end. A run in which no test took part is an error.
fn first_failure(command: &Command, limit: Duration, whole: &str) -> Result<Option<String>> {
    let mut out = Vec::new();
    let ended = command.stream(limit, |stream, chunk| {
        if stream == Stream::Out {
            out.extend_from_slice(chunk);
        }
    })?;
    let out = String::from_utf8_lossy(&out);
    let failed = failed_test(&out);
    Ok(match ended {
        Ended::Exited(status) if status.success() => {
            let mut summary = Summary::default();
            out.lines().for_each(|line| summary.read_libtest_line(line));
            ensure!(summary.passed > 0, "no test of this name: {whole}");
            None
        }
        Ended::Exited(_) | Ended::TimedOut(_) => Some(failed.unwrap_or_else(|| whole.to_owned())),
    })
}

fn failed_test(out: &str) -> Option<String> {
    out.lines()
        .filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"))
        .map(str::to_owned)
        .next()
}

/// A copy of all files that belong to the project, whose targets stay from run to run.
fn copy_workspace() -> Result<PathBuf> {
    let here = std::env::current_dir()?;
    let copy = here.join("target/mutations");
    let files = Command::new("git").args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    for file in files.read()?.split_terminator('\0') {
        let (from, to) = (here.join(file), copy.join(file));
        if !from.is_file() {
            continue;
        }
        let text = std::fs::read(&from)?;
        if std::fs::read(&to).is_ok_and(|there| there == text) {
            continue;
        }
        std::fs::create_dir_all(to.parent().expect("a file is in a directory"))?;
        std::fs::write(&to, text)?;
    }
    Ok(copy)
}

/// The row of a mutation.
fn row<'a>(rows: &'a str, mutation: &Mutation) -> Option<&'a str> {
    rows.lines().find(|line| line.starts_with(&format!("| {} | ", mutation.name)))
}

/// The page with new rows in place of those that are there; one that has none says so.
fn page(mutations: &[Mutation], before: &str, rows: &str) -> String {
    let mut page = format!(
        "# Mutations\n\n\
         The core with one ordering weaker, or one step of a rule left out, and the test that notices.\n\
         Written by `cargo xtask mutate`; the mutations are in [mutations.toml](mutations.toml).\n\n{HEADER}"
    );
    for mutation in mutations {
        match row(rows, mutation).or_else(|| row(before, mutation)) {
            Some(row) => page += row,
            None => page += &format!("| {} {NOT_RUN}", mutation.name),
        }
        page.push('\n');
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutation(before: &str, because: Option<&str>) -> Mutation {
        Mutation {
            name: "a mutation".into(),
            file: "list.rs".into(),
            before: before.into(),
            after: "b".into(),
            caught_by: None,
            because: because.map(str::to_owned),
            quick: false,
        }
    }

    #[test]
    fn a_mutation_whose_text_is_gone_or_ambiguous_fails() {
        assert_eq!(apply(&mutation("a", None), "xay").unwrap(), "xby");
        assert!(apply(&mutation("a", None), "xy").is_err());
        assert!(apply(&mutation("a", None), "aa").is_err());
    }

    #[test]
    fn a_survivor_needs_a_reason_and_a_reason_needs_a_survivor() {
        let caught = Fate::CaughtBy("models::a".into());
        assert!(verdict(&mutation("a", None), &caught).is_ok());
        assert!(verdict(&mutation("a", None), &Fate::Survived).is_err());
        assert!(verdict(&mutation("a", Some("so")), &Fate::Survived).is_ok());
        assert!(verdict(&mutation("a", Some("so")), &caught).is_err());
    }

    #[test]
    fn the_failed_test_is_named() {
        let out = "test models::a ... ok\ntest models::b ... FAILED\n\ntest result: FAILED. 1 passed";
        assert_eq!(failed_test(out).as_deref(), Some("models::b"));
        assert_eq!(failed_test("test models::a ... ok"), None);
    }

    #[test]
    fn crashing_counts_as_caught_and_running_nothing_as_an_error() {
        let sh = |script: &str| Command::new("sh").args(["-c", script]);
        let limit = Duration::from_secs(20);
        assert_eq!(first_failure(&sh("kill -9 $$"), limit, "all").unwrap().as_deref(), Some("all"));
        let nothing = "echo 'test result: ok. 0 passed; 0 failed; 0 ignored'";
        assert!(first_failure(&sh(nothing), limit, "all").is_err());
        let good = "echo 'test result: ok. 3 passed; 0 failed; 0 ignored'";
        assert_eq!(first_failure(&sh(good), limit, "all").unwrap(), None);
    }

    #[test]
    fn a_run_of_some_mutations_renews_their_rows() {
        let named = |name: &str| Mutation { name: name.into(), ..mutation("a", None) };
        let before = "| one | `old` |\n| two | `kept` |\n| gone | `x` |\n";
        let page = page(&[named("one"), named("two"), named("three")], before, "| one | `new` |\n");
        let rows: Vec<&str> =
            page.lines().filter(|line| !line.starts_with("| mutation") && line.starts_with("| ")).collect();
        assert_eq!(rows, ["| one | `new` |", "| two | `kept` |", "| three | not run yet |"]);
    }
}
