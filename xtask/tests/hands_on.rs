//! `cargo xtask` from outside, with a `cargo` that says what it is told and nothing else to be found: who
//! gets a verb, with which words, and whose exit code it is.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Output};

/// `cargo` prints its words, each in brackets, and then does this.
fn run(then: &str, words: &[&str]) -> (Output, String) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("cargo");
    std::fs::write(&path, format!("#!/bin/sh\nprintf '[%s]' \"$@\"\n{then}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    // Built or not, it says the same.
    let output = command.args(words).env("PATH", place.path()).env_remove("CC").output().unwrap();
    let printed = String::from_utf8(output.stdout.clone()).unwrap().replace("[--quiet]", "");
    (output, printed)
}

#[test]
fn a_verb_of_another_crate_gets_its_words_as_they_are() {
    let (output, printed) = run("exit 0", &["test", "--model", "--", "a b", "", "--help"]);
    assert!(output.status.success());
    assert_eq!(printed, "[run][--package][xtask-lanes][--][test][--model][--][a b][][--help]");
    let (_, printed) = run("exit 0", &["help", "install"]);
    assert_eq!(printed, "[run][--package][xtask-install][--][install][--help]");
}

#[test]
fn a_program_that_measures_gets_its_options() {
    let (_, printed) = run("exit 0", &["herd", "--threads", "9", "--json"]);
    let program = "[run][--release][--package][extram-herd][--bin][herd][--]";
    assert_eq!(printed, format!("{program}[--threads][9][--json]"));
    assert_eq!(run("exit 0", &["herd", "--", "--help"]).1, format!("{program}[--help]"));
}

#[test]
fn how_the_program_ends_is_how_this_ends() {
    for words in [["size", "--bless"], ["soak", "--edges"]] {
        for code in [0, 1, 101] {
            let (output, _) = run(&format!("exit {code}"), &words);
            assert_eq!(output.status.code(), Some(code));
        }
        assert_eq!(run("kill -9 $$", &words).0.status.signal(), Some(9));
    }
}

#[test]
fn what_cannot_be_done_is_said_and_no_success() {
    let said = |words: &[&str]| {
        let (output, printed) = run("exit 0", words);
        assert!(!output.status.success() && printed.is_empty(), "{words:?} ran: {printed}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(said(&["no-such-verb"]).contains("no-such-verb"));
    assert!(said(&["setup", "--bless"]).contains("--bless"));
    assert!(said(&[]).contains("callback-gc"), "without a verb it lists them");
    assert!(said(&["callback-gc"]).contains("apt-get install gcc"), "Lua wants a C compiler");
    // Nothing to install with, either.
    assert!(said(&["setup", "--target", "x86_64-unknown-freebsd"]).contains("makefs"));
}
