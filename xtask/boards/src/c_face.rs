//! The C face on a board: what `cargo xtask install --target` installs, with a kernel in C around it
//! (`tests/proof/boards/c-face`), linked by clang and booted.

use crate::verdict::{self, Verdict};
use crate::{TARGET_DIR, watch};
use anyhow::{Result, bail};
use install::Options;
use judge::Summary;
use std::path::{Path, PathBuf};
use toolchain::command::{Command, which};
use toolchain::workspace;

/// A machine, as the C compiler and QEMU have it.
struct Machine {
    /// In the lane of which target.
    beside: &'static str,
    triple: &'static str,
    machine: &'static [&'static str],
    /// No compare-exchange.
    single_core: bool,
    /// For clang.
    flags: &'static [&'static str],
    source: &'static str,
    script: &'static str,
    /// Where the script finds how much memory there is.
    memory: &'static str,
}

const CORTEX_M: Machine = Machine {
    beside: "",
    triple: "",
    machine: &[],
    single_core: false,
    flags: &[],
    source: "cortex_m.c",
    script: "cortex_m.ld",
    memory: "",
};

const VIRT: Machine = Machine {
    machine: &["-machine", "virt", "-bios", "none"],
    source: "riscv.c",
    script: "riscv.ld",
    ..CORTEX_M
};

const MACHINES: [Machine; 4] = [
    Machine {
        beside: "thumbv7m-none-eabi",
        triple: "thumbv7m-none-eabi",
        machine: &["-machine", "mps2-an385"],
        flags: &["--target=thumbv7m-none-eabi", "-DFREQUENCY=25000000"],
        memory: "mps2_an385",
        ..CORTEX_M
    },
    Machine {
        beside: "thumbv6m-none-eabi",
        triple: "thumbv6m-none-eabi",
        machine: &["-machine", "microbit"],
        single_core: true,
        flags: &["--target=thumbv6m-none-eabi", "-DFREQUENCY=16000000"],
        memory: "microbit",
        ..CORTEX_M
    },
    Machine {
        beside: "riscv32imac-unknown-none-elf",
        triple: "riscv32imac-unknown-none-elf",
        flags: &["--target=riscv32-unknown-elf", "-march=rv32imac", "-mabi=ilp32", "-mno-relax"],
        ..VIRT
    },
    Machine {
        beside: "riscv32imac-unknown-none-elf",
        triple: "riscv32imc-unknown-none-elf",
        single_core: true,
        flags: &["--target=riscv32-unknown-elf", "-march=rv32imc", "-mabi=ilp32", "-mno-relax"],
        ..VIRT
    },
];

/// On the machines in that target's lane; nothing if there are none.
pub(crate) fn lane(beside: &str) -> Result<Summary> {
    let mut summary = Summary::default();
    for machine in MACHINES.iter().filter(|machine| machine.beside == beside) {
        summary += check(machine)?;
    }
    Ok(summary)
}

fn check(machine: &Machine) -> Result<Summary> {
    let triple = machine.triple;
    let what = format!("the C face, {triple}");
    if let Some(missing) = machine.missing() {
        return Ok(Summary::skipped(&what, &missing));
    }
    let folder = workspace().join(TARGET_DIR).join("c-face").join(triple);
    let options = Options::below(&folder).target(triple).single_core(machine.single_core);
    install::install(&options)?;
    let (verdict, mut summary) = machine.run(&machine.build(&folder, &[])?)?;
    summary += Summary::of(&format!("{what}: {verdict}"), verdict.good());
    let (verdict, _) = machine.run(&machine.build(&folder, &["-DSILENT"])?)?;
    let noticed = match verdict {
        Verdict::Failed { .. } => Ok(()),
        other => bail!("a kernel that wakes nobody is not noticed: {other}"),
    };
    summary += Summary::of(&format!("{what}: a kernel that wakes nobody fails"), noticed);
    Ok(summary)
}

impl Machine {
    fn missing(&self) -> Option<String> {
        let install = format!("`cargo xtask setup --target {}` installs it", self.triple);
        if let Err(missing) = toolchain::for_target(self.triple, "core") {
            return Some(missing.to_string());
        }
        let tool = ["clang", "ld.lld", self.emulator()].into_iter().find(|tool| which(tool).is_none())?;
        Some(format!("no {tool}; {install}"))
    }

    fn emulator(&self) -> &'static str {
        if self.triple.starts_with("thumb") { "qemu-system-arm" } else { "qemu-system-riscv32" }
    }

    /// Compiles the program against what was installed there.
    fn build(&self, installed: &Path, flags: &[&str]) -> Result<PathBuf> {
        let here = workspace().join("tests/proof/boards");
        let source = here.join("c-face");
        let program = installed.join(format!("program{}.elf", flags.concat()));
        Command::new("clang")
            .args(self.flags)
            .args(["-std=c11", "-Os", "-g", "-ffreestanding", "-nostdlib", "-Wall", "-Wextra", "-Werror"])
            .args(flags)
            .arg(format!("-I{}", installed.join("include").display()))
            .args([source.join("program.c"), source.join(self.source), installed.join("lib/libextram.a")])
            .args(["-fuse-ld=lld", "-Wl,--gc-sections", "-T"])
            .arg(source.join(self.script))
            .arg(format!("-L{}", here.join("cortex-m/memory").join(self.memory).display()))
            .arg("-o")
            .arg(&program)
            .run()?;
        Ok(program)
    }

    fn run(&self, program: &Path) -> Result<(Verdict, Summary)> {
        let (lines, code) = watch(self.emulator(), self.machine, &[], program)?;
        Ok(verdict::judge(&lines, code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_is_for_a_target_and_has_its_sources() {
        let here = workspace().join("tests/proof/boards");
        for machine in &MACHINES {
            assert!(toolchain::targets::find(machine.triple).is_some(), "{}", machine.triple);
            assert!(crate::board::Board::of(machine.beside).is_some(), "{}", machine.beside);
            for file in [machine.source, machine.script] {
                assert!(here.join("c-face").join(file).exists(), "{file}");
            }
            assert!(here.join("cortex-m/memory").join(machine.memory).is_dir(), "{}", machine.memory);
        }
        assert_eq!(lane("aarch64-unknown-none").unwrap(), Summary::default());
    }
}
