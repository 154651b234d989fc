//! One `cargo test`, run and counted.

use crate::{Programs, Summary};
use anyhow::Result;
use std::cell::RefCell;
use std::io::Write as _;
use std::sync::Mutex;
use std::time::Duration;
use toolchain::command::{Command, Stream};

/// How long one `cargo test` may take before it is taken for hung.
pub const LIMIT: Duration = Duration::from_secs(25 * 60);

/// Runs a `cargo test` and adds up what its test programs report.
pub fn cargo_test(command: &Command) -> Result<Summary> {
    cargo_test_within(LIMIT, command, show)
}

fn show(text: &[u8]) {
    let _ = std::io::stdout().write_all(text);
}

/// Runs several, as many at a time as there are processors, in this order; what each has to say is shown
/// when it ends. For programs that keep one processor busy.
pub fn cargo_tests(commands: &[Command]) -> Summary {
    side_by_side(commands, show)
}

fn side_by_side(commands: &[Command], show: impl Fn(&[u8]) + Sync) -> Summary {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let next = Mutex::new(commands.iter());
    let all = Mutex::new(Summary::default());
    let work = || {
        loop {
            let Some(command) = next.lock().unwrap().next() else { return };
            let output = RefCell::new(Vec::new());
            let ran = cargo_test_within(LIMIT, command, |chunk| output.borrow_mut().extend_from_slice(chunk));
            let mut all = all.lock().unwrap();
            show(&output.into_inner());
            *all += ran.unwrap_or_else(|error| Summary::of(&command.to_string(), Err(error)));
        }
    };
    std::thread::scope(|scope| (0..processors).for_each(|_| _ = scope.spawn(work)));
    all.into_inner().unwrap()
}

fn cargo_test_within(limit: Duration, command: &Command, show: impl Fn(&[u8])) -> Result<Summary> {
    let mut programs = Programs::default();
    let ended = command.stream(limit, |stream, chunk| {
        show(chunk);
        if stream == Stream::Out {
            programs.take(chunk);
        }
    })?;
    let (mut summary, wrong) = programs.end(&ended);
    for wrong in wrong {
        println!("FAILED: {wrong}: {command}");
        // If it is not what a failed test makes of its program.
        if summary.failed > summary.broken.len() as u32 {
            summary.broken.push(format!("{wrong}: {command}"));
        }
    }
    Ok(summary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_side_by_side_are_added_up_and_one_that_fails_does_not_keep_the_others() {
        let sh = |script: &str| Command::new("sh").args(["-c", script]);
        let good = "echo running 1 test; echo 'test result: ok. 1 passed; 0 failed'";
        let bad = "echo running 1 test; echo 'test result: FAILED. 0 passed; 1 failed'; exit 101";
        let nothing = "echo running 0 tests; echo 'test result: ok. 0 passed; 0 failed'";
        let mut runs = [good, bad, nothing, good, good].map(sh).to_vec();
        runs.insert(0, Command::new("no-such-program"));
        // What they say is not shown: whoever judges this program would count it.
        let shown = Mutex::new(0);
        let all = side_by_side(&runs, |text| *shown.lock().unwrap() += usize::from(!text.is_empty()));
        assert_eq!(all.to_string(), "3 passed, 3 failed, 0 skipped");
        assert_eq!(shown.into_inner().unwrap(), 5);
        assert_eq!(side_by_side(&[], |_| ()), Summary::default());
    }

    #[test]
    fn a_run_over_its_time_limit_is_failed_and_counts_what_it_told() {
        let sh = |script: &str| Command::new("sh").args(["-c", script]);
        let good = "echo running 1 test; echo 'test result: ok. 1 passed; 0 failed'";
        let of = |script: &str, limit| cargo_test_within(limit, &sh(script), |_| {}).unwrap().to_string();
        assert_eq!(of(good, LIMIT), "1 passed, 0 failed, 0 skipped");
        let late = format!("{good}; exec sleep 60");
        assert_eq!(of(&late, Duration::from_millis(500)), "1 passed, 1 failed, 0 skipped");
        assert_eq!(of(&format!("{good} >&2"), LIMIT), "0 passed, 1 failed, 0 skipped");
    }
}
