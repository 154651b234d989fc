//! The boards, as QEMU has them.

use std::time::Duration;

/// A machine and the program for it.
pub(super) struct Board {
    /// The program, under `tests/bare-metal`.
    pub(super) package: &'static str,
    pub(super) triple: &'static str,
    /// For people.
    pub(super) machine: &'static str,
    pub(super) emulator: &'static str,
    pub(super) args: &'static [&'static str],
    /// A run that takes longer hangs. A good one takes seconds.
    pub(super) limit: Duration,
}

/// No window, no console; the program's own output and its exit code come by semihosting. With
/// several cores, each of them is a thread of its own: on one, they take turns at points where no
/// race can be lost.
macro_rules! qemu {
    ($($arg:literal),*) => {
        &[
            "-display", "none", "-monitor", "none", "-serial", "none",
            "-semihosting-config", "enable=on,target=native",
            "-accel", "tcg,thread=multi",
            $($arg),*
        ]
    };
}

const LIMIT: Duration = Duration::from_secs(300);

pub(super) const CORTEX_M3: Board = Board {
    package: "cortex-m3",
    triple: "thumbv7m-none-eabi",
    machine: "mps2-an385, one Cortex-M3",
    emulator: "qemu-system-arm",
    args: qemu!["-machine", "mps2-an385"],
    limit: LIMIT,
};

pub(super) const AARCH64: Board = Board {
    package: "aarch64-virt",
    triple: "aarch64-unknown-none",
    machine: "virt, four Cortex-A57",
    emulator: "qemu-system-aarch64",
    args: qemu!["-machine", "virt", "-cpu", "cortex-a57", "-smp", "4"],
    limit: LIMIT,
};

pub(super) const DUAL_CORTEX_M33: Board = Board {
    package: "dual-cortex-m33",
    triple: "thumbv8m.main-none-eabi",
    machine: "mps2-an521, two Cortex-M33",
    emulator: "qemu-system-arm",
    args: qemu!["-machine", "mps2-an521"],
    limit: LIMIT,
};

pub(super) const RISCV32: Board = Board {
    package: "riscv-virt",
    triple: "riscv32imac-unknown-none-elf",
    machine: "virt, four harts without firmware",
    emulator: "qemu-system-riscv32",
    args: qemu!["-machine", "virt", "-smp", "4", "-bios", "none"],
    limit: LIMIT,
};
