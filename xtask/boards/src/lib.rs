//! The lanes without an operating system: `cargo xtask test --target TRIPLE` builds the suite for a
//! board, boots it in QEMU, reads what it tells in defmt, and judges.
//!
//! A run is good if it says so twice: by its closing line, which has to name no failure, and by its
//! exit code. Then the same board runs with a port that is broken on purpose, and has to say that,
//! too.

mod board;
mod c_face;
mod choices;
mod decode;
pub mod executors;
pub mod freertos;
pub mod lua;
mod nmi;
pub mod size;
mod verdict;

use anyhow::{Context as _, Result, bail};
use board::Board;
use decode::Decoder;
use judge::Summary;
use std::path::{Path, PathBuf};
use toolchain::Toolchain;
use toolchain::command::{Command, Ended, Stream, which};
use toolchain::workspace;
use verdict::Verdict;

/// Where everything for these targets is built: the libraries of a target are shared by all that
/// runs on it.
const TARGET_DIR: &str = "target/bare-metal";

/// The lane of a target.
pub fn lane(triple: &str) -> Result<Summary> {
    let board = Board::of(triple).with_context(|| format!("no board for {triple}"))?;
    let toolchain = match toolchain(board) {
        Ok(toolchain) => toolchain,
        Err(missing) => return Ok(Summary::skipped(triple, &missing)),
    };
    println!("{toolchain}");
    let machine = board.target().machine;
    let suite = Build::of(board.package);
    let program = build(&toolchain, board, &suite)?;
    let (verdict, mut summary) = run(board, board::AT_ONCE, &program)?;
    summary += Summary::of(&format!("{machine}: {verdict}"), verdict.good());

    let program = build(&toolchain, board, &Build { features: &["broken"], ..suite })?;
    let (verdict, _) = run(board, board::AT_ONCE, &program)?;
    let noticed = match verdict {
        Verdict::Failed { .. } => Ok(()),
        other => Err(anyhow::anyhow!("a broken port is not noticed: {other}")),
    };
    summary += Summary::of(&format!("{machine}: a port that is broken on purpose fails"), noticed);
    if let Some(package) = board.counts {
        let program = build(&toolchain, board, &Build::of(package))?;
        let (verdict, counted) = run(board, board::COUNTED, &program)?;
        summary += counted;
        summary += Summary::of(&format!("{machine}: {package}: {verdict}"), verdict.good());
    }
    if let Some(package) = board.example {
        summary += Summary::of(&format!("{machine}: {package}"), example(&toolchain, board, package));
    }
    summary += nmi::lane(triple, &toolchain)?;
    summary += c_face::lane(triple)?;
    summary += choices::compiled(triple);
    Ok(summary)
}

/// `cargo xtask interrupts`: the example, to be watched.
pub fn interrupts() -> Result<()> {
    let board = Board::of("thumbv8m.main-none-eabi").context("no board for it")?;
    let package = board.example.context("no example for it")?;
    example(&toolchain(board).map_err(anyhow::Error::msg)?, board, package)
}

fn example(toolchain: &Toolchain, board: &Board, package: &str) -> Result<()> {
    let program = build(toolchain, board, &Build::of(package))?;
    let (lines, code) = watch(emulator(board), board.machine, board::AT_ONCE, &program)?;
    verdict::done(&lines, code)
}

/// What builds for the board, if there is also what runs it; else what is missing.
fn toolchain(board: &Board) -> Result<Toolchain, String> {
    let toolchain = toolchain::for_target(board.triple, "core").map_err(|missing| missing.to_string())?;
    match emulator(board) {
        emulator if which(emulator).is_some() => Ok(toolchain),
        emulator => Err(format!("no {emulator}; `cargo xtask setup --target {}` installs it", board.triple)),
    }
}

fn emulator(board: &Board) -> &'static str {
    board.target().emulator.expect("every board has an emulator")
}

/// A program to build for a board.
#[derive(Clone, Copy)]
struct Build<'a> {
    package: &'a str,
    profile: &'a str,
    features: &'a [&'a str],
    /// A directory that the build is told of.
    env: Option<(&'a str, &'a Path)>,
}

impl<'a> Build<'a> {
    fn of(package: &'a str) -> Self {
        Build { package, profile: "release", features: &[], env: None }
    }
}

/// Builds a program and returns where it is.
fn build(toolchain: &Toolchain, board: &Board, what: &Build<'_>) -> Result<PathBuf> {
    building(toolchain, board, what).run()?;
    Ok(workspace().join(TARGET_DIR).join(board.triple).join(what.profile).join(what.package))
}

/// The command that builds it.
fn building(toolchain: &Toolchain, board: &Board, what: &Build<'_>) -> Command {
    let mut command = toolchain.cargo("build", board.rustflags);
    if let Some((name, directory)) = what.env {
        command = command.env(name, directory);
    }
    command
        .args(["--profile", what.profile, "--package", what.package])
        .args(what.features.iter().flat_map(|feature| ["--features", feature]))
        .arg("--target-dir")
        .arg(workspace().join(TARGET_DIR))
        .env("DEFMT_LOG", "debug")
        .dir(workspace().join("tests/proof/boards"))
}

/// Runs a program; what became of it, and the checks that it counted itself.
fn run(board: &Board, accelerator: &[&str], program: &Path) -> Result<(Verdict, Summary)> {
    let (lines, code) = watch(emulator(board), board.machine, accelerator, program)?;
    Ok(verdict::judge(&lines, code))
}

/// Runs a program; what it told, and its exit code (`None` if a signal ended it).
fn watch(
    emulator: &str,
    machine: &[&str],
    accelerator: &[&str],
    program: &Path,
) -> Result<(Vec<String>, Option<i32>)> {
    let elf = std::fs::read(program).with_context(|| format!("no {}", program.display()))?;
    let mut decoder = Decoder::new(&elf)?;
    let mut lines = Vec::new();
    let command =
        Command::new(emulator).args(machine).args(board::QEMU).args(accelerator).arg("-kernel").arg(program);
    let ended = command.stream(board::LIMIT, |stream, chunk| match stream {
        Stream::Out => decoder.received(chunk, |line| {
            println!("  {line}");
            lines.push(line);
        }),
        Stream::Err => print!("{}", String::from_utf8_lossy(chunk)),
    })?;
    match ended {
        Ended::TimedOut(limit) => bail!("no end after {} s; killed", limit.as_secs()),
        Ended::Exited(status) => Ok((lines, status.code())),
    }
}
