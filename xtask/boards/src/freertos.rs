//! `cargo xtask test --freertos`: the suite and FreeRTOS' own cases on FreeRTOS.
//!
//! The kernel's sources are those of the crate `freertos-next`, which nothing depends on but its name in a
//! manifest: cargo downloads it, and nobody compiles its Rust.

use crate::board::{self, Board};
use crate::verdict::Verdict;
use crate::{Build, build, run, toolchain};
use anyhow::{Context as _, Result, ensure};
use judge::Summary;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use toolchain::command::{Command, which};
use toolchain::workspace;

const BOARDS: [Board; 2] = [
    Board {
        triple: "thumbv7m-none-eabi",
        package: "freertos",
        machine: &["-machine", "mps2-an385"],
        ..board::BOARD
    },
    Board {
        triple: "riscv32imac-unknown-none-elf",
        package: "freertos",
        machine: &["-machine", "virt", "-bios", "none"],
        ..board::BOARD
    },
];

/// The crate with the sources.
const CRATE: &str = "freertos-next";

/// What compiles them: they are C, for both processors.
const COMPILER: [&str; 2] = ["clang", "llvm-ar"];

/// The lane of a processor.
pub fn lane(triple: &str) -> Result<Summary> {
    let board = BOARDS.iter().find(|board| board.triple == triple);
    let board = board.with_context(|| format!("no board with FreeRTOS for {triple}"))?;
    let what = format!("FreeRTOS, {triple}");
    if let Some(program) = COMPILER.into_iter().find(|program| which(program).is_none()) {
        let why = format!("no {program} for the kernel; `cargo xtask setup --target {triple}` installs it");
        return Ok(Summary::skipped(&what, &why));
    }
    let toolchain = match toolchain(board) {
        Ok(toolchain) => toolchain,
        Err(missing) => return Ok(Summary::skipped(&what, &missing)),
    };
    let kernel = match sources() {
        Ok(kernel) => kernel,
        Err(missing) => {
            return Ok(Summary::skipped(&what, &format!("no sources of the kernel: {missing:#}")));
        }
    };
    println!("{toolchain}");
    let suite = Build { env: Some(("FREERTOS_KERNEL", &kernel)), ..Build::of(board.package) };
    let program = build(&toolchain, board, &suite)?;
    let (verdict, mut summary) = run(board, &[], &program)?;
    summary += Summary::of(&format!("{what}: {verdict}"), verdict.good());

    let program = build(&toolchain, board, &Build { features: &["broken"], ..suite })?;
    let (verdict, _) = run(board, &[], &program)?;
    let noticed = match verdict {
        Verdict::Failed { .. } => Ok(()),
        other => Err(anyhow::anyhow!("tasks that end without their exit hook are not noticed: {other}")),
    };
    summary += Summary::of(&format!("{what}: tasks that end without their exit hook fail"), noticed);
    Ok(summary)
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
}

/// The directory of the kernel, which cargo downloads if it has to.
fn sources() -> Result<PathBuf> {
    let boards = workspace().join("tests/proof/boards");
    let metadata = Command::new("cargo").args(["metadata", "--format-version", "1", "--locked"]).dir(boards);
    let kernel = kernel(&metadata.read()?)?;
    let license = kernel.join("LICENSE.md");
    ensure!(license.exists(), "{} does not exist", license.display());
    Ok(kernel)
}

fn kernel(metadata: &str) -> Result<PathBuf> {
    let metadata: Metadata = serde_json::from_str(metadata)?;
    let package = metadata.packages.into_iter().find(|package| package.name == CRATE);
    let package = package.with_context(|| format!("cargo knows no {CRATE}"))?;
    Ok(package.manifest_path.parent().unwrap_or(Path::new("")).join("FreeRTOS-Kernel"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sources_are_beside_the_manifest_of_their_crate() {
        let other = r#"{"name": "other", "manifest_path": "/a/other/Cargo.toml"}"#;
        let named = r#"{"name": "freertos-next", "manifest_path": "/a/next-0.12.0/Cargo.toml"}"#;
        let found = kernel(&format!(r#"{{"packages": [{other}, {named}], "version": 1}}"#)).unwrap();
        assert_eq!(found, Path::new("/a/next-0.12.0/FreeRTOS-Kernel"));
        let missing = kernel(&format!(r#"{{"packages": [{other}]}}"#)).unwrap_err();
        assert_eq!(missing.to_string(), "cargo knows no freertos-next");
    }

    #[test]
    fn both_boards_run_in_their_targets_emulators() {
        for board in &BOARDS {
            assert!(board.target().emulator.is_some(), "{}", board.triple);
        }
        assert!(lane("nowhere").is_err());
    }
}
