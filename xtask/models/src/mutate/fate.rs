//! What becomes of a mutation: the runs of tests that say so, and whether that is as it should be.

use super::mutation::Mutation;
use crate::commands::{loom_tests, shuttle_tests};
use anyhow::{Result, bail, ensure};
use judge::Summary;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;
use toolchain::command::{Command, Ended, Stream};

/// What became of a mutation, or of one run of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
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

/// A build, on a machine that has others to do.
const BUILD: Duration = Duration::from_secs(1800);
pub(super) const ONE_TEST: Duration = Duration::from_secs(120);
const ALL_TESTS: Duration = Duration::from_secs(900);

/// A survivor has a reason, and what has a reason survives; everything else is caught by the test
/// that it names.
pub(super) fn verdict(mutation: &Mutation, fate: &Fate) -> Result<()> {
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
pub(super) fn fate(copy: &Path, mutation: &Mutation) -> Result<Fate> {
    if let Some(test) = &mutation.caught_by {
        let command = alone(copy, mutation, test);
        match outcome(&command, ONE_TEST, Some(test))? {
            Fate::Survived => println!("{test} does not notice; all others"),
            other => return Ok(other),
        }
    }
    let host = Command::new("cargo").dir(copy).args(["test", "-p", "extram-core", "-p", "extram"]);
    let host = host.args(["-p", "extram-faults", "--lib", "--tests", "--no-fail-fast"]);
    for command in [renewed(loom_tests()).dir(copy), host] {
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
    renewed(command).dir(copy)
}

/// With what is built again and again: the next mutation is in the same crate, most of which stays.
fn renewed(command: Command) -> Command {
    let command = command.env("CARGO_INCREMENTAL", "1").env("CARGO_PROFILE_RELEASE_DEBUG", "0");
    command.env("RUST_BACKTRACE", "0")
}

/// The test and no other.
pub(super) fn alone(copy: &Path, mutation: &Mutation, test: &str) -> Command {
    place(copy, mutation).args(["--", "--exact", test])
}

/// How a run ends: built first, then for `limit` at most. With `named`, that test alone is in it.
pub(super) fn outcome(command: &Command, limit: Duration, named: Option<&str>) -> Result<Fate> {
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
    out.lines().find_map(judge::failed_test).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::mutation::{path, tests::mutation};
    use super::*;

    #[test]
    fn a_survivor_needs_a_reason_and_a_reason_needs_a_survivor() {
        let other = Fate::CaughtBy("models::b".into());
        assert!(verdict(&mutation("a", None), &Fate::Caught).is_ok());
        assert!(verdict(&mutation("a", None), &Fate::Survived).is_err());
        assert!(verdict(&mutation("a", Some("so")), &Fate::Survived).is_ok());
        assert!(verdict(&mutation("a", Some("so")), &other).is_err());
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
}
