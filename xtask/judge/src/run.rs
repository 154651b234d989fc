//! One `cargo test`, run and counted.

use crate::{Programs, Summary};
use anyhow::Result;
use std::time::Duration;
use toolchain::command::{Command, Stream};

/// How long one `cargo test` may take before it is taken for hung.
pub const LIMIT: Duration = Duration::from_secs(25 * 60);

/// Runs a `cargo test` and adds up what its test programs report.
pub fn cargo_test(command: &Command) -> Result<Summary> {
    cargo_test_within(LIMIT, command, |chunk| {
        use std::io::Write as _;
        let _ = std::io::stdout().write_all(chunk);
    })
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
