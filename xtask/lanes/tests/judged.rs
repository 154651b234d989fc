//! `cargo xtask test` from outside: with a `cargo` that says what it is told, the closing line and the
//! exit code. Nothing else can be found, so that the second half of the lane `--model` is skipped.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

const GOOD: &str = "echo running 2 tests; echo 'test result: ok. 2 passed; 0 failed; 0 ignored'";

/// The closing line, whether the exit code is that of a success, and all that was printed.
fn run(cargo: &str, options: &[&str]) -> (String, bool, String) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("cargo");
    std::fs::write(&path, format!("#!/bin/sh\n{cargo}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask-lanes"));
    command.arg("test").args(options).current_dir(place.path());
    // A word is no number of schedules: the lane `--shuttle` ends in an error.
    let output = command.env("PATH", place.path()).env("EXTRAM_SCHEDULES", "none").output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let last = printed.lines().last().unwrap_or_default().to_owned();
    (last, output.status.success(), printed)
}

#[track_caller]
fn judged(cargo: &str, options: &[&str], last: &str, success: bool) -> String {
    let (found, succeeded, printed) = run(cargo, options);
    assert_eq!((&*found, succeeded), (last, success), "{printed}");
    printed
}

#[test]
fn what_is_skipped_is_named_and_no_success_where_all_is_required() {
    let printed = judged(GOOD, &["--model"], "2 passed, 0 failed, 1 skipped", true);
    assert!(printed.contains("\nskipped:\n  model: the Promela model: no spin"), "{printed}");
    judged(GOOD, &["--model", "--require"], "2 passed, 1 failed, 0 skipped", false);
}

#[test]
fn a_tool_that_is_missing_in_the_middle_skips_the_whole() {
    // From now on there is a spin, but nothing that compiles what it writes.
    let brings_spin = format!("{GOOD}; : > \"${{0%/*}}/spin\"");
    let printed = judged(&brings_spin, &["--model"], "2 passed, 0 failed, 1 skipped", true);
    assert!(printed.contains("skipped: the Promela model: no gcc"), "{printed}");
}

#[test]
fn a_program_that_crashes_has_failed_although_others_passed() {
    let crash = format!("{GOOD}; echo running 3 tests; echo 'test a ... ok'; kill -SEGV $$");
    judged(&crash, &["--model"], "2 passed, 1 failed, 1 skipped", false);
    // After its closing line, or so early that it said nothing.
    judged(&format!("{GOOD}; kill -SEGV $$"), &["--model"], "2 passed, 1 failed, 1 skipped", false);
    judged("exit 101", &["--model"], "0 passed, 1 failed, 1 skipped", false);
}

#[test]
fn a_program_that_ends_with_status_0_has_told_of_all_its_tests() {
    let silent = format!("{GOOD}; echo running 3 tests; echo 'test a ... ok'");
    judged(&silent, &["--model"], "2 passed, 1 failed, 1 skipped", false);
    let fewer = GOOD.replace("running 2", "running 3");
    judged(&fewer, &["--model"], "2 passed, 1 failed, 1 skipped", false);
    judged("", &["--model"], "0 passed, 1 failed, 1 skipped", false);
}

#[test]
fn a_lane_that_ends_in_an_error_has_failed_and_the_others_still_run() {
    let printed = judged(GOOD, &["--shuttle", "--model"], "2 passed, 1 failed, 1 skipped", false);
    assert!(printed.contains("FAILED: shuttle: EXTRAM_SCHEDULES=none is not a number"), "{printed}");
    judged(GOOD, &["--shuttle"], "0 passed, 1 failed, 0 skipped", false);
}

#[test]
fn a_command_that_cannot_begin_is_no_success() {
    judged(GOOD, &["--write"], "", false);
    judged(GOOD, &["--target", "nowhere"], "", false);
}
