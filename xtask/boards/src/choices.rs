//! What is compiled for processors of a board's kind, for no board in particular: the crates, with and
//! without defmt, and, where there is no compare-exchange, with each implementation that a program may
//! choose for it (`portable-atomic`'s, of which the core asks only that there is one).

use judge::Summary;
use std::path::Path;
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
    }
    summary
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
