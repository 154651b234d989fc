//! This process becomes the program that has the verb, built first if need be: what is printed and the
//! exit code are that program's.

use anyhow::{Context as _, Error, Result};
use std::ffi::OsStr;
use std::path::PathBuf;
use toolchain::command::Command;

/// The program of a crate beside this one, with the verb and its words.
pub(super) fn beside(package: &str, words: &[impl AsRef<OsStr>]) -> Error {
    let built = folder().map(|folder| folder.join(package).is_file());
    let built = match built {
        Ok(built) => built,
        Err(error) => return error,
    };
    // By itself cargo says what it compiles, which takes minutes the first time and a moment later.
    let quiet = built.then_some("--quiet");
    if !built {
        eprintln!("building {package}, which has this verb; later runs start at once");
    }
    Command::new("cargo").arg("run").args(quiet).args(["--package", package, "--"]).args(words).exec()
}

/// A program that is built to be fast. Standard output is its own; what is built goes to standard error.
pub(super) fn optimised(package: &str, program: &str, words: &[impl AsRef<OsStr>]) -> Result<Error> {
    if !folder()?.with_file_name("release").join(program).is_file() {
        eprintln!(
            "building {program} and all that it needs, optimised: this takes minutes, the first time only"
        );
    }
    let run = Command::new("cargo").args(["run", "--release", "--package", package, "--bin", program, "--"]);
    Ok(run.args(words).exec())
}

/// Where cargo has put this program.
fn folder() -> Result<PathBuf> {
    let program = std::env::current_exe().context("where is this program?")?;
    Ok(program.parent().context("a program in no folder")?.to_owned())
}
