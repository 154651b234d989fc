//! The program as its user runs it.

use serde_json::{Map, Value};
use std::process::{Command, Output};

fn openmp(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_openmp")).args(args).output().expect("the program starts")
}

#[test]
#[cfg_attr(not(openmp), ignore = "the C compiler has no OpenMP")]
fn every_region_draws_the_picture_with_the_ms_of_the_first() {
    for threads in [1, 4, 33] {
        // It fails if a single row is wrong or missing.
        let output = openmp(&["--threads", &threads.to_string(), "--regions", "20", "--json"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let outcome: Map<String, Value> = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(outcome["threads"], threads);
        assert_eq!(outcome["rows"], 20 * 24);
        // All threads were inside at once: one each, and a spare one.
        assert_eq!(outcome["ms_made"], threads + 1, "{outcome:?}");
        let drew = outcome["ms_that_drew"].as_u64().unwrap();
        assert!((1..=threads as u64).contains(&drew), "{outcome:?}");
    }
}

#[test]
#[cfg_attr(not(openmp), ignore = "the C compiler has no OpenMP")]
fn each_row_of_the_picture_names_its_m() {
    let output = openmp(&["--width", "40", "--height", "9"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let rows: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once('│')).collect();
    assert_eq!(rows.len(), 9, "{text}");
    for (m, row) in &rows {
        assert!((1..=5).contains(&m.trim().parse::<u32>().unwrap()), "{text}");
        assert_eq!(row.len(), 40, "{text}");
    }
    // The set is its own mirror image.
    assert_eq!(rows[1].1, rows[7].1);
    assert!(rows[4].1.contains("@@@@"), "{text}");
}

#[test]
fn bad_options_are_refused() {
    for args in [["--threads", "0"], ["--threads", "1025"], ["--regions", "none"], ["--height", "1"]] {
        let output = openmp(&args);
        assert!(output.status.code().is_some_and(|code| code != 0), "{args:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!error.contains("panicked") && !error.is_empty(), "{error}");
    }
}
