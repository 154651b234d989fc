//! Lua on a Cortex-M3, an example among the real runtimes (`tests/examples/runtimes/lua-cortex-m`): it compares
//! what it computes and counts, and says `done` if all of it is right.

use crate::{Board, TARGET_DIR, emulator, toolchain, verdict, watch};
use anyhow::{Context as _, Result};
use judge::Summary;
use std::path::Path;
use toolchain::Toolchain;
use toolchain::command::{Command, which};
use toolchain::workspace;

const TRIPLE: &str = "thumbv7m-none-eabi";
const FOLDER: &str = "tests/examples/runtimes/lua-cortex-m";
const PACKAGE: &str = "extram-example-lua-cortex-m";
const GCC: &str = "arm-none-eabi-gcc";

/// Each instruction takes 32 ns of the program's time: as the folder's own `.cargo/config.toml` has it.
const COUNTED: &[&str] = &["-icount", "shift=5"];

/// Builds it, boots it and judges.
pub fn check() -> Result<Summary> {
    let what = "Lua on a Cortex-M3";
    let board = Board::of(TRIPLE).context("no board for it")?;
    match toolchain(board).and_then(|toolchain| compiler().map(|()| toolchain)) {
        Ok(toolchain) => Ok(Summary::of(what, run(&toolchain, board))),
        Err(missing) => Ok(Summary::skipped(what, &missing)),
    }
}

/// Or what is missing of a C compiler and its library.
fn compiler() -> Result<(), String> {
    if which(GCC).is_none() {
        return Err(format!("no {GCC}; `cargo xtask setup --all` installs it"));
    }
    match Command::new(GCC).args(["-specs=picolibc.specs", "-dumpversion"]).read() {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("no picolibc for {GCC}; `cargo xtask setup --all` installs it")),
    }
}

fn run(toolchain: &Toolchain, board: &Board) -> Result<()> {
    println!("{toolchain}");
    let target_dir = workspace().join(TARGET_DIR);
    let build = toolchain.cargo("build", &[]).args(["--release", "--target-dir"]).arg(&target_dir);
    build.dir(workspace().join(FOLDER)).run()?;
    let program = target_dir.join(TRIPLE).join("release").join(Path::new(PACKAGE));
    let (lines, code) = watch(emulator(board), board.machine, COUNTED, &program)?;
    verdict::done(&lines, code)
}
