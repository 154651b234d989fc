//! The judge: what ran becomes `N passed, N failed, N skipped` and an exit code.
//!
//! Whatever else the lanes do, nothing is green that did not run, and each way to go wrong without a
//! word has a test below or in `xtask/lanes/tests/judged.rs`: a test program that crashes or leaves before its
//! closing line, a run that finds no end, a lane that cannot say how it went, a lane in which nothing ran.

mod programs;
mod run;

pub use programs::{Programs, announced, failed_test};
pub use run::{LIMIT, cargo_test, cargo_tests};

use anyhow::{Result, bail};
use std::fmt::{self, Write as _};
use std::ops::AddAssign;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What ran. A check that cannot run here is skipped with a reason, printed when it is skipped and
/// once more at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many were good.
    pub passed: u32,
    /// How many were not.
    pub failed: u32,
    /// How many could not run here.
    pub skipped: u32,
    /// Those skipped that have a name, and why.
    pub left_out: Vec<String>,
    /// Those failed that have a name, and what is wrong with them where that is short.
    pub broken: Vec<String>,
}

impl Summary {
    /// One good check.
    pub const PASSED: Summary = Summary::checks(1, 0);
    /// One bad check, which has no name.
    pub const FAILED: Summary = Summary::checks(0, 1);

    const fn checks(passed: u32, failed: u32) -> Summary {
        Summary { passed, failed, skipped: 0, left_out: Vec::new(), broken: Vec::new() }
    }

    /// One check that could not run, said loudly.
    pub fn skipped(what: &str, reason: &str) -> Summary {
        println!("skipped: {what}: {reason}");
        Summary { skipped: 1, left_out: vec![format!("{what}: {reason}")], ..Summary::default() }
    }

    /// One check by its result; a failure is printed.
    pub fn of(what: &str, result: Result<()>) -> Summary {
        match result {
            Ok(()) => {
                println!("ok: {what}");
                Summary::PASSED
            }
            Err(error) => {
                println!("FAILED: {what}: {error:#}");
                let said = format!("{error:#}");
                let broken = vec![format!("{what}: {}", said.lines().next().unwrap_or_default())];
                Summary { broken, ..Summary::FAILED }
            }
        }
    }

    /// Whether something ran and nothing failed.
    pub fn good(&self) -> bool {
        self.failed == 0 && self.passed > 0
    }
}

impl AddAssign for Summary {
    fn add_assign(&mut self, mut other: Summary) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.left_out.append(&mut other.left_out);
        self.broken.append(&mut other.broken);
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// A lane's name and what it does.
pub type Lane<'a> = (&'a str, Box<dyn Fn() -> Result<Summary> + 'a>);

/// Runs the lanes one after the other, whatever becomes of each; prints the closing lines, and fails if
/// not all is good. With `require`, what was skipped has failed. A lane but the first that would begin after
/// the time `within` is skipped. What `table` makes of the lanes stands above the closing lines.
pub fn judge(
    lanes: &[Lane],
    require: bool,
    within: Option<Duration>,
    table: impl FnOnce(&[Ran]) -> String,
) -> Result<()> {
    let began = Instant::now();
    let late = |at: usize| within.filter(|within| at > 0 && began.elapsed() >= *within);
    let one = |(at, (name, lane)): (usize, &Lane)| match late(at) {
        Some(within) => Ran::of(name, || Ok(too_late(name, within))),
        None => Ran::of(name, lane),
    };
    let ran: Vec<_> = lanes.iter().enumerate().map(one).collect();
    let (closing, good) = close(&ran, require);
    println!("\n{}{closing}", table(&ran));
    if !good {
        bail!("not everything passed");
    }
    Ok(())
}

fn too_late(name: &str, within: Duration) -> Summary {
    Summary::skipped(name, &format!("no time was left of {} minutes", within.as_secs() / 60))
}

/// A lane that ran, and how it ended.
pub struct Ran {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub summary: Summary,
    took: Duration,
}

impl Ran {
    /// Runs it. A lane that ends in an error has failed, whatever it counted before; one in which
    /// nothing ran, and which does not say why, has failed, too.
    pub fn of(name: &str, lane: impl FnOnce() -> Result<Summary>) -> Ran {
        println!("\n== {name}");
        let begin = Instant::now();
        let summary = match lane() {
            Ok(summary) if summary == Summary::default() => {
                Summary::of(name, Err(anyhow::anyhow!("nothing ran")))
            }
            Ok(summary) => summary,
            Err(error) => Summary::of(name, Err(error)),
        };
        Ran { name: name.to_owned(), summary, took: begin.elapsed() }
    }
}

/// The closing lines, of which the last one has the counts, and whether all is good.
fn close(ran: &[Ran], require: bool) -> (String, bool) {
    let mut lines = String::new();
    let mut total = Summary::default();
    for Ran { name, summary, took } in ran {
        let _ = writeln!(lines, "{name:12} {:5} s   {summary}", took.as_secs());
        total += summary.clone();
    }
    lines += &named("skipped", ran, |summary| (summary.skipped, &summary.left_out));
    lines += &named("failed", ran, |summary| (summary.failed, &summary.broken));
    if ran.len() > 1 {
        // Near the end, which is all that is kept of a long log.
        let _ = writeln!(lines, "slowest: {}", slowest(ran));
    }
    if require {
        total.failed += std::mem::take(&mut total.skipped);
    }
    let _ = write!(lines, "{total}");
    (lines, total.good())
}

/// Those of all lanes that were skipped, or have failed, by name: how many there are in a lane, and the names.
fn named(what: &str, ran: &[Ran], of: impl Fn(&Summary) -> (u32, &Vec<String>)) -> String {
    let mut lines = String::new();
    for Ran { name, summary, .. } in ran {
        let (count, names) = of(summary);
        for what in names {
            let _ = writeln!(lines, "  {name}: {what}");
        }
        let nameless = count.saturating_sub(names.len() as u32);
        if nameless > 0 {
            let _ = writeln!(lines, "  {name}: {nameless} that only its output names");
        }
    }
    if lines.is_empty() { lines } else { format!("{what}:\n{lines}") }
}

/// The lanes that took longest, a dozen at most.
fn slowest(ran: &[Ran]) -> String {
    let mut by_time: Vec<&Ran> = ran.iter().collect();
    by_time.sort_by_key(|ran| std::cmp::Reverse(ran.took));
    let dozen = by_time.iter().take(12).map(|ran| format!("{} {} s", ran.name, ran.took.as_secs()));
    dozen.collect::<Vec<_>>().join(", ")
}

/// What the whole command returns to whoever started it.
pub fn exit_code(done: &Result<()>) -> ExitCode {
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

    /// How lanes that end like this are closed: the counts, and whether all is good.
    fn closed(ends: Vec<Result<Summary>>, require: bool) -> (String, bool) {
        let ran: Vec<_> = ends.into_iter().map(|end| Ran::of("a lane", || end)).collect();
        let (lines, good) = close(&ran, require);
        (lines.lines().last().unwrap_or_default().to_owned(), good)
    }

    fn is(counts: &str, good: bool) -> (String, bool) {
        (counts.to_owned(), good)
    }

    fn none(_: &[Ran]) -> String {
        String::new()
    }

    fn skipped() -> Result<Summary> {
        Ok(Summary::skipped("a check", "no such tool"))
    }

    #[test]
    fn a_lane_that_ends_in_an_error_has_failed_and_the_others_still_run() {
        let failing = || Err(anyhow::anyhow!("no such file"));
        let ends = vec![failing(), Ok(Summary::PASSED), failing(), Ok(Summary::PASSED)];
        assert_eq!(closed(ends, false), is("2 passed, 2 failed, 0 skipped", false));
        let later = std::cell::Cell::new(0);
        let lanes: [Lane; 2] = [
            ("fails", Box::new(failing)),
            ("later", Box::new(|| Ok(Summary { passed: later.replace(1) + 1, ..Summary::default() }))),
        ];
        assert!(judge(&lanes, false, None, none).is_err());
        assert_eq!(later.get(), 1);
        assert!(judge(&lanes[1..], true, None, none).is_ok());
    }

    #[test]
    fn a_lane_in_which_nothing_ran_has_failed_whatever_others_did() {
        let ends = || vec![Ok(Summary::PASSED), Ok(Summary::default())];
        assert_eq!(closed(ends(), false), is("1 passed, 1 failed, 0 skipped", false));
        assert_eq!(closed(vec![], false), is("0 passed, 0 failed, 0 skipped", false));
        assert!(judge(&[], false, None, none).is_err());
    }

    #[test]
    fn a_lane_for_which_no_time_is_left_is_skipped_and_the_first_one_runs() {
        let ran = std::cell::Cell::new(0);
        let one_more = || {
            ran.set(ran.get() + 1);
            Ok(Summary::PASSED)
        };
        let lanes: [Lane; 2] = [("first", Box::new(one_more)), ("later", Box::new(one_more))];
        assert!(judge(&lanes, false, Some(Duration::ZERO), none).is_ok());
        assert_eq!(ran.replace(0), 1);
        assert!(judge(&lanes, true, Some(Duration::ZERO), none).is_err(), "what is skipped has failed");
        assert!(judge(&lanes, false, Some(Duration::from_secs(600)), none).is_ok());
        assert_eq!(ran.get(), 3);
        let left = too_late("later", Duration::from_secs(600));
        assert_eq!((left.skipped, left.left_out.len()), (1, 1));
        assert!(left.left_out[0].contains("no time was left of 10 minutes"), "{:?}", left.left_out);
    }

    #[test]
    fn a_lane_that_fails_is_not_made_good_by_others() {
        let ends = vec![Ok(Summary::PASSED), Ok(Summary::FAILED), Ok(Summary::PASSED)];
        assert_eq!(closed(ends, false), is("2 passed, 1 failed, 0 skipped", false));
        let ends = vec![Ok(Summary::PASSED), Ok(Summary::PASSED)];
        assert_eq!(closed(ends, true), is("2 passed, 0 failed, 0 skipped", true));
    }

    #[test]
    fn what_is_skipped_is_good_unless_all_is_required() {
        let ends = || vec![Ok(Summary::PASSED), skipped()];
        assert_eq!(closed(ends(), false), is("1 passed, 0 failed, 1 skipped", true));
        assert_eq!(closed(ends(), true), is("1 passed, 1 failed, 0 skipped", false));
        // Nothing was shown.
        assert_eq!(closed(vec![skipped()], false), is("0 passed, 0 failed, 1 skipped", false));
    }

    #[test]
    fn what_was_skipped_is_named_before_the_counts() {
        let mut summary = skipped().unwrap();
        summary += Summary { passed: 1, skipped: 2, ..Summary::default() };
        let (lines, good) = close(&[Ran { name: "asan".into(), summary, took: Duration::ZERO }], false);
        let wanted = "skipped:\n  asan: a check: no such tool\n  asan: 2 that only its output names\n\
                      1 passed, 0 failed, 3 skipped";
        assert!(good && lines.ends_with(wanted), "{lines}");
        let (lines, _) = close(&[Ran::of("host", || Ok(Summary::PASSED))], false);
        assert!(!lines.contains("skipped:"), "{lines}");
    }

    #[test]
    fn what_failed_is_named_last_before_the_counts() {
        let mut summary = Summary::of("a check", Err(anyhow::anyhow!("no such file\nand more")));
        summary += Summary { passed: 1, failed: 2, broken: vec!["a::b".into()], ..Summary::default() };
        summary += skipped().unwrap();
        let (lines, good) = close(&[Ran { name: "asan".into(), summary, took: Duration::ZERO }], false);
        let wanted = "  asan: a check: no such tool\nfailed:\n  asan: a check: no such file\n  asan: a::b\n  \
                      asan: 1 that only its output names\n1 passed, 3 failed, 1 skipped";
        assert!(!good && lines.ends_with(wanted), "{lines}");
    }

    #[test]
    fn each_lane_has_its_time_and_the_slowest_are_named_near_the_end() {
        let of = |(name, seconds): (&str, u64)| {
            let took = Duration::from_secs(seconds);
            Ran { name: name.into(), summary: Summary::PASSED, took }
        };
        let ran = [("lint", 20), ("loom", 300), ("size", 3), ("miri", 800)].map(of);
        let (lines, _) = close(&ran, false);
        let wanted = "\nslowest: miri 800 s, loom 300 s, lint 20 s, size 3 s\n4 passed, 0 failed, 0 skipped";
        assert!(lines.ends_with(wanted), "{lines}");
        assert!(lines.starts_with("lint            20 s   1 passed, 0 failed, 0 skipped\n"), "{lines}");
    }

    #[test]
    fn the_exit_code_is_0_for_what_is_good_alone() {
        let code = |done| format!("{:?}", exit_code(&done));
        assert_eq!(code(Ok(())), format!("{:?}", ExitCode::SUCCESS));
        assert_eq!(code(Err(anyhow::anyhow!("no"))), format!("{:?}", ExitCode::FAILURE));
        assert_ne!(format!("{:?}", ExitCode::SUCCESS), format!("{:?}", ExitCode::FAILURE));
    }
}
