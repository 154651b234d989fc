//! The whole load, as the program's user runs it.

use serde_json::{Map, Value};
use std::process::Command;

#[test]
#[cfg_attr(not(libmicrohttpd), ignore = "libmicrohttpd is not there (Debian: libmicrohttpd-dev)")]
fn ten_thousand_requests_are_answered_and_ms_are_those_of_the_busiest_moment() {
    let output = Command::new(env!("CARGO_BIN_EXE_http"))
        .args(["--rounds", "1", "--json"])
        .output()
        .expect("the program starts");
    // It fails if a single answer is wrong or missing.
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<Map<String, Value>> = serde_json::from_slice(&output.stdout).expect("JSON");
    let names: Vec<&Value> = rows.iter().map(|row| &row["variant"]).collect();
    assert_eq!(names, ["global-lock", "thread-local", "extram", "extram-limit"]);
    for row in &rows {
        assert_eq!((&row["requests"], &row["connections"]), (&10_000.into(), &200.into()));
        assert!(row["requests_per_second_median"].as_u64() > Some(0));
        assert!(row["peak_resident_kib_median"].as_u64() > Some(0));
    }
    let figure = |row: usize, key: &str| rows[row][key].as_u64().expect(key);
    assert_eq!(figure(0, "states_made_max"), 1);
    assert_eq!(figure(1, "states_made_max"), figure(1, "busiest_moment_max"));
    // The threads live as long as their connections, and each keeps its M: all 200 at the busiest
    // moment, and a spare one.
    assert_eq!(figure(2, "busiest_moment_max"), 200);
    assert!((200..=201).contains(&figure(2, "states_made_max")), "{rows:?}");
    assert!((2..=8).contains(&figure(3, "states_made_max")), "{rows:?}");
}

#[test]
fn bad_options_are_refused() {
    for args in [["--connections", "0"], ["--requests", "0"], ["--rounds", "many"], ["--serve", "nothing"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_http")).args(args).output().expect("it starts");
        assert!(output.status.code().is_some_and(|code| code != 0), "{args:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            !error.contains("panicked") && error.contains("error:") || cfg!(not(libmicrohttpd)),
            "{error}"
        );
    }
}
