//! How a run of tests ended, in numbers, and the closing line.

use std::fmt;
use std::ops::AddAssign;

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
    #[allow(dead_code)] // lanes that can be skipped follow
    pub(crate) fn skipped(what: &str, reason: &str) -> Summary {
        println!("skipped: {what}: {reason}");
        Summary { passed: 0, failed: 0, skipped: 1 }
    }

    /// One check by its result; a failure is printed.
    pub(crate) fn of(what: &str, result: anyhow::Result<()>) -> Summary {
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

    /// Reads one line of what `cargo test` prints; adds the counts if it is a closing line.
    pub(crate) fn read_libtest_line(&mut self, line: &str) {
        let Some(counts) = line.trim().strip_prefix("test result: ") else { return };
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

#[cfg(test)]
mod tests {
    use super::*;

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
    }
}
