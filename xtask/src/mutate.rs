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

use crate::command::{Command, Ended, Stream};
use crate::judge::Summary;
use crate::models::{loom_tests, shuttle_tests};
use anyhow::{Context as _, Result, bail, ensure};
use clap::Args as ClapArgs;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::ControlFlow;
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
    /// Below crates/core/src, or from the root if it begins with a folder of it.
    file: String,
    before: String,
    after: String,
    /// The test that has to fail.
    caught_by: Option<String>,
    /// What `cargo test` is told to find that test, `-p extram-hosted --test fork`. Without it the
    /// core's models under loom; `shuttle`: those under shuttle.
    #[serde(rename = "in")]
    place: Option<String>,
    /// Why it is no wonder that nothing catches it.
    because: Option<String>,
    #[serde(default)]
    quick: bool,
}

/// What became of a mutation, or of one run of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    /// The test failed that the mutation names.
    Caught,
    /// That one did not, but this one did.
    CaughtBy(String),
    /// The mutated code is none.
    DoesNotBuild,
    /// The time was up.
    NoEnd(Duration),
    /// Every test that ran passed.
    Survived,
}

const PAGE: &str = "tests/proof/mutations/README.md";
const HEADER: &str = "| mutation | caught by |\n|---|---|\n";

const NOT_RUN: &str = "| not run yet |";

/// A build, on a machine that has others to do.
const BUILD: Duration = Duration::from_secs(1800);
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
    ensure!(summary.good(), "not all mutations ended as they should");
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
    let text = std::fs::read_to_string("tests/proof/mutations/mutations.toml")?;
    let data: Data = toml::from_str(&text)?;
    // All of them, whatever runs: a mutation that is out of date is noticed at once.
    let check = |mutation: &Mutation| {
        let source = std::fs::read_to_string(path(mutation)).with_context(|| mutation.name.clone())?;
        apply(mutation, &source)?;
        sound(mutation)
    };
    let wrong: Vec<_> = data.mutation.iter().filter_map(|mutation| check(mutation).err()).collect();
    let wrong: Vec<_> = wrong.iter().map(|error| format!("{error:#}")).collect();
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(data.mutation)
}

/// The mutated file, from the root.
fn path(mutation: &Mutation) -> PathBuf {
    let folders = ["crates/", "ports/", "tests/", "xtask/"];
    let from_root = folders.iter().any(|folder| mutation.file.starts_with(folder));
    Path::new(if from_root { "" } else { "crates/core/src" }).join(&mutation.file)
}

/// A mutation names its test, or a reason why there is none that a sceptic accepts.
fn sound(mutation: &Mutation) -> Result<()> {
    let name = &mutation.name;
    ensure!(
        mutation.caught_by.is_some() != mutation.because.is_some(),
        "{name}: either `caught_by` or `because`"
    );
    let Some(because) = &mutation.because else { return Ok(()) };
    ensure!(because.split_whitespace().count() >= 8, "{name}: `because` does not say why");
    ensure!(
        !["not modelled", "not tested", "no test", "no model"].iter().any(|none| because.contains(none)),
        "{name}: that there is no test is no reason"
    );
    Ok(())
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
    let mut passing = BTreeSet::new();
    for mutation in mutations {
        println!("\n-- {}", mutation.name);
        let named = mutation.caught_by.as_ref().map(|test| (&mutation.place, test));
        if let Some(named) = named
            && !passing.contains(&named)
        {
            // A test that fails in any case would catch everything.
            let before = outcome(&alone(&copy, mutation, named.1), ONE_TEST, Some(named.1))?;
            if before != Fate::Survived {
                let why = Err(anyhow::anyhow!("without a mutation {} ends with {before:?}", named.1));
                summary += Summary::of(&mutation.name, why);
                continue;
            }
            passing.insert(named);
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

/// The right half of a row.
fn told(mutation: &Mutation, fate: &Fate) -> String {
    match (fate, &mutation.caught_by, &mutation.because) {
        (Fate::Caught, Some(test), _) => format!("`{test}`"),
        (Fate::Survived, _, Some(because)) => format!("nothing: {because}"),
        (Fate::CaughtBy(test), ..) => format!("**`{test}` alone**"),
        (Fate::DoesNotBuild, ..) => "**does not build**".to_owned(),
        (Fate::NoEnd(limit), ..) => format!("**no end in {} s**", limit.as_secs()),
        (Fate::Caught | Fate::Survived, ..) => "**nothing**".to_owned(),
    }
}

/// A survivor has a reason, and what has a reason survives; everything else is caught by the test
/// that it names.
fn verdict(mutation: &Mutation, fate: &Fate) -> Result<()> {
    match (fate, &mutation.caught_by, &mutation.because) {
        (Fate::Caught, Some(_), None) | (Fate::Survived, None, Some(_)) => Ok(()),
        (Fate::CaughtBy(test), _, Some(_)) => bail!("{test} catches it: its `because` is out of date"),
        (Fate::CaughtBy(test), Some(named), _) => bail!("{named} does not notice, but {test} does"),
        (Fate::DoesNotBuild, ..) => bail!("it does not build, which shows nothing of the tests"),
        (Fate::NoEnd(limit), ..) => bail!("no end in {} s, which shows nothing", limit.as_secs()),
        _ => bail!("no test notices"),
    }
}

/// Builds the mutated project and runs the test that should notice. If it does not, or there is none,
/// all models, and on the host the core's own tests and those with faults: they say whether another
/// one does.
fn fate(copy: &Path, mutation: &Mutation) -> Result<Fate> {
    if let Some(test) = &mutation.caught_by {
        let command = alone(copy, mutation, test);
        match outcome(&command, ONE_TEST, Some(test))? {
            Fate::Survived => println!("{test} does not notice; all others"),
            other => return Ok(other),
        }
    }
    let host = Command::new("cargo").dir(copy).args(["test", "-p", "extram-core", "-p", "extram"]);
    let host = host.args(["-p", "extram-faults", "--lib", "--tests", "--no-fail-fast"]);
    for command in [loom_tests().dir(copy).env("RUST_BACKTRACE", "0"), host] {
        match outcome(&command, ALL_TESTS, None)? {
            Fate::Survived => {}
            other => return Ok(other),
        }
    }
    Ok(Fate::Survived)
}

/// The place of a mutation's test, without a choice of tests.
fn place(copy: &Path, mutation: &Mutation) -> Command {
    let command = match mutation.place.as_deref() {
        None => loom_tests(),
        Some("shuttle") => shuttle_tests(1000, 1),
        Some(words) => Command::new("cargo").arg("test").args(words.split(' ')),
    };
    command.dir(copy).env("RUST_BACKTRACE", "0")
}

/// The test and no other.
fn alone(copy: &Path, mutation: &Mutation, test: &str) -> Command {
    place(copy, mutation).args(["--", "--exact", test])
}

/// How a run ends: built first, then for `limit` at most. With `named`, that test alone is in it.
fn outcome(command: &Command, limit: Duration, named: Option<&str>) -> Result<Fate> {
    let mut out = Vec::new();
    let mut built = false;
    // Building has a limit of its own. cargo names each test program once all of them are built.
    let ended = command.stream_until(BUILD, |stream, chunk| {
        if stream == Stream::Out {
            out.extend_from_slice(chunk);
        }
        let runs = stream == Stream::Out || String::from_utf8_lossy(chunk).contains("Running ");
        let begins = !built && runs;
        built |= runs;
        ControlFlow::Continue(begins.then_some(limit))
    })?;
    let ended = ended.expect("only a break ends it before its end");
    judge(&ended, built, &String::from_utf8_lossy(&out), named)
}

/// See [`outcome`]. A run in which no test took part is an error.
fn judge(ended: &Ended, built: bool, out: &str, named: Option<&str>) -> Result<Fate> {
    let failed = failed_test(out);
    let status = match ended {
        Ended::TimedOut(limit) => return Ok(Fate::NoEnd(*limit)),
        Ended::Exited(status) => status,
    };
    if !built {
        ensure!(!status.success(), "nothing ran");
        return Ok(Fate::DoesNotBuild);
    }
    if status.success() {
        let mut summary = Summary::default();
        out.lines().for_each(|line| {
            summary.read_libtest_line(line);
        });
        ensure!(summary.passed > 0, "no test of this name: {named:?}");
        return Ok(Fate::Survived);
    }
    Ok(match (failed, named) {
        (Some(failed), Some(named)) if failed == named => Fate::Caught,
        (Some(failed), _) => Fate::CaughtBy(failed),
        // It began, and its program crashed: no other test was in it.
        (None, Some(_)) if out.lines().any(|line| line == "running 1 test") => Fate::Caught,
        (None, Some(named)) => bail!("{named} did not run"),
        (None, None) => Fate::CaughtBy("a program that crashed".to_owned()),
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
         The project with one ordering weaker, or one step of a rule left out, and the test that notices:\n\
         it passes as the code is, and fails with the mutation. A time limit or a build that fails is no proof.\n\
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
            caught_by: because.is_none().then(|| "models::a".to_owned()),
            place: None,
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
        let other = Fate::CaughtBy("models::b".into());
        assert!(verdict(&mutation("a", None), &Fate::Caught).is_ok());
        assert!(verdict(&mutation("a", None), &Fate::Survived).is_err());
        assert!(verdict(&mutation("a", Some("so")), &Fate::Survived).is_ok());
        assert!(verdict(&mutation("a", Some("so")), &other).is_err());
    }

    #[test]
    fn only_the_named_test_catches() {
        let none = [
            Fate::CaughtBy("models::b".into()),
            Fate::DoesNotBuild,
            Fate::NoEnd(Duration::from_secs(9)),
            Fate::Survived,
        ];
        for fate in none {
            assert!(verdict(&mutation("a", None), &fate).is_err(), "{fate:?}");
            assert!(told(&mutation("a", None), &fate).starts_with("**"), "{fate:?}");
            if fate != Fate::Survived {
                assert!(verdict(&mutation("a", Some("so")), &fate).is_err(), "{fate:?}");
            }
        }
    }

    #[test]
    fn a_reason_says_why() {
        let sound = |because| sound(&mutation("a", Some(because)));
        assert!(sound("the exchange that follows in the same word orders it already").is_ok());
        assert!(sound("equivalent").is_err());
        assert!(sound("this kind of thing is not modelled, since loom has no clock").is_err());
        let both = Mutation { caught_by: Some("models::a".into()), ..mutation("a", Some("so")) };
        assert!(super::sound(&both).is_err());
    }

    #[test]
    fn a_mutation_may_be_anywhere_and_its_test_too() {
        let at = |file: &str| path(&Mutation { file: file.into(), ..mutation("a", None) });
        assert_eq!(at("list/waiting.rs"), Path::new("crates/core/src/list/waiting.rs"));
        assert_eq!(at("ports/posix/src/local.rs"), Path::new("ports/posix/src/local.rs"));
        let line = |place: Option<&str>| {
            let mutation = Mutation { place: place.map(str::to_owned), ..mutation("a", None) };
            alone(Path::new("copy"), &mutation, "fork::a").to_string()
        };
        assert!(line(None).contains("--cfg loom"));
        assert!(line(Some("shuttle")).contains("--cfg shuttle"));
        let hosted = line(Some("-p extram-hosted --test fork"));
        assert!(hosted.ends_with("cargo test -p extram-hosted --test fork -- --exact fork::a"), "{hosted}");
    }

    #[test]
    fn the_failed_test_is_named() {
        let out = "test models::a ... ok\ntest models::b ... FAILED\n\ntest result: FAILED. 1 passed";
        assert_eq!(failed_test(out).as_deref(), Some("models::b"));
        assert_eq!(failed_test("test models::a ... ok"), None);
    }

    /// How a script ends that stands for a `cargo test`.
    fn outcome_of(script: &str, named: Option<&str>) -> Result<Fate> {
        outcome(&Command::new("sh").args(["-c", script]), Duration::from_millis(500), named)
    }

    #[test]
    fn the_named_test_catches_by_failing_or_by_a_crash() {
        let failed = "echo 'running 1 test'; echo 'test models::a ... FAILED'; exit 101";
        assert_eq!(outcome_of(failed, Some("models::a")).unwrap(), Fate::Caught);
        assert_eq!(outcome_of(failed, Some("models::b")).unwrap(), Fate::CaughtBy("models::a".into()));
        assert_eq!(outcome_of(failed, None).unwrap(), Fate::CaughtBy("models::a".into()));
        let crashed = "echo 'running 1 test'; kill -9 $$";
        assert_eq!(outcome_of(crashed, Some("models::a")).unwrap(), Fate::Caught);
        assert!(matches!(outcome_of(crashed, None).unwrap(), Fate::CaughtBy(_)));
        let before = "echo 'running 12 tests'; kill -9 $$";
        assert!(outcome_of(before, Some("models::a")).is_err());
    }

    #[test]
    fn a_failed_build_and_a_time_limit_are_told_apart_from_a_failed_test() {
        let build = "echo 'error: could not compile' >&2; exit 101";
        assert_eq!(outcome_of(build, Some("models::a")).unwrap(), Fate::DoesNotBuild);
        let hangs = "echo '     Running unittests' >&2; echo 'running 1 test'; exec sleep 60";
        assert!(matches!(outcome_of(hangs, Some("models::a")).unwrap(), Fate::NoEnd(_)));
    }

    #[test]
    fn running_nothing_is_an_error() {
        let nothing = "echo 'test result: ok. 0 passed; 0 failed; 0 ignored'";
        assert!(outcome_of(nothing, Some("models::a")).is_err());
        let good = "echo 'test result: ok. 3 passed; 0 failed; 0 ignored'";
        assert_eq!(outcome_of(good, Some("models::a")).unwrap(), Fate::Survived);
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
