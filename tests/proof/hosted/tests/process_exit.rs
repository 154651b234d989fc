//! Entries when the process is about to end. Each case is a process: `src/bin/process_exit.rs`.
#![cfg(unix)]

use std::process::Command;

fn last_words(case: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_process_exit")).arg(case).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{case}: {}\n{said}", output.status);
    said
}

/// Scenario 32.
#[test]
fn an_exit_handler_enters() {
    for case in ["bound", "unbound", "inside", "others"] {
        assert_eq!(last_words(case), "entered\n", "{case}");
    }
    for _ in 0..extram_hosted::scaled(20) {
        assert_eq!(last_words("busy"), "entered\n");
    }
}

/// Scenario 32.
#[test]
fn an_exit_handler_is_refused_by_a_closed_pool() {
    assert_eq!(last_words("closed"), "refused: the pool is closed\n");
}

/// Scenario 32.
#[test]
fn a_library_destructor_at_exit_enters_or_is_refused() {
    let destructor = |case| last_words(case).replace("entered\n", "");
    assert_eq!(destructor("library"), "+");
    assert_eq!(destructor("library-closed"), "-");
    assert_eq!(destructor("library-not-started"), "-");
}
