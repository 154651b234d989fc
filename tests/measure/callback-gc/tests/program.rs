//! The program as its user runs it.

use serde_json::{Map, Value};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where nobody looks.
const NOWHERE: &str = if cfg!(windows) { "NUL" } else { "/dev/null" };

/// A path in cargo's folder for what tests write, where nothing is.
fn fresh(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&path);
    path
}

fn run(program: &mut Command) -> Output {
    program.output().expect("the program starts")
}

/// Runs the program with a report that nobody looks at, unless `args` name another.
fn callback_gc(args: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_callback-gc"));
    if !args.contains(&"--report") {
        program.args(["--report", NOWHERE]);
    }
    run(program.args(args))
}

/// The error of a run that has to fail, cleanly.
fn error(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    // A signal (an abort) has no code.
    assert!(output.status.code().is_some_and(|code| code != 0), "{:?} {error}", output.status);
    assert!(!error.contains("panicked") && !error.contains("RUST_BACKTRACE"), "{error}");
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    error
}

#[test]
fn json_is_one_array_with_a_row_for_each_algorithm_and_nothing_else() {
    for kind in ["--short", "--all-inside"] {
        let output = callback_gc(&["--threads", "20", "--rounds", "3", "--json", kind]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let rows: Vec<Map<String, Value>> = serde_json::from_slice(&output.stdout).expect("JSON");
        let names: Vec<&Value> = rows.iter().map(|row| &row["algorithm"]).collect();
        assert_eq!(names, ["one-at-a-time", "waiter-counting", "mutex", "extram"]);
        for row in &rows {
            for key in ["wall_us_median", "wall_us_min", "longest_wait_us_median"] {
                assert!(row[key].as_f64().is_some_and(|us| us > 0.0), "{key} {row:?}");
            }
            for key in ["ms_made_median", "max_creations_per_callback"] {
                assert!(row[key].as_u64().is_some_and(|count| count > 0), "{key} {row:?}");
            }
            // Windows does not count them.
            let switches = row["context_switches_median"].as_u64();
            assert_eq!(switches.is_some_and(|count| count > 0), cfg!(unix), "{row:?}");
            assert_eq!(row.len(), 7, "{row:?}");
        }
        assert_eq!(rows[0]["max_creations_per_callback"], 1);
        assert!(rows[3]["max_creations_per_callback"].as_u64() <= Some(2));
        if kind == "--all-inside" {
            assert_eq!(rows[2]["ms_made_median"], 21);
            assert_eq!(rows[3]["ms_made_median"], 21);
        }
    }
}

#[test]
fn the_table_has_the_same_rows() {
    let output = callback_gc(&["--threads", "5", "--rounds", "1"]);
    assert!(output.status.success());
    let text = String::from_utf8_lossy(&output.stdout);
    for name in ["one-at-a-time", "waiter-counting", "mutex", "extram"] {
        assert_eq!(text.lines().filter(|line| line.starts_with(&format!("│ {name} "))).count(), 1, "{text}");
    }
    // Away from a terminal each step is a line.
    let progress = String::from_utf8_lossy(&output.stderr);
    assert!(progress.contains("[4/4]"), "{progress}");
}

#[test]
fn bad_options_are_refused_and_say_what_is_allowed() {
    for (args, said) in [
        (&["--threads", "0"][..], "1..=100000"),
        (&["--threads", "100001"], "1..=100000"),
        (&["--threads", "many"], "invalid"),
        (&["--rounds", "0"], "1..=1000"),
        (&["--cost-us=-1"], "--cost-us"),
        (&["--short", "--all-inside"], "cannot be used with"),
        (&["--fast"], "--fast"),
        (&["ten"], "ten"),
    ] {
        let error = error(&callback_gc(args));
        assert!(error.contains(said), "{args:?}: {error}");
    }
}

#[cfg(unix)]
#[test]
fn more_threads_than_the_system_allows_is_an_error_that_counts_them() {
    // The address space ends long before the stacks of so many threads.
    let mut shell = Command::new("sh");
    let line = "ulimit -v 1000000 && exec \"$0\" --threads 30000 --rounds 1 --json --report \"$1\"";
    let report = fresh("no-threads.html");
    let program = env!("CARGO_BIN_EXE_callback-gc");
    let error = error(&run(shell.args(["-c", line, program]).arg(&report)));
    assert!(error.contains("the system allows no more threads: "), "{error}");
    assert!(error.contains(" of 30000 were made, and those have been joined"), "{error}");
    assert!(!report.exists(), "an empty report was left behind");
}

#[test]
fn the_report_has_a_lane_for_every_thread_and_replaces_what_was_there() {
    let path = fresh("report.html");
    fs::write(&path, "old ".repeat(1_000_000)).unwrap();
    let output = callback_gc(&["--threads", "30", "--rounds", "2", "--report", path.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let whole = std::path::absolute(&path).unwrap().display().to_string().replace('\\', "/");
    let slash = if cfg!(windows) { "/" } else { "" };
    assert!(said.contains(&format!("file://{slash}{whole}")), "{said}");
    let page = fs::read_to_string(&path).unwrap();
    assert!(page.ends_with("</html>") && !page.contains("old old"));
    for algorithm in ["one-at-a-time", "waiter-counting", "mutex", "extram"] {
        for thread in 0..30 {
            assert!(page.contains(&format!("data-lane=\"{algorithm} {thread}\"")), "{algorithm} {thread}");
        }
    }
}

#[test]
fn on_another_machine_no_link_to_its_files_is_printed() {
    let path = fresh("elsewhere.html");
    let mut program = Command::new(env!("CARGO_BIN_EXE_callback-gc"));
    program.args(["--threads", "5", "--rounds", "1", "--report"]).arg(&path);
    let output = run(program.env("EXTRAM_FILES_KEPT_IN", ""));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && !said.contains("file://") && said.contains("--files"), "{said}");
}

#[test]
fn a_report_that_cannot_be_written_is_refused_before_the_run() {
    // Not by permissions: root has them all.
    let folder = env!("CARGO_TARGET_TMPDIR");
    let args = ["--report", NOWHERE, "--figure", folder];
    assert!(error(&callback_gc(&args)).contains("cannot write to"));
    for path in ["/no/such/folder/report.html", folder, "/dev/null/report.html", ""] {
        let error = error(&callback_gc(&["--report", path]));
        assert!(error.contains("cannot write to") || error.contains("a value is required"), "{error}");
        assert!(!error.contains("[1/"), "the run began: {error}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_up_is_an_error() {
    let error = error(&callback_gc(&["--threads", "3", "--rounds", "1", "--report", "/dev/full"]));
    assert!(error.contains("cannot write to /dev/full"), "{error}");
}
