//! `cargo xtask targets`: every target, its tier, and how it is built and run on this machine.

use crate::command::which;
use crate::for_target;
use std::fmt;

/// What is proved for a target, each tier including the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// The crates compile.
    Builds,
    /// A program links.
    Links,
    /// The conformance suite passes on it.
    Runs,
}

/// One target of the project.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name.
    pub triple: &'static str,
    /// What is proved for it.
    pub tier: Tier,
    /// What `-Zbuild-std` has to build where the target is not installed.
    pub std: &'static str,
    /// The emulator that runs it; `None` for this machine itself.
    pub emulator: Option<&'static str>,
    /// Where it runs: the machine, and what is at once on it.
    pub machine: &'static str,
}

const BARE: Target = Target { triple: "", tier: Tier::Runs, std: "core", emulator: None, machine: "" };

/// Every target, the most used first.
pub const TARGETS: &[Target] = &[
    Target { triple: "x86_64-unknown-linux-gnu", std: "std", machine: "this machine", ..BARE },
    Target {
        triple: "x86_64-unknown-freebsd",
        std: "std,panic_unwind",
        emulator: Some("qemu-system-x86_64"),
        machine: "FreeBSD in QEMU",
        ..BARE
    },
    Target {
        triple: "aarch64-unknown-freebsd",
        tier: Tier::Links,
        std: "std,panic_unwind",
        machine: "FreeBSD on ARM",
        ..BARE
    },
    Target {
        triple: "x86_64-pc-windows-gnu",
        std: "std,panic_unwind",
        emulator: Some("wine"),
        machine: "Windows under Wine",
        ..BARE
    },
    Target {
        triple: "i686-pc-windows-gnu",
        tier: Tier::Builds,
        std: "std,panic_unwind",
        machine: "Windows, 32 bits",
        ..BARE
    },
    Target {
        triple: "thumbv6m-none-eabi",
        emulator: Some("qemu-system-arm"),
        machine: "microbit: Cortex-M0, no compare-exchange, interrupts as threads",
        ..BARE
    },
    Target {
        triple: "thumbv7m-none-eabi",
        emulator: Some("qemu-system-arm"),
        machine: "mps2-an385: Cortex-M3, interrupts as threads; under FreeRTOS",
        ..BARE
    },
    Target {
        triple: "thumbv8m.main-none-eabi",
        emulator: Some("qemu-system-arm"),
        machine: "mps2-an521: two Cortex-M33 at once",
        ..BARE
    },
    Target {
        triple: "riscv32imac-unknown-none-elf",
        emulator: Some("qemu-system-riscv32"),
        machine: "virt: 4 harts at once; one under FreeRTOS",
        ..BARE
    },
    Target {
        triple: "riscv32imc-unknown-none-elf",
        tier: Tier::Builds,
        machine: "no compare-exchange",
        ..BARE
    },
    Target {
        triple: "riscv64gc-unknown-none-elf",
        emulator: Some("qemu-system-riscv64"),
        machine: "virt: 4 harts at once under OpenSBI",
        ..BARE
    },
    Target {
        triple: "aarch64-unknown-none",
        emulator: Some("qemu-system-aarch64"),
        machine: "virt: 4 Cortex-A57 at once",
        ..BARE
    },
];

/// The target of that name.
pub fn find(triple: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.triple == triple)
}

/// Prints the table; the answer are those that cannot be built and run here.
pub fn print() -> Vec<&'static str> {
    let mut lacking = Vec::new();
    for target in TARGETS {
        println!("{:<30} {:<7} {}", target.triple, target.tier, target.machine);
        match for_target(target.triple, target.std) {
            Ok(toolchain) => println!("{:<30} builds here: {toolchain}", ""),
            Err(missing) => {
                println!("{:<30} does not build here: {missing}", "");
                lacking.push(target.triple);
            }
        }
        if let Some(emulator) = target.emulator {
            match which(emulator) {
                Some(path) => println!("{:<30} runs here: {}", "", path.display()),
                None => {
                    println!("{:<30} does not run here: no {emulator}", "");
                    lacking.push(target.triple);
                }
            }
        }
    }
    lacking
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Tier::Builds => "builds",
            Tier::Links => "links",
            Tier::Runs => "runs",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_metal_target_that_runs_names_its_emulator() {
        for target in TARGETS.iter().filter(|t| t.triple.contains("-none")) {
            assert_eq!(target.emulator.is_some(), target.tier == Tier::Runs, "{}", target.triple);
            assert_eq!(target.std, "core");
        }
    }

    #[test]
    fn a_triple_is_found_by_name_only() {
        assert_eq!(find("thumbv7m-none-eabi").map(|t| t.tier), Some(Tier::Runs));
        assert!(find("thumbv7m").is_none());
    }
}
