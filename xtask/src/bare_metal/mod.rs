//! The lanes without an operating system: `cargo xtask test --target TRIPLE` builds the suite for a
//! board, boots it in QEMU, reads what it tells in defmt, and judges.
//!
//! A run is good if it says so twice: by its closing line, which has to name no failure, and by its
//! exit code. Then the same board runs with a port that is broken on purpose, and has to say that,
//! too.

mod board;
mod decode;
mod verdict;

use crate::command::{Command, Ended, Stream, which};
use crate::summary::Summary;
use crate::toolchain;
use anyhow::{Context as _, Result, bail};
use board::Board;
use decode::Decoder;
use std::path::PathBuf;
use verdict::Verdict;

pub(crate) fn thumbv7m() -> Result<Summary> {
    lane(&board::CORTEX_M3)
}

pub(crate) fn aarch64() -> Result<Summary> {
    lane(&board::AARCH64)
}

pub(crate) fn thumbv8m() -> Result<Summary> {
    lane(&board::DUAL_CORTEX_M33)
}

pub(crate) fn riscv32() -> Result<Summary> {
    lane(&board::RISCV32)
}

/// Where everything for these targets is built: the libraries of a target are shared by all that
/// runs on it.
const TARGET_DIR: &str = "target/bare-metal";

fn lane(board: &Board) -> Result<Summary> {
    let toolchain = match toolchain::for_target(board.triple, "core") {
        Ok(toolchain) => toolchain,
        Err(missing) => return Ok(Summary::skipped(board.package, &missing.to_string())),
    };
    if which(board.emulator).is_none() {
        let reason =
            format!("no {}; `cargo xtask setup --target {}` installs it", board.emulator, board.triple);
        return Ok(Summary::skipped(board.package, &reason));
    }
    println!("{toolchain}");
    let program = build(&toolchain, board, &[])?;
    let (verdict, mut summary) = run(board, &program)?;
    summary += Summary::of(&format!("{}: {verdict}", board.machine), verdict.good());

    let program = build(&toolchain, board, &["--features", "broken"])?;
    let (verdict, _) = run(board, &program)?;
    let noticed = match verdict {
        Verdict::Failed { .. } => Ok(()),
        other => Err(anyhow::anyhow!("a broken port is not noticed: {other}")),
    };
    summary += Summary::of(&format!("{}: a port that is broken on purpose fails", board.machine), noticed);
    Ok(summary)
}

/// Builds the board's program and returns where it is.
fn build(toolchain: &toolchain::Toolchain, board: &Board, more: &[&str]) -> Result<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let target_dir = root.join(TARGET_DIR);
    toolchain
        .cargo("build", &[])
        .args(["--release", "--package", board.package])
        .args(more)
        .arg("--target-dir")
        .arg(&target_dir)
        .env("DEFMT_LOG", "debug")
        .dir(root.join("tests/bare-metal"))
        .run()?;
    Ok(target_dir.join(board.triple).join("release").join(board.package))
}

/// Runs it; what became of it, and the checks that it counted itself.
fn run(board: &Board, program: &PathBuf) -> Result<(Verdict, Summary)> {
    let elf = std::fs::read(program).with_context(|| format!("no {}", program.display()))?;
    let mut decoder = Decoder::new(&elf)?;
    let mut lines = Vec::new();
    let command = Command::new(board.emulator).args(board.args).arg("-kernel").arg(program);
    let ended = command.stream(board.limit, |stream, chunk| match stream {
        Stream::Out => decoder.received(chunk, |line| {
            println!("  {line}");
            lines.push(line);
        }),
        Stream::Err => print!("{}", String::from_utf8_lossy(chunk)),
    })?;
    let code = match ended {
        Ended::TimedOut(limit) => bail!("no end after {} s; killed", limit.as_secs()),
        Ended::Exited(status) => status.code(),
    };
    Ok(verdict::judge(&lines, code))
}
