//! Whether a program that ran on FreeBSD was good: by what it printed and by how it ended.

use freebsd_init::frame::Ending;
use judge::Summary;

/// Reads what one test program prints, and says in the end what it is worth.
///
/// A program's own count is taken from its last closing line only, and only if the way it ended
/// agrees: what a test prints in the middle does not count.
#[derive(Default)]
pub(super) struct Tally {
    line: Vec<u8>,
    /// How many tests it announced first, if it is a program of libtest. Those that a test starts
    /// announce theirs later.
    announced: Option<u32>,
    /// Its last closing line, and how many tests that tells of.
    closing: Option<(Summary, u32)>,
}

impl Tally {
    pub(super) fn take(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte != b'\n' {
                self.line.push(byte);
                continue;
            }
            let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
            self.announced = self.announced.or_else(|| judge::announced(&line));
            let mut summary = Summary::default();
            if let Some(told) = summary.read_libtest_line(&line) {
                self.closing = Some((summary, told));
            } else if !line.trim().is_empty() {
                // Nothing comes after a real closing line.
                self.closing = None;
            }
        }
    }

    /// What the program counts for, and what is wrong with it.
    pub(super) fn end(&mut self, ending: Ending) -> (Summary, Option<String>) {
        let closing = self.closing.take();
        let told = closing.as_ref().map(|(_, told)| *told);
        let mut summary = closing.map(|(summary, _)| summary).unwrap_or_default();
        let complaint = match (ending, told) {
            (Ending::Exited(0), Some(_)) if summary.failed > 0 => {
                Some("tests failed, and the exit status is 0".to_owned())
            }
            (Ending::Exited(0), Some(told)) => {
                let announced = self.announced.unwrap_or(0);
                (announced != told).then(|| format!("{announced} tests were announced and {told} told"))
            }
            (Ending::Exited(0), None) if self.announced.is_some() => {
                Some("it ended before its closing line, with exit status 0".to_owned())
            }
            // A program with a `main` of its own is one check.
            (Ending::Exited(0), None) => {
                summary = Summary::PASSED;
                None
            }
            (other, _) => Some(words(other)),
        };
        if complaint.is_some() {
            summary.failed = summary.failed.max(1);
        }
        (summary, complaint)
    }
}

/// How a program ended, for a person.
pub(super) fn words(ending: Ending) -> String {
    match ending {
        Ending::Exited(status) => format!("ended with exit status {status}"),
        Ending::Signalled(signal) => format!("was killed by signal {signal}"),
        Ending::TimedOut(seconds) => format!("was killed: no end after {seconds} s"),
        Ending::NotStarted(error) => format!("could not be started: error {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(output: &str, ending: Ending) -> (String, Option<String>) {
        let mut tally = Tally::default();
        // In pieces, as it comes.
        output.as_bytes().chunks(7).for_each(|chunk| tally.take(chunk));
        let (summary, complaint) = tally.end(ending);
        (summary.to_string(), complaint)
    }

    const GOOD: &str =
        "\nrunning 3 tests\ntest a ... ok\n\ntest result: ok. 2 passed; 0 failed; 1 ignored; 0 measured\n\n";

    #[test]
    fn a_good_program_counts_what_it_says() {
        assert_eq!(end(GOOD, Ending::Exited(0)), ("2 passed, 0 failed, 1 skipped".into(), None));
    }

    #[test]
    fn a_program_with_its_own_main_is_one_check() {
        assert_eq!(end("quiet\n", Ending::Exited(0)).0, "1 passed, 0 failed, 0 skipped");
        assert_eq!(end("quiet\n", Ending::Exited(1)).0, "0 passed, 1 failed, 0 skipped");
    }

    #[test]
    fn how_a_program_ends_counts_more_than_what_it_says() {
        for (ending, words) in [
            (Ending::Exited(101), "exit status 101"),
            (Ending::Signalled(11), "signal 11"),
            (Ending::TimedOut(300), "300 s"),
            (Ending::NotStarted(8), "error 8"),
        ] {
            let (summary, complaint) = end(GOOD, ending);
            assert_eq!(summary, "2 passed, 1 failed, 1 skipped");
            assert!(complaint.unwrap().contains(words));
        }
    }

    #[test]
    fn a_closing_line_of_a_tests_own_is_no_closing_line() {
        let forged = "running 2 tests\ntest result: ok. 9 passed; 0 failed; 0 ignored\ntest b ...\n";
        let (summary, complaint) = end(forged, Ending::Exited(0));
        assert_eq!(summary, "0 passed, 1 failed, 0 skipped");
        assert!(complaint.unwrap().contains("before its closing line"));
        let forged = "tests\nrunning 9 tests\ntest result: ok. 9 passed; 0 failed; 0 ignored\n";
        assert_eq!(
            end(&GOOD.replacen("tests\n", forged, 1), Ending::Exited(0)),
            end(GOOD, Ending::Exited(0))
        );
    }

    #[test]
    fn a_program_that_tells_of_other_tests_than_it_announced_has_failed() {
        for announced in ["running 2 tests", "running 4 tests", "silence"] {
            let output = GOOD.replace("running 3 tests", announced);
            let (summary, complaint) = end(&output, Ending::Exited(0));
            assert_eq!(summary, "2 passed, 1 failed, 1 skipped", "{announced}");
            assert!(complaint.unwrap().ends_with("were announced and 3 told"), "{announced}");
        }
    }

    #[test]
    fn a_failed_test_is_counted_once() {
        let bad = GOOD.replace("ok. 2 passed; 0 failed", "FAILED. 1 passed; 1 failed");
        assert_eq!(end(&bad, Ending::Exited(101)).0, "1 passed, 1 failed, 1 skipped");
        assert_eq!(end(&bad, Ending::Exited(0)).1.unwrap(), "tests failed, and the exit status is 0");
    }
}
