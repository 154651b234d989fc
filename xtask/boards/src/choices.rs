//! What is compiled for processors of a board's kind, for no board in particular: the crates, with and
//! without defmt, and, where there is no compare-exchange, with each implementation that a program may
//! choose for it (`portable-atomic`'s, of which the core asks only that there is one).

use anyhow::{Result, ensure};
use judge::Summary;
use std::path::Path;
use std::time::Duration;
use toolchain::command::Ended;
use toolchain::for_target;
use toolchain::workspace;

/// For whom, beside the board of which target; and whether it has a compare-exchange.
const COMPILED: &[(&str, &str, bool)] = &[
    ("thumbv6m-none-eabi", "thumbv6m-none-eabi", false),
    ("riscv32imac-unknown-none-elf", "riscv32imc-unknown-none-elf", false),
    ("thumbv7m-none-eabi", "thumbv7m-none-eabi", true),
    ("thumbv8m.main-none-eabi", "thumbv8m.main-none-eabi", true),
];

/// A choice: its name, the compiler's flags, features.
type Choice = (&'static str, &'static [&'static str], &'static str);

const CHOICES: &[Choice] = &[
    ("interrupts off, on one core", &["--cfg=portable_atomic_unsafe_assume_single_core"], ""),
    ("the program's critical sections", &[], ",portable-atomic/critical-section"),
];
const NONE: &[Choice] = &[("the processor's compare-exchange", &[], "")];

/// The checks beside that board.
pub(crate) fn compiled(board: &str) -> Summary {
    let mut summary = Summary::default();
    for (_, triple, exchanges) in COMPILED.iter().filter(|(of, ..)| *of == board) {
        let toolchain = match for_target(triple, "core") {
            Ok(toolchain) => toolchain,
            Err(missing) => {
                summary += Summary::skipped(triple, &missing.to_string());
                continue;
            }
        };
        for (what, flags, features) in if *exchanges { NONE } else { CHOICES } {
            for defmt in ["", ",extram-core/defmt,extram-port-bare-metal/defmt"] {
                let check = toolchain
                    .cargo("check", &[&["-Dwarnings"], *flags].concat())
                    .dir(workspace())
                    .args(["-p", "extram-core", "-p", "extram-port-bare-metal", "-p", "extram-capi"])
                    .args(["--no-default-features", "--features"])
                    .arg(format!("extram-capi/kernel{features}{defmt}"))
                    .arg("--target-dir")
                    .arg(Path::new(super::TARGET_DIR));
                let with = if defmt.is_empty() { "without" } else { "with" };
                summary += Summary::of(&format!("{triple}: {what}, {with} defmt: it compiles"), check.run());
            }
        }
        if *exchanges && *triple == board {
            summary +=
                Summary::of(&format!("{triple}: a pool without a port is refused"), refused(&toolchain));
        }
    }
    summary
}

/// A program that leaves the choice of the port to the facade, which has none for such a target.
const NO_PORT: &str = "#![no_std]
pub struct Nothing;
impl extram::Runtime for Nothing {
    type Context = ();
    type Error = ();
    fn new_context(&self) -> Result<(), ()> {
        Ok(())
    }
}
static SLOTS: extram::Slots<Nothing, 1> = extram::Slots::new();
pub static POOL: extram::Pool<Nothing> = extram::Pool::with_slots(Nothing, &SLOTS);
";

/// The compiler says in one sentence what is missing and what to do.
fn refused(toolchain: &toolchain::Toolchain) -> Result<()> {
    let folder = workspace().join(super::TARGET_DIR).join("no-port");
    std::fs::create_dir_all(&folder)?;
    let manifest = format!(
        "[package]\nname = \"no-port\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[lib]\npath = \"lib.rs\"\n\
         [dependencies]\nextram = {{ path = '{}', default-features = false }}\n[workspace]\n",
        workspace().join("crates/extram").display()
    );
    std::fs::write(folder.join("Cargo.toml"), manifest)?;
    std::fs::write(folder.join("lib.rs"), NO_PORT)?;
    // As it was resolved here, where there is no network.
    std::fs::copy(workspace().join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let check = toolchain.cargo("check", &[]).dir(&folder).arg("--target-dir").arg(folder.join("target"));
    let mut said = Vec::new();
    let ended = check.stream(Duration::from_secs(300), |_, chunk| said.extend_from_slice(chunk))?;
    let said = String::from_utf8_lossy(&said);
    let failed = matches!(ended, Ended::Exited(status) if !status.success());
    let clear = ["ThisTargetHasNoPort` is not a port of extram's", "name one: `Pool<MyRuntime, MyPort>`"];
    ensure!(failed && clear.iter().all(|sentence| said.contains(sentence)), "{ended:?}: {said}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use toolchain::targets;

    #[test]
    fn what_is_compiled_is_a_target_and_beside_a_board() {
        for (board, triple, _) in COMPILED {
            assert!(targets::find(triple).is_some(), "{triple}");
            assert!(crate::board::Board::of(board).is_some(), "{board}");
        }
    }
}
