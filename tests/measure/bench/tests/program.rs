//! The program as its user runs it: shape and counts, never time.

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A path in cargo's folder for what tests write, where nothing is.
fn fresh(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&path);
    path
}

/// A run in which no live runtime is found, whatever this machine has.
fn bench(name: &str, args: &[&str]) -> (Output, PathBuf, PathBuf) {
    let (raw, page) = (fresh(&format!("{name}.jsonl")), fresh(&format!("{name}.html")));
    let mut program = Command::new(env!("CARGO_BIN_EXE_bench"));
    program.args(args).arg("--page").arg(&page);
    if !args.contains(&"--from") && !args.contains(&"--raw") {
        program.arg("--raw").arg(&raw);
    }
    program.env("GO", "/no/such/go").env("JAVA_HOME", "/no/such/java").env("PATH", "/usr/bin:/bin");
    program.env("CC", "/no/such/compiler");
    (program.output().expect("the program starts"), raw, page)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn lines(raw: &Path) -> Vec<Value> {
    let text = fs::read_to_string(raw).expect("raw samples");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The error of a run that has to fail, cleanly.
fn error(output: &Output) -> String {
    let error = text(&output.stderr);
    assert!(output.status.code().is_some_and(|code| code != 0), "{:?} {error}", output.status);
    assert!(!error.contains("panicked"), "{error}");
    assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
    error
}

#[test]
fn a_quick_run_has_every_section_and_names_what_was_not_there() {
    let (output, raw, page) = bench("quick", &["--quick"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report = text(&output.stdout);
    let sections = [
        "## Goals",
        "## Beside live runtimes",
        "## Herds of fresh threads on a cold pool",
        "## Fewer contexts than threads",
        "## What a call costs",
        "## Skipped: ",
    ];
    for section in sections {
        assert_eq!(report.matches(section).count(), 1, "{section}: {report}");
    }
    let lines = lines(&raw);
    assert_eq!(lines[0]["kind"], "run");
    assert!(lines[0]["processors"].as_u64() >= Some(1));
    let skipped: Vec<&str> = lines
        .iter()
        .filter(|line| line["kind"] == "skipped")
        .filter_map(|line| line["what"].as_str())
        .collect();
    for what in ["Go (/no/such/go)", "Go 1.19", "a current Go", "JNI", "CPython"] {
        assert!(skipped.contains(&what), "{what}: {skipped:?}");
    }
    let subjects = |section: &str| -> BTreeSet<String> {
        let of = lines.iter().filter(|line| line["section"] == section);
        of.filter_map(|line| Some(line["subject"].as_str()?.to_owned())).collect()
    };
    let set = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<BTreeSet<_>>();
    assert_eq!(subjects("herd"), set(&["extram", "floor", "mutex", "one-at-a-time", "waiter-counting"]));
    assert_eq!(subjects("live"), set(&["extram", "extram-per-call", "floor", "mutex"]));
    let pools = ["array-queue", "channel", "extram-bound", "extram-per-call", "mutex", "parking-lot", "r2d2"];
    assert_eq!(subjects("limit"), set(&pools));
    // Who makes how many is no matter of time.
    for line in lines.iter().filter(|line| line["section"] == "herd" && line["subject"] == "extram") {
        let inside = line["case"].as_str().is_some_and(|case| case.ends_with("kind=inside"));
        let threads: f64 =
            line["case"].as_str().unwrap()["threads=".len()..].split(' ').next().unwrap().parse().unwrap();
        match line["metric"].as_str() {
            Some("ms_made") if inside => assert_eq!(line["value"].as_f64(), Some(threads + 1.0), "{line}"),
            Some("most_made_by_one") => assert!(line["value"].as_f64() <= Some(2.0), "{line}"),
            _ => {}
        }
    }
    let page = fs::read_to_string(page).unwrap();
    for foreign in ["http:", "https:", "<script", "<link", "<img", "url(", "@import", "src="] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>"));
    assert!(page.matches("<svg").count() >= 8, "{}", page.matches("<svg").count());
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
}

#[test]
fn an_urgent_thread_waits_beside_the_others_or_the_system_says_why_not() {
    let line = ["--only", "limit", "--urgent", "--threads", "3", "--limits", "1", "--holds-us", "5"];
    let (output, raw, _) =
        bench("urgent", &[&line[..], &["--window-ms", "20", "--rounds", "1", "--pools", "mutex"]].concat());
    if !output.status.success() {
        let why = text(&output.stderr);
        assert!(why.contains("no real-time priority: Operation not permitted"), "{why}");
        println!("skipped: {why}");
        return;
    }
    let lines = lines(&raw);
    let figure = |metric| lines.iter().find(|line| line["metric"] == metric).expect(metric)["value"].as_f64();
    assert!(figure("urgent_longest_us") >= figure("urgent_p50_us"));
    let report = text(&output.stdout);
    assert!(report.contains("longest wait of that thread") && report.contains("| 3 + 1"), "{report}");
}

#[test]
fn each_round_has_all_subjects_and_a_run_can_be_compared_with_itself() {
    let grid =
        ["--only", "limit", "--threads", "3", "--limits", "1", "--holds-us", "0,5", "--window-ms", "5"];
    let (output, raw, _) =
        bench("first", &[&grid[..], &["--rounds", "3", "--pools", "mutex,extram-bound"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let first = lines(&raw);
    let rates: Vec<&Value> = first.iter().filter(|line| line["metric"] == "calls_per_s").collect();
    assert_eq!(rates.len(), 2 * 2 * 3);
    assert!(rates.iter().all(|line| line["value"].as_f64() > Some(0.0)));
    for round in 0..3 {
        assert_eq!(rates.iter().filter(|line| line["round"] == round).count(), 4);
    }
    // The report can be made again from the samples, and says the same.
    let raw = raw.to_str().unwrap();
    let (again, ..) = bench("again", &["--from", raw, "--compare", raw]);
    assert!(again.status.success(), "{}", text(&again.stderr));
    let (report, again) = (text(&output.stdout), text(&again.stdout));
    let part = |text: &str| {
        text.split("## Fewer contexts").nth(1).unwrap().split("file://").next().unwrap().to_owned()
    };
    assert_eq!(part(&report), part(&again));
    let before = again.split("## Beside an earlier run").nth(1).expect("a comparison");
    let rows: Vec<&str> = before.lines().filter(|line| line.starts_with("| limit")).collect();
    assert_eq!(rows.len(), 2 * 2, "{again}");
    assert!(rows.iter().all(|row| row.contains(" 1.00 ")), "{rows:?}");
}

#[test]
fn bad_options_are_refused_and_say_what_is_allowed() {
    for (args, said) in [
        (&["--rounds", "0"][..], "1..=1000"),
        (&["--only", "all"], "limit"),
        (&["--threads", "5000"], "1..=4096"),
        (&["--limits", "0"], "1..=1024"),
        (&["--holds-us", "-1"], "-1"),
        (&["--pools", "extrem"], "extram-bound"),
        (&["--hold", "rest"], "sleep"),
        (&["--fast"], "--fast"),
        (&["--from", "x", "--quick"], "cannot be used with"),
        (&["--compare", "/no/such/file"], "cannot read /no/such/file"),
        (&["--raw", "/no/such/folder/raw.jsonl"], "cannot write to /no/such/folder"),
    ] {
        let (output, ..) = bench("refused", args);
        let error = error(&output);
        assert!(error.contains(said), "{args:?}: {error}");
    }
}

#[test]
fn samples_that_are_none_are_refused_with_their_line() {
    let run = r#"{"kind":"run","machine":"m","processors":1,"load":0.0,"versions":[],"command":"c"}"#;
    for (what, said) in [
        ("", "the samples of 0 runs"),
        ("{}\n", "line 1"),
        ("no\n", "line 1"),
        (&format!("{run}\n{{\"kind\":\"sample\"}}\n"), "line 2"),
        (&format!("{run}\n{run}\n"), "the samples of 2 runs"),
    ] {
        let path = fresh("none.jsonl");
        fs::write(&path, what).unwrap();
        let (output, ..) = bench("wrong", &["--from", path.to_str().unwrap()]);
        let error = error(&output);
        assert!(error.contains(said), "{what}: {error}");
    }
}
