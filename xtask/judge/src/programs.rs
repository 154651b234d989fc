//! What test programs print becomes counts.

use super::Summary;
use toolchain::command::Ended;

impl Summary {
    /// Reads one line of what a test program prints. A closing line adds its counts, and it is said how
    /// many tests they are of; a line about a test that was ignored or has failed gives one of them its name.
    pub fn read_libtest_line(&mut self, line: &str) -> Option<u32> {
        let line = line.trim();
        let Some(counts) = line.strip_prefix("test result: ") else {
            self.left_out.extend(ignored(line));
            self.broken.extend(failed_test(line).map(str::to_owned));
            return None;
        };
        let counts = counts.split_once(". ").map_or(counts, |(_, counts)| counts);
        let mut told = 0;
        for part in counts.split("; ") {
            let mut words = part.split(' ');
            let (Some(count), Some(what)) = (words.next(), words.next()) else { continue };
            let Ok(count) = count.parse::<u32>() else { continue };
            match what {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.skipped += count,
                "measured" => {}
                // Those that were not chosen are not announced, either.
                _ => continue,
            }
            told += count;
        }
        Some(told)
    }
}

/// `test a::b ... ignored, for a reason`, as an entry of what was left out. A program with a `main` of
/// its own has `(for a reason)` there, and names in a column.
fn ignored(line: &str) -> Option<String> {
    let (name, how) = line.strip_prefix("test ")?.split_once(" ... ignored")?;
    let name = name.trim_end();
    let in_brackets = || how.strip_prefix(" (")?.strip_suffix(')');
    match how.strip_prefix(", ").or_else(in_brackets) {
        Some(reason) => Some(format!("{name}: {reason}")),
        None => how.is_empty().then(|| name.to_owned()),
    }
}

/// The name in `test a::b ... FAILED`.
pub fn failed_test(line: &str) -> Option<&str> {
    Some(line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?.trim_end())
}

/// The number in `running 3 tests`, with which a test program begins.
pub fn announced(line: &str) -> Option<u32> {
    let (count, rest) = line.trim().strip_prefix("running ")?.split_once(" test")?;
    matches!(rest, "" | "s").then(|| count.parse().ok())?
}

/// The test programs of one `cargo test`, by what they print.
#[derive(Debug, Default)]
pub struct Programs {
    line: Vec<u8>,
    counted: Summary,
    /// How many said how many tests they have, and how many said how those went.
    opened: u32,
    closed: u32,
    /// The tests of the first, and those of the second.
    announced: u32,
    told: u32,
}

impl Programs {
    /// Reads on.
    pub fn take(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte != b'\n' {
                self.line.push(byte);
                continue;
            }
            let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
            if let Some(told) = self.counted.read_libtest_line(&line) {
                self.closed += 1;
                self.told += told;
            } else if let Some(announced) = announced(&line) {
                self.opened += 1;
                self.announced += announced;
            }
        }
    }

    /// What the run counts for, and what is wrong with it beyond the tests that say so themselves.
    pub fn end(self, ended: &Ended) -> (Summary, Vec<String>) {
        let mut summary = self.counted;
        let mut wrong = Vec::new();
        // A program that left early may even have an exit status of 0.
        let unfinished = self.opened.saturating_sub(self.closed);
        if unfinished > 0 {
            wrong.push(format!("{unfinished} test programs ended without their closing line"));
            summary.failed += unfinished;
        } else if self.told != self.announced {
            wrong.push(format!("{} tests were announced and {} told", self.announced, self.told));
            summary.failed += 1;
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;
    use std::time::Duration;

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
        assert_eq!(summary.good(), wrong.is_empty() && summary.failed == 0);
        (summary.to_string(), !wrong.is_empty())
    }

    fn is(counts: &str, complaint: bool) -> (String, bool) {
        (counts.to_owned(), complaint)
    }

    #[test]
    fn closing_lines_are_added_up() {
        let mut summary = Summary::default();
        let told = [
            "running 3 tests",
            "test result: ok. 17 passed; 0 failed; 2 ignored; 0 measured; 5 filtered out; finished in 0.40s",
            "test result: FAILED. 1 passed; 1 failed; 0 ignored; 1 measured; 0 filtered out; finished in 1s",
            "test a ... ok",
        ]
        .map(|line| summary.read_libtest_line(line));
        assert_eq!(summary.to_string(), "18 passed, 1 failed, 2 skipped");
        assert_eq!(told, [None, Some(19), Some(3), None]);
        assert!(!summary.good());
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
    fn a_program_that_tells_of_fewer_tests_than_it_announced_has_failed() {
        let fewer = GOOD.replace("running 2 tests", "running 3 tests");
        assert_eq!(judged(&[&fewer], &exited(0)), is("2 passed, 1 failed, 0 skipped", true));
        assert_eq!(judged(&[GOOD, &fewer, EMPTY], &exited(0)), is("4 passed, 1 failed, 0 skipped", true));
        // Ignored ones are told, and those that were not chosen are not announced.
        let all =
            "running 3 tests\ntest result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 7 filtered out\n";
        assert_eq!(judged(&[all], &exited(0)), is("2 passed, 0 failed, 1 skipped", false));
    }

    #[test]
    fn a_bad_exit_status_is_a_failure_although_no_test_says_so() {
        assert_eq!(judged(&[], &exited(101)), is("0 passed, 1 failed, 0 skipped", true));
        assert_eq!(judged(&[GOOD], &exited(101)), is("2 passed, 1 failed, 0 skipped", true));
        let killed = Ended::Exited(ExitStatus::from_raw(11));
        assert_eq!(judged(&[GOOD], &killed), is("2 passed, 1 failed, 0 skipped", true));
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
    fn only_a_program_of_tests_announces_some() {
        assert_eq!([announced("running 1 test"), announced("running 12 tests")], [Some(1), Some(12)]);
        for other in ["running 1 tested", "running for 3 tests", "test a ... ok"] {
            assert_eq!(announced(other), None, "{other}");
        }
    }

    #[test]
    fn a_failed_test_is_known_by_its_name() {
        let mut programs = Programs::default();
        programs.take(b"running 2 tests\ntest a::b    ... FAILED\ntest b ... ok\n");
        programs.take(b"test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured\n");
        let (summary, _) = programs.end(&exited(101));
        assert_eq!((summary.failed, summary.broken), (1, vec!["a::b".into()]));
    }

    #[test]
    fn an_ignored_test_is_known_by_its_name_and_reason() {
        assert_eq!(ignored("test a::b ... ignored, no signals").unwrap(), "a::b: no signals");
        assert_eq!(ignored("test src/a.rs - b (line 3) ... ignored").unwrap(), "src/a.rs - b (line 3)");
        assert_eq!(ignored("test a    ... ignored (none here)").unwrap(), "a: none here");
        assert!(ignored("test a ... ok").is_none() && ignored("a ... ignored").is_none());
        let mut programs = Programs::default();
        programs.take(b"running 2 tests\ntest a ... ignored, no signals\ntest b ... ok\n");
        programs.take(b"test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured\n");
        let (summary, wrong) = programs.end(&exited(0));
        assert_eq!((summary.skipped, summary.left_out, wrong.len()), (1, vec!["a: no signals".into()], 0));
    }
}
