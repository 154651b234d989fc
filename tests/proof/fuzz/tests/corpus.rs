//! The files that the fuzzers begin with, among them what they once found.

use std::path::PathBuf;

fn run_all(name: &str, run: fn(&[u8])) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut files: Vec<_> =
        folder.read_dir().expect("the corpus").map(|file| file.expect("a file").path()).collect();
    files.sort();
    assert!(files.len() > 10, "{} has hardly any files", folder.display());
    for file in files {
        println!("{}", file.display());
        run(&std::fs::read(&file).expect("a file that can be read"));
    }
}

#[test]
fn operations_of_a_pool() {
    run_all("pool_operations", extram_fuzz::pool_operations::run);
}

#[test]
fn calls_of_the_c_face() {
    run_all("c_face", extram_fuzz::c_face::run);
}

#[test]
#[should_panic(expected = "planted")]
fn what_was_planted() {
    extram_fuzz::planted(b"extram");
}
