//! The boards, as QEMU has them.

use std::time::Duration;
use toolchain::targets::{self, Target};

/// A machine and the program for it.
pub(super) struct Board {
    pub(super) triple: &'static str,
    /// The program, under `tests/proof/boards`.
    pub(super) package: &'static str,
    /// Which machine, and how many cores it gets.
    pub(super) machine: &'static [&'static str],
    /// What the compiler is told about the target's programs.
    pub(super) rustflags: &'static [&'static str],
    /// A program that counts its instructions.
    pub(super) counts: Option<&'static str>,
    /// A program to look at.
    pub(super) example: Option<&'static str>,
}

pub(super) const BOARD: Board =
    Board { triple: "", package: "", machine: &[], rustflags: &[], counts: None, example: None };

/// No window, no console; the program's own output and its exit code come by semihosting.
pub(super) const QEMU: &[&str] = &[
    "-display",
    "none",
    "-monitor",
    "none",
    "-serial",
    "none",
    "-semihosting-config",
    "enable=on,target=native",
];

/// With several cores, each of them is a thread of its own: on one, they take turns at points where
/// no race can be lost.
pub(super) const AT_ONCE: &[&str] = &["-accel", "tcg,thread=multi"];

/// Each instruction takes 1024 ns of the program's time.
pub(super) const COUNTED: &[&str] = &["-icount", "shift=10"];

/// Each takes 32 ns: an interrupt of a real machine's pace comes at the same instruction in every run.
pub(super) const PACED: &[&str] = &["-icount", "shift=5"];

/// A run that takes longer hangs. A good one takes seconds.
pub(super) const LIMIT: Duration = Duration::from_secs(300);

const BOARDS: &[Board] = &[
    Board {
        triple: "thumbv6m-none-eabi",
        package: "cortex-m-boards",
        machine: &["-machine", "microbit"],
        ..BOARD
    },
    Board {
        triple: "thumbv7m-none-eabi",
        package: "cortex-m-boards",
        machine: &["-machine", "mps2-an385"],
        counts: Some("latency"),
        ..BOARD
    },
    Board {
        triple: "thumbv8m.main-none-eabi",
        package: "cortex-m-boards",
        machine: &["-machine", "mps2-an521"],
        example: Some("interrupts"),
        ..BOARD
    },
    Board {
        triple: "aarch64-unknown-none",
        package: "aarch64-virt",
        machine: &["-machine", "virt", "-cpu", "cortex-a57", "-smp", "4"],
        ..BOARD
    },
    Board {
        triple: "riscv32imac-unknown-none-elf",
        package: "riscv-virt",
        machine: &["-machine", "virt", "-smp", "4", "-bios", "none"],
        ..BOARD
    },
    Board {
        triple: "riscv64gc-unknown-none-elf",
        package: "riscv-virt",
        machine: &["-machine", "virt", "-smp", "4"],
        // defmt's symbols are numbers near address 0. The default model reaches 2 GiB from where the
        // code is, which is above 2 GiB.
        rustflags: &["-Ccode-model=large"],
        ..BOARD
    },
];

impl Board {
    /// The one on which that target's tests run.
    pub(super) fn of(triple: &str) -> Option<&'static Board> {
        BOARDS.iter().find(|board| board.triple == triple)
    }

    /// What is known of its target.
    pub(super) fn target(&self) -> &'static Target {
        targets::find(self.triple).expect("every board is for a listed target")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_board_is_for_a_target_that_runs_in_its_emulator_and_every_such_target_has_one() {
        for board in BOARDS {
            assert!(board.target().emulator.is_some(), "{}", board.triple);
        }
        for target in targets::TARGETS.iter().filter(|target| target.triple.contains("-none")) {
            assert_eq!(Board::of(target.triple).is_some(), target.emulator.is_some(), "{}", target.triple);
        }
    }
}
