//! `cargo xtask mutate`: makes the project worse in one place at a time and shows which test notices.
//!
//! The mutations are data, in tests/proof/mutations/mutations.toml. Each is applied in a copy of the
//! workspace under target/; nothing is changed where you work. The table goes to
//! tests/proof/mutations/README.md; a run of some mutations renews their rows.
//!
//! A mutation counts as caught only if the test that it names fails: in the copy as it is that test
//! passes, and with the mutation it says FAILED, or its program crashes while no other test is in it. A
//! time limit, a build that fails and a failure of some other test are each no proof that the test
//! can tell the difference, and make the run red.

mod fate;
mod mutation;
mod page;

use anyhow::{Context as _, Result, ensure};
use clap::Args as ClapArgs;
use fate::{Fate, ONE_TEST, alone, fate, outcome, verdict};
use judge::Summary;
use mutation::{Mutation, apply, path, read};
use page::{HEADER, NOT_RUN, page, row, told};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write as _;
use std::path::PathBuf;
use toolchain::command::Command;

/// The options.
#[derive(ClapArgs)]
pub struct Args {
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

const PAGE: &str = "tests/proof/mutations/README.md";

/// Runs the mutations that are asked for, and renews their rows.
pub fn mutate(args: &Args) -> Result<()> {
    let mutations = read(toolchain::workspace())?;
    let table = std::fs::read_to_string(PAGE).unwrap_or_default();
    let has_row = |m: &Mutation| row(&table, m).is_some_and(|row| !row.ends_with(NOT_RUN));
    let wanted = |m: &&Mutation| {
        (!args.quick || m.quick)
            && (!args.missing || !has_row(m))
            && args.only.as_ref().is_none_or(|part| m.name.contains(part.as_str()))
    };
    let mut chosen: Vec<&Mutation> = mutations.iter().filter(wanted).collect();
    // Survivors last, for each of which all tests run: a run that is cut short has got further.
    chosen.sort_by_key(|mutation| mutation.caught_by.is_none());
    ensure!(!chosen.is_empty(), "there is no mutation of that name");
    // After each, so that a run that is cut short is not lost.
    let (summary, rows) = run(&chosen, |rows| Ok(std::fs::write(PAGE, page(&mutations, &table, rows))?))?;
    println!("\n{HEADER}{rows}written to {PAGE}");
    println!("{summary}");
    ensure!(summary.good(), "not all mutations ended as they should");
    Ok(())
}

/// The handful, as part of the lane of the models.
pub fn quick() -> Result<Summary> {
    let mutations = read(toolchain::workspace())?;
    let chosen: Vec<&Mutation> = mutations.iter().filter(|m| m.quick).collect();
    let (summary, rows) = run(&chosen, |_| Ok(()))?;
    println!("\n{HEADER}{rows}");
    Ok(summary)
}

fn run(mutations: &[&Mutation], mut save: impl FnMut(&str) -> Result<()>) -> Result<(Summary, String)> {
    let copy = copy_workspace()?;
    let mut summary = Summary::default();
    let mut rows = String::new();
    // A test that fails in any case would catch everything. All of them before the first mutation, since
    // nothing has to be built between them.
    let mut before = BTreeMap::new();
    for mutation in mutations {
        let Some(test) = &mutation.caught_by else { continue };
        if let Entry::Vacant(entry) = before.entry((&mutation.place, test)) {
            println!("\n-- no mutation: {test}");
            entry.insert(outcome(&alone(&copy, mutation, test), ONE_TEST, Some(test))?);
        }
    }
    for mutation in mutations {
        println!("\n-- {}", mutation.name);
        if let Some(test) = &mutation.caught_by
            && before[&(&mutation.place, test)] != Fate::Survived
        {
            let why = Err(anyhow::anyhow!("{test} does not pass without a mutation"));
            summary += Summary::of(&mutation.name, why);
            continue;
        }
        let path = copy.join(path(mutation));
        let source = std::fs::read_to_string(&path)?;
        std::fs::write(&path, apply(mutation, &source)?)?;
        let fate = fate(&copy, mutation);
        std::fs::write(&path, source)?;
        let fate = fate.with_context(|| mutation.name.clone())?;
        println!("{}: {fate:?}", mutation.name);
        summary += Summary::of(&mutation.name, verdict(mutation, &fate));
        writeln!(rows, "| {} | {} |", mutation.name, told(mutation, &fate))?;
        save(&rows)?;
    }
    Ok((summary, rows))
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
