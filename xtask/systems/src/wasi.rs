//! WebAssembly with threads: the conformance suite, run by Node, whose workers are the threads.

use anyhow::{Context as _, Result, ensure};
use judge::Summary;
use std::time::Duration;
use toolchain::command::{Command, Ended, Stream};
use toolchain::workspace;

/// Each thread is an instance of its own, and takes a while.
const LIMIT: Duration = Duration::from_secs(900);

/// Builds the suite by that command, and runs it.
pub(crate) fn run(triple: &str, build: Command) -> Result<Summary> {
    build.args(["-p", "extram-conformance", "--example", "native"]).run()?;
    let program = workspace().join("target/systems").join(triple).join("debug/examples/native.wasm");
    let runner = workspace().join("tests/proof/wasi/run.mjs");
    let mut said = Vec::new();
    let command = Command::new("node").arg(runner).arg(program).args(["small", "16"]);
    let ended = command.stream(LIMIT, |stream, chunk| {
        print!("{}", String::from_utf8_lossy(chunk));
        if let Stream::Out = stream {
            said.extend_from_slice(chunk);
        }
    })?;
    let (mut summary, good) = judged(&String::from_utf8_lossy(&said), &ended);
    summary += Summary::of("the closing line and the exit code agree", good);
    Ok(summary)
}

/// The counts of the closing line; and whether the program ended as that says.
fn judged(said: &str, ended: &Ended) -> (Summary, Result<()>) {
    let Some(mut counted) = said.lines().last().and_then(counts) else {
        return (Summary::default(), Err(anyhow::anyhow!("no closing line: {ended:?}")));
    };
    counted.left_out = said
        .lines()
        .filter_map(|line| line.trim().split_once(": skipped: "))
        .map(|(what, why)| format!("{what}: {why}"))
        .collect();
    let exited = match ended {
        Ended::Exited(status) => status.success(),
        Ended::TimedOut(_) => false,
    };
    let agree = exited == (counted.failed == 0) && counted.passed > 0;
    let good = || {
        ensure!(agree, "{ended:?}");
        Ok(())
    };
    (counted, good())
}

/// `N passed, N failed, N skipped`.
fn counts(line: &str) -> Option<Summary> {
    let mut numbers = line.split(", ").zip(["passed", "failed", "skipped"]).map(|(part, what)| {
        let (number, word) = part.split_once(' ')?;
        (word == what).then(|| number.parse().ok())?
    });
    let mut next = || numbers.next()?.context("a number").ok();
    Some(Summary { passed: next()?, failed: next()?, skipped: next()?, ..Summary::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    #[test]
    fn a_run_is_judged_by_its_last_line_and_its_exit_code() {
        let ended = |code: i32| Ended::Exited(ExitStatus::from_raw(code << 8));
        let said = "wake: skipped: none\n4 passed, 0 failed, 1 skipped\n";
        let (summary, good) = judged(said, &ended(0));
        assert_eq!((summary.passed, summary.skipped, good.is_ok()), (4, 1, true));
        assert_eq!(summary.left_out, ["wake: none"]);
        assert!(judged(said, &ended(1)).1.is_err());
        assert!(judged("4 passed, 1 failed, 0 skipped\n", &ended(0)).1.is_err());
        assert!(judged("4 passed, 0 failed\n", &ended(0)).1.is_err());
        assert!(judged("", &ended(0)).1.is_err());
    }
}
