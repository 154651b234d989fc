//! Nobody reads what a verb prints, as after `| head`.

use std::process::Command;

#[test]
fn a_verb_whose_output_nobody_reads_ends_and_says_nothing() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_xtask-systems")).arg("targets").stdout(writer).output();
    let output = output.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(!output.status.success(), "what was not read may have been a failure");
}
