//! What became of a run: the closing line and the exit code, which have to agree.

use anyhow::{Result, bail};
use judge::Summary;
use std::fmt;

/// How the last line of a run begins.
const CLOSING: &str = "all: ";

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The closing line names no failure and the exit code is 0.
    Good,
    /// It ended with failures and said so.
    Failed { code: i32 },
    /// It did not end as it should: no closing line, or the two disagree.
    Unclear(String),
}

impl Verdict {
    pub(super) fn good(&self) -> Result<()> {
        match self {
            Verdict::Good => Ok(()),
            other => bail!("{other}"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Good => f.write_str("closing line and exit code agree"),
            Verdict::Failed { code } => write!(f, "failures, exit code {code}"),
            Verdict::Unclear(why) => f.write_str(why),
        }
    }
}

/// Judges a run by its lines and its exit code (`None` if a signal ended it).
pub(super) fn judge(lines: &[String], code: Option<i32>) -> (Verdict, Summary) {
    let mut counted = lines.last().and_then(|line| line.strip_prefix(CLOSING)).and_then(counts);
    let verdict = match (&counted, code) {
        (Some(counted), Some(0)) if counted.failed == 0 && counted.passed > 0 => Verdict::Good,
        (Some(counted), Some(code)) if counted.failed > 0 && code != 0 => Verdict::Failed { code },
        (Some(counted), code) => {
            Verdict::Unclear(format!("the closing line says {counted}, the exit code is {code:?}"))
        }
        (None, code) => Verdict::Unclear(format!("no closing line, exit code {code:?}")),
    };
    if let Some(counted) = &mut counted {
        counted.left_out = lines.iter().filter_map(|line| skipped(line)).collect();
    }
    (verdict, counted.unwrap_or_default())
}

/// Judges an example, whose last line is `done`.
pub(super) fn done(lines: &[String], code: Option<i32>) -> Result<()> {
    match (lines.last().map(String::as_str), code) {
        (Some("done"), Some(0)) => Ok(()),
        (last, code) => bail!("the last line is {last:?}, the exit code {code:?}"),
    }
}

/// `N passed, N failed, N skipped`.
fn counts(line: &str) -> Option<Summary> {
    let mut numbers = line.split(", ").zip(["passed", "failed", "skipped"]).map(|(part, what)| {
        let (number, word) = part.split_once(' ')?;
        (word == what).then(|| number.parse().ok())?
    });
    let [passed, failed, skipped] = [numbers.next()??, numbers.next()??, numbers.next()??];
    Some(Summary { passed, failed, skipped, ..Summary::default() })
}

/// ` 4 A scenario: skipped: for a reason`, as an entry of what was left out.
fn skipped(line: &str) -> Option<String> {
    let (what, why) = line.split_once(": skipped: ")?;
    Some(format!("{}: {why}", what.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(closing: &str, code: Option<i32>) -> Verdict {
        judge(&["1 a scenario: ok".to_owned(), closing.to_owned()], code).0
    }

    #[test]
    fn both_signals_are_needed() {
        assert_eq!(judged("all: 20 passed, 0 failed, 2 skipped", Some(0)), Verdict::Good);
        for (closing, code) in [
            ("18 passed, 0 failed, 0 skipped", Some(0)),
            ("all: 20 passed, 0 failed, 2 skipped", Some(1)),
            ("all: 20 passed, 0 failed, 2 skipped", None),
            ("all: 20 passed, 1 failed, 2 skipped", Some(0)),
            ("all: 0 passed, 0 failed, 2 skipped", Some(0)),
            ("all: 20 passed, 0 failed", Some(0)),
        ] {
            assert!(matches!(judged(closing, code), Verdict::Unclear(_)), "{closing} {code:?}");
        }
    }

    #[test]
    fn what_is_skipped_is_known_by_its_line() {
        let lines = [" 4 A scenario: skipped: it has no heap", "all: 2 passed, 0 failed, 1 skipped"];
        let (verdict, summary) = judge(&lines.map(str::to_owned), Some(0));
        assert_eq!(verdict, Verdict::Good);
        assert_eq!(
            (summary.skipped, &*summary.left_out),
            (1, &["4 A scenario: it has no heap".to_owned()][..])
        );
    }

    #[test]
    fn an_example_is_done_if_it_says_so_and_its_exit_code_does() {
        let lines = |last: &str| ["20 °C".to_owned(), last.to_owned()];
        assert!(done(&lines("done"), Some(0)).is_ok());
        for (last, code) in [("done", Some(1)), ("done", None), ("something is wrong", Some(0))] {
            assert!(done(&lines(last), code).is_err());
        }
        assert!(done(&[], Some(0)).is_err());
    }

    #[test]
    fn a_failure_that_is_told_is_a_failure() {
        assert_eq!(judged("all: 3 passed, 15 failed, 2 skipped", Some(1)), Verdict::Failed { code: 1 });
    }

    #[test]
    fn a_closing_line_counts_only_as_the_last_one() {
        let lines = ["all: 20 passed, 0 failed, 2 skipped".to_owned(), "panicked at main.rs".to_owned()];
        assert!(matches!(judge(&lines, Some(0)).0, Verdict::Unclear(_)));
    }
}
