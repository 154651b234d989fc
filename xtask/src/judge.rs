//! The judge: what ran becomes `N passed, N failed, N skipped` and an exit code.
//!
//! Whatever else the lanes do, nothing is green that did not run, and each way to go wrong without a
//! word has a test below: a test program that crashes or leaves before its closing line, a run that
//! finds no end, a lane that cannot say how it went, a lane in which nothing ran.

use crate::command::Ended;
use anyhow::{Result, bail};
use std::fmt;
use std::ops::AddAssign;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What ran. A check that cannot run here is skipped with a reason, printed when it is skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    pub(crate) skipped: u32,
}

impl Summary {
    pub(crate) const PASSED: Summary = Summary { passed: 1, failed: 0, skipped: 0 };
    pub(crate) const FAILED: Summary = Summary { passed: 0, failed: 1, skipped: 0 };

    /// One check that could not run, said loudly.
    pub(crate) fn skipped(what: &str, reason: &str) -> Summary {
        println!("skipped: {what}: {reason}");
        Summary { passed: 0, failed: 0, skipped: 1 }
    }

    /// One check by its result; a failure is printed.
    pub(crate) fn of(what: &str, result: Result<()>) -> Summary {
        match result {
            Ok(()) => {
                println!("ok: {what}");
                Summary::PASSED
            }
            Err(error) => {
                println!("FAILED: {what}: {error:#}");
                Summary::FAILED
            }
        }
    }

    /// Reads one line of what `cargo test` prints; adds the counts if it is a closing line, and says
    /// whether it is.
    pub(crate) fn read_libtest_line(&mut self, line: &str) -> bool {
        let Some(counts) = line.trim().strip_prefix("test result: ") else { return false };
        let counts = counts.split_once(". ").map_or(counts, |(_, counts)| counts);
        for part in counts.split("; ") {
            let mut words = part.split(' ');
            let (Some(count), Some(what)) = (words.next(), words.next()) else { continue };
            let Ok(count) = count.parse::<u32>() else { continue };
            match what {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.skipped += count,
                _ => {}
            }
        }
        true
    }

    /// Whether something ran and nothing failed; with `require`, nothing was skipped either.
    pub(crate) fn good(&self, require: bool) -> bool {
        self.failed == 0 && self.passed > 0 && (self.skipped == 0 || !require)
    }
}

impl AddAssign for Summary {
    fn add_assign(&mut self, other: Summary) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// The test programs of one `cargo test`, by what they print.
#[derive(Debug, Default)]
pub(crate) struct Programs {
    line: Vec<u8>,
    counted: Summary,
    /// How many said how many tests they have, and how many said how those went.
    opened: u32,
    closed: u32,
}

impl Programs {
    /// Reads on.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte != b'\n' {
                self.line.push(byte);
                continue;
            }
            let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
            if self.counted.read_libtest_line(&line) {
                self.closed += 1;
            } else if opens(&line) {
                self.opened += 1;
            }
        }
    }

    /// What the run counts for, and what is wrong with it beyond the tests that say so themselves.
    pub(crate) fn end(self, ended: &Ended) -> (Summary, Vec<String>) {
        let mut summary = self.counted;
        let mut wrong = Vec::new();
        // A program that left early may even have an exit status of 0.
        let unfinished = self.opened.saturating_sub(self.closed);
        if unfinished > 0 {
            wrong.push(format!("{unfinished} test programs ended without their closing line"));
            summary.failed += unfinished;
        }
        match ended {
            Ended::Exited(status) if status.success() => {
                if summary == Summary::default() {
                    wrong.push("no test ran".to_owned());
                    summary.failed = 1;
                }
            }
            // It did not build, say.
            Ended::Exited(status) => {
                wrong.push(status.to_string());
                summary.failed = summary.failed.max(1);
            }
            // The program that finds no end is one of the unfinished, if it got so far.
            Ended::TimedOut(limit) => {
                wrong.push(format!("no end after {} s", limit.as_secs()));
                if unfinished == 0 {
                    summary.failed += 1;
                }
            }
        }
        (summary, wrong)
    }
}

/// `running 3 tests`, with which a test program begins.
fn opens(line: &str) -> bool {
    let count = line.trim().strip_prefix("running ").and_then(|rest| rest.split_once(" test"));
    count.is_some_and(|(count, rest)| count.parse::<u32>().is_ok() && matches!(rest, "" | "s"))
}

/// The lanes that ran, and how each of them ended.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    ran: Vec<(String, Summary, Duration)>,
}

impl Lanes {
    /// Runs one. A lane that ends in an error has failed, whatever it counted before; one in which
    /// nothing ran, and which does not say why, has failed, too.
    pub(crate) fn run(&mut self, name: &str, lane: impl FnOnce() -> Result<Summary>) {
        println!("\n== {name}");
        let begin = Instant::now();
        let summary = match lane() {
            Ok(summary) if summary == Summary::default() => {
                Summary::of(name, Err(anyhow::anyhow!("nothing ran")))
            }
            Ok(summary) => summary,
            Err(error) => Summary::of(name, Err(error)),
        };
        self.ran.push((name.to_owned(), summary, begin.elapsed()));
    }

    fn total(&self) -> Summary {
        let mut total = Summary::default();
        self.ran.iter().for_each(|(_, summary, _)| total += *summary);
        total
    }

    /// Prints the closing lines, and fails if not all is good.
    pub(crate) fn end(&self, require: bool) -> Result<()> {
        println!();
        for (name, summary, took) in &self.ran {
            println!("{name:12} {:5} s   {summary}", took.as_secs());
        }
        let total = self.total();
        println!("{total}");
        if !total.good(require) {
            bail!("not all good");
        }
        Ok(())
    }
}

/// What the whole command returns to whoever started it.
pub(crate) fn exit_code(done: &Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    const GOOD: &str = "\nrunning 2 tests\ntest a ... ok\ntest b ... ok\n\n\
        test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.40s\n";
    const CUT_SHORT: &str = "\nrunning 2 tests\ntest a ... ok\n";
    const EMPTY: &str = "\nrunning 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured\n";

    /// A wait status: an exit code, or the number of the signal that ended the process.
    fn exited(code: i32) -> Ended {
        Ended::Exited(ExitStatus::from_raw(code << 8))
    }

    /// How a run counts, and whether it is complained about.
    fn judged(printed: &[&str], ended: &Ended) -> (String, bool) {
        let mut programs = Programs::default();
        printed.iter().for_each(|part| programs.take(part.as_bytes()));
        let (summary, wrong) = programs.end(ended);
        assert_eq!(summary.good(false), wrong.is_empty() && summary.failed == 0);
        (summary.to_string(), !wrong.is_empty())
    }

    fn is(counts: &str, complaint: bool) -> (String, bool) {
        (counts.to_owned(), complaint)
    }

    #[test]
    fn closing_lines_are_added_up() {
        let mut summary = Summary::default();
        for line in [
            "running 3 tests",
            "test result: ok. 17 passed; 0 failed; 2 ignored; 0 measured; 5 filtered out; finished in 0.40s",
            "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s",
            "test a ... ok",
        ] {
            summary.read_libtest_line(line);
        }
        assert_eq!(summary.to_string(), "18 passed, 1 failed, 2 skipped");
        assert!(!summary.good(false));
    }

    #[test]
    fn nothing_run_is_not_good() {
        assert!(!Summary::default().good(false));
        let skipped = Summary { passed: 1, failed: 0, skipped: 1 };
        assert!(skipped.good(false) && !skipped.good(true));
        assert!(!Summary { passed: 5, failed: 1, skipped: 0 }.good(false));
    }

    #[test]
    fn a_run_in_which_all_is_well_is_its_closing_lines() {
        assert_eq!(judged(&[GOOD, EMPTY, GOOD], &exited(0)), is("4 passed, 0 failed, 0 skipped", false));
        // However it arrives.
        let (one, two) = GOOD.split_at(70);
        assert_eq!(judged(&[one, two], &exited(0)), is("2 passed, 0 failed, 0 skipped", false));
    }

    #[test]
    fn a_program_without_a_closing_line_has_failed_whatever_the_exit_status() {
        for status in [exited(0), exited(101), Ended::Exited(ExitStatus::from_raw(11))] {
            assert_eq!(judged(&[GOOD, CUT_SHORT], &status), is("2 passed, 1 failed, 0 skipped", true));
            assert_eq!(judged(&[CUT_SHORT, GOOD], &status), is("2 passed, 1 failed, 0 skipped", true));
        }
        assert_eq!(judged(&[CUT_SHORT, CUT_SHORT], &exited(1)), is("0 passed, 2 failed, 0 skipped", true));
    }

    #[test]
    fn a_bad_exit_status_is_a_failure_although_no_test_says_so() {
        assert_eq!(judged(&[], &exited(101)), is("0 passed, 1 failed, 0 skipped", true));
        assert_eq!(judged(&[GOOD], &exited(101)), is("2 passed, 1 failed, 0 skipped", true));
    }

    #[test]
    fn a_failed_test_is_counted_once() {
        let failed = "running 2 tests\ntest result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured\n";
        assert_eq!(judged(&[failed], &exited(101)), is("1 passed, 1 failed, 0 skipped", true));
        // And at all, if the exit status tells another story.
        assert_eq!(judged(&[failed], &exited(0)), is("1 passed, 1 failed, 0 skipped", false));
    }

    #[test]
    fn a_run_that_finds_no_end_has_failed() {
        let late = Ended::TimedOut(Duration::from_secs(9));
        assert_eq!(judged(&[GOOD], &late), is("2 passed, 1 failed, 0 skipped", true));
        assert_eq!(judged(&[GOOD, CUT_SHORT], &late), is("2 passed, 1 failed, 0 skipped", true));
        assert_eq!(judged(&[], &late), is("0 passed, 1 failed, 0 skipped", true));
    }

    #[test]
    fn a_run_of_no_test_at_all_has_failed() {
        assert_eq!(judged(&[EMPTY], &exited(0)), is("0 passed, 1 failed, 0 skipped", true));
        assert_eq!(judged(&[], &exited(0)), is("0 passed, 1 failed, 0 skipped", true));
    }

    #[test]
    fn only_a_program_of_tests_opens() {
        assert!(opens("running 1 test") && opens("running 12 tests"));
        assert!(!opens("running 1 tested") && !opens("running for 3 tests") && !opens("test a ... ok"));
    }

    fn lanes(ends: Vec<Result<Summary>>) -> Lanes {
        let mut lanes = Lanes::default();
        for end in ends {
            lanes.run("a lane", || end);
        }
        lanes
    }

    #[test]
    fn a_lane_that_ends_in_an_error_has_failed_and_is_not_skipped() {
        let lanes = lanes(vec![Ok(Summary::PASSED), Err(anyhow::anyhow!("no such file"))]);
        assert_eq!(lanes.total().to_string(), "1 passed, 1 failed, 0 skipped");
        assert!(lanes.end(false).is_err());
    }

    #[test]
    fn a_lane_in_which_nothing_ran_has_failed_whatever_others_did() {
        let lanes = lanes(vec![Ok(Summary::PASSED), Ok(Summary::default())]);
        assert_eq!(lanes.total().to_string(), "1 passed, 1 failed, 0 skipped");
        assert!(lanes.end(false).is_err());
        assert!(Lanes::default().end(false).is_err());
    }

    #[test]
    fn a_lane_that_fails_is_not_made_good_by_others() {
        assert!(
            lanes(vec![Ok(Summary::PASSED), Ok(Summary::FAILED), Ok(Summary::PASSED)]).end(false).is_err()
        );
        assert!(lanes(vec![Ok(Summary::PASSED), Ok(Summary::PASSED)]).end(true).is_ok());
    }

    #[test]
    fn what_is_skipped_is_good_unless_all_is_required() {
        let skipped = || Ok(Summary::skipped("a check", "no such tool"));
        assert!(lanes(vec![Ok(Summary::PASSED), skipped()]).end(false).is_ok());
        assert!(lanes(vec![Ok(Summary::PASSED), skipped()]).end(true).is_err());
        // Nothing was shown.
        assert!(lanes(vec![skipped()]).end(false).is_err());
    }

    #[test]
    fn the_exit_code_is_0_for_what_is_good_alone() {
        let code = |done| format!("{:?}", exit_code(&done));
        assert_eq!(code(Ok(())), format!("{:?}", ExitCode::SUCCESS));
        assert_eq!(code(Err(anyhow::anyhow!("no"))), format!("{:?}", ExitCode::FAILURE));
        assert_ne!(format!("{:?}", ExitCode::SUCCESS), format!("{:?}", ExitCode::FAILURE));
    }
}
