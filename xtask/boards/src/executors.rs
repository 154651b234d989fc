//! `cargo xtask test --executors`: extram with embassy and with RTIC, whose crates cargo downloads.

use crate::board::{self, Board};
use crate::verdict::Verdict;
use crate::{Build, build, building, run, toolchain};
use anyhow::{Result, bail, ensure};
use judge::Summary;
use toolchain::Toolchain;
use toolchain::command::{Command, Ended, Stream};
use toolchain::workspace;

const BOARD: Board = Board {
    triple: "thumbv7m-none-eabi",
    package: "with-embassy",
    machine: &["-machine", "mps2-an385"],
    ..board::BOARD
};

/// A program and what is broken in it on purpose.
struct Executor {
    package: &'static str,
    /// Features with which it does not compile, and what the compiler says.
    refused: &'static [(&'static str, &'static str)],
}

const EXECUTORS: [Executor; 2] = [
    Executor {
        package: "with-embassy",
        refused: &[("sent", "cannot be sent between threads safely"), ("awaits", "error[E0728]")],
    },
    Executor { package: "with-rtic", refused: &[] },
];

/// Features with which each of them fails: no M is made before interrupts come; nobody is told to wake.
const BROKEN: [&str; 2] = ["unprepared", "silent"];

/// The lane.
pub fn lane() -> Result<Summary> {
    let toolchain = match toolchain(&BOARD) {
        Ok(toolchain) => toolchain,
        Err(missing) => return Ok(Summary::skipped("embassy and RTIC", &missing)),
    };
    if let Err(missing) = fetch() {
        return Ok(Summary::skipped("embassy and RTIC", &format!("their crates are not there: {missing:#}")));
    }
    println!("{toolchain}");
    let mut summary = Summary::default();
    for Executor { package, refused } in &EXECUTORS {
        let good = Build::of(package);
        let program = build(&toolchain, &BOARD, &good)?;
        let (verdict, counted) = run(&BOARD, board::PACED, &program)?;
        summary += counted;
        summary += Summary::of(&format!("{package}: {verdict}"), verdict.good());
        for feature in BROKEN {
            let program = build(&toolchain, &BOARD, &Build { features: &[feature], ..good })?;
            let noticed = match run(&BOARD, board::PACED, &program)?.0 {
                Verdict::Failed { .. } => Ok(()),
                other => Err(anyhow::anyhow!("it is not noticed: {other}")),
            };
            summary += Summary::of(&format!("{package}, {feature}, fails"), noticed);
        }
        for (feature, why) in *refused {
            let broken = Build { features: &[feature], ..good };
            let refused = is_refused(&toolchain, &broken, why);
            summary += Summary::of(&format!("{package}, {feature}, does not compile: {why}"), refused);
        }
    }
    Ok(summary)
}

/// What the programs are made of.
fn fetch() -> Result<()> {
    let fetch = Command::new("cargo").args(["fetch", "--locked", "--target", BOARD.triple]);
    fetch.dir(workspace().join("tests/proof/boards")).run()
}

/// That it does not compile, for this reason.
fn is_refused(toolchain: &Toolchain, what: &Build<'_>, why: &str) -> Result<()> {
    let mut said = String::new();
    let building = building(toolchain, &BOARD, what).env("CARGO_TERM_COLOR", "never");
    let ended = building.stream(board::LIMIT, |stream, chunk| {
        if let Stream::Err = stream {
            said.push_str(&String::from_utf8_lossy(chunk));
        }
    })?;
    match ended {
        Ended::Exited(status) if status.success() => bail!("it compiles"),
        Ended::Exited(_) => ensure!(said.contains(why), "it fails otherwise: {said}"),
        Ended::TimedOut(limit) => bail!("no end after {} s; killed", limit.as_secs()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_has_the_features_that_break_it() {
        for Executor { package, refused } in &EXECUTORS {
            let manifest = workspace().join("tests/proof/boards").join(package).join("Cargo.toml");
            let manifest: toml::Table = std::fs::read_to_string(manifest).unwrap().parse().unwrap();
            let refused = refused.iter().map(|(feature, _)| *feature);
            for feature in BROKEN.into_iter().chain(refused) {
                assert!(manifest["features"].get(feature).is_some(), "{package}: {feature}");
            }
        }
        assert!(BOARD.target().emulator.is_some());
    }
}
