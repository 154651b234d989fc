//! The machine that FreeBSD boots on: QEMU and its firmware, and who runs the processors, KVM or QEMU
//! itself.

use anyhow::{Context as _, Result, bail, ensure};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;
use toolchain::command::{Command, Ended, which};

/// The processors, run by the hardware and run by QEMU.
const KVM: [&str; 6] = ["-accel", "kvm", "-cpu", "host", "-smp", "2"];
const TCG: [&str; 6] = ["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2"];

/// How QEMU runs the processors of the machine.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accel {
    /// KVM where it works, else QEMU.
    #[default]
    Auto,
    /// KVM, or the run fails.
    Kvm,
    /// QEMU, which emulates them.
    Tcg,
}

/// What `--accel` says.
static CHOSEN: OnceLock<Accel> = OnceLock::new();

/// Has every later machine use this.
pub fn choose(accel: Accel) {
    // A second one cannot be given: there is one option.
    let _ = CHOSEN.set(accel);
}

impl Accel {
    /// Whether to take KVM, given a trial of it.
    fn takes_kvm(self, works: impl FnOnce() -> Result<()>) -> Result<bool> {
        match self {
            Accel::Auto => Ok(works().is_ok()),
            Accel::Kvm => works().map(|()| true).context("--accel kvm cannot be had"),
            Accel::Tcg => Ok(false),
        }
    }
}

/// KVM has failed while the machine ran, in QEMU's words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KvmFailed(pub(super) String);

impl fmt::Display for KvmFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KVM has failed: {}", self.0)
    }
}

impl std::error::Error for KvmFailed {}

/// What QEMU says on its standard error if a processor cannot run any further. The machine then
/// stands still, and QEMU does not end.
const STANDSTILL: [&str; 2] = ["KVM internal error", "kvm run failed"];

/// Whether QEMU's standard error says that KVM has failed. Of a QEMU that has `ended` before the
/// guest was done, any complaint about KVM says so.
pub(super) fn kvm_failure(complaints: &str, ended: bool) -> Option<KvmFailed> {
    // The last line may not have come whole.
    let whole = complaints.rfind('\n').map_or("", |end| &complaints[..end]);
    let failed = |line: &&str| {
        let blamed = line.to_lowercase().contains("kvm") && !line.contains("warning:");
        STANDSTILL.iter().any(|words| line.contains(words)) || ended && blamed
    };
    let line = if ended { complaints } else { whole }.lines().find(failed)?;
    Some(KvmFailed(line.trim().to_owned()))
}

/// QEMU, firmware and what they are called with.
#[derive(Clone)]
pub(super) struct Machine {
    emulator: PathBuf,
    firmware: PathBuf,
    /// Whether KVM runs the processors.
    pub(super) kvm: bool,
    accel: Accel,
}

impl Machine {
    pub(super) fn find(target: &str) -> Result<Machine> {
        let (emulator, firmwares): (_, &[&str]) = if target.starts_with("aarch64") {
            (
                "qemu-system-aarch64",
                &["/usr/share/qemu-efi-aarch64/QEMU_EFI.fd", "/usr/share/AAVMF/AAVMF_CODE.fd"],
            )
        } else {
            ("qemu-system-x86_64", &["/usr/share/qemu/OVMF.fd", "/usr/share/ovmf/OVMF.fd"])
        };
        let Some(emulator) = which(emulator) else { bail!("no {emulator}; cargo xtask setup installs it") };
        let firmware = firmwares.iter().map(PathBuf::from).find(|path| path.is_file());
        let firmware = firmware.with_context(|| {
            format!("no UEFI firmware at {} (Debian's ovmf or qemu-efi-aarch64)", firmwares.join(" or "))
        })?;
        let accel = CHOSEN.get().copied().unwrap_or_default();
        let kvm = accel.takes_kvm(|| kvm_works(target, &emulator))?;
        Ok(Machine { emulator, firmware, kvm, accel })
    }

    pub(super) fn command(&self, target: &str, disk: &Path, memory_mib: u64) -> Command {
        let arm = target.starts_with("aarch64");
        let mut command = Command::new(&self.emulator);
        if arm {
            command = command.args(["-machine", "virt"]);
        } else {
            let port = format!("isa-debug-exit,iobase={:#x},iosize=2", freebsd_init::EXIT_PORT);
            command = command.args(["-device", &port]);
        }
        command
            .args(if self.kvm { KVM } else { TCG })
            .arg("-m")
            .arg(memory_mib.to_string())
            .arg("-bios")
            .arg(&self.firmware)
            .arg("-drive")
            .arg(format!("file={},format=raw,if=virtio", disk.display()))
            // A panic ends the machine and does not start it again.
            .args(["-display", "none", "-vga", "none", "-net", "none", "-no-reboot"])
            .args(["-monitor", "none", "-serial", "stdio"])
    }

    /// The emulator's exit status after a good run.
    pub(super) fn success(&self, target: &str) -> i32 {
        if target.starts_with("aarch64") { 0 } else { i32::from(freebsd_init::WELL) * 2 + 1 }
    }

    /// The machine to try next, after one whose KVM has failed and need not be.
    pub(super) fn instead(&self, error: &anyhow::Error) -> Option<Machine> {
        let left = self.kvm && self.accel == Accel::Auto && error.is::<KvmFailed>();
        left.then(|| Machine { kvm: false, ..self.clone() })
    }
}

/// Tries KVM: the error says what is in its way.
fn kvm_works(target: &str, emulator: &Path) -> Result<()> {
    let here = std::env::consts::ARCH;
    ensure!(target.starts_with(here), "this machine is {here}, and KVM runs nothing else");
    ensure!(Path::new("/dev/kvm").exists(), "there is no /dev/kvm");
    ensure!(starts(emulator, KVM), "QEMU does not run a first instruction with it");
    Ok(())
}

/// Whether the emulator really runs instructions with these processors: it is given a firmware of
/// three of them. That a device file is there does not say it, nor that another processor starts.
fn starts(emulator: &Path, engine: [&str; 6]) -> bool {
    const STATUS: u8 = 0x10;
    // At the reset vector, 16 bytes before the end: mov dx, port; mov al, status; out dx, al; hlt.
    let [low, high] = freebsd_init::EXIT_PORT.to_le_bytes();
    let mut firmware = vec![0x90; 65536];
    firmware[65536 - 16..][..7].copy_from_slice(&[0xBA, low, high, 0xB0, STATUS, 0xEE, 0xF4]);
    let file = std::env::temp_dir().join(format!("extram-trial-{}", std::process::id()));
    if std::fs::write(&file, firmware).is_err() {
        return false;
    }
    let device = format!("isa-debug-exit,iobase={:#x},iosize=2", freebsd_init::EXIT_PORT);
    let trial = Command::new(emulator)
        .args(engine)
        .args(["-m", "16", "-nodefaults", "-display", "none", "-no-reboot"])
        .args(["-device", &device, "-bios"])
        .arg(&file)
        .stream(Duration::from_secs(20), |_, _| ());
    let _ = std::fs::remove_file(file);
    matches!(trial, Ok(Ended::Exited(status)) if status.code() == Some(i32::from(STATUS) * 2 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn the_trial_tells_an_accelerator_that_works_from_one_that_does_not() {
        let Some(emulator) = which("qemu-system-x86_64") else {
            println!("skipped: no qemu-system-x86_64");
            return;
        };
        assert!(starts(&emulator, TCG));
        assert!(!starts(&emulator, TCG.map(|word| if word == "max" { "no-such-processor" } else { word })));
    }

    #[test]
    fn the_machine_is_started_as_it_should() {
        let machine =
            Machine { emulator: "qemu".into(), firmware: "OVMF.fd".into(), kvm: false, accel: Accel::Auto };
        let line = machine.command("x86_64-unknown-freebsd", Path::new("boot.img"), 1100).to_string();
        for part in [
            "-accel tcg,thread=multi -cpu max -smp 2 -m 1100",
            "-bios OVMF.fd",
            "isa-debug-exit,iobase=0x501,iosize=2",
            "-no-reboot",
            "-serial stdio",
        ] {
            assert!(line.contains(part), "{part} is not in {line}");
        }
        let kvm = Machine { kvm: true, ..machine };
        assert!(
            kvm.command("x86_64-unknown-freebsd", Path::new("b"), 1)
                .to_string()
                .contains("-accel kvm -cpu host")
        );
    }

    #[test]
    fn the_switch_decides_and_auto_goes_by_the_trial() {
        let works = || Ok(());
        let fails = || Err(anyhow!("there is no /dev/kvm"));
        let tried = || -> Result<()> { panic!("tcg needs no trial") };
        assert!(Accel::Auto.takes_kvm(works).unwrap());
        assert!(!Accel::Auto.takes_kvm(fails).unwrap());
        assert!(Accel::Kvm.takes_kvm(works).unwrap());
        let error = format!("{:#}", Accel::Kvm.takes_kvm(fails).unwrap_err());
        assert_eq!(error, "--accel kvm cannot be had: there is no /dev/kvm");
        assert!(!Accel::Tcg.takes_kvm(tried).unwrap());
    }

    /// What QEMU prints where KVM gives a processor up.
    const SUBERROR: &str = "KVM internal error. Suberror: 1\nextra data[0]: 0x0000000000000000\nemulation \
                            failure\nRAX=0000000000000000 RBX=00000000000f0000\n";
    const BAD_ADDRESS: &str = "error: kvm run failed Bad address\nEAX=00006cdc EBX=00000008\n";
    const DENIED: &str = "Could not access KVM kernel module: Permission denied\nqemu-system-x86_64: failed \
                          to initialize kvm: Permission denied\n";
    const WARNING: &str = "qemu-system-x86_64: warning: kvm: host lacks a feature\n";
    const OTHER: &str = "qemu-system-x86_64: -drive file=boot.img: Could not open 'boot.img'\n";

    #[test]
    fn a_failure_of_kvm_is_told_by_what_qemu_prints() {
        let due = [
            (SUBERROR, Some("KVM internal error. Suberror: 1"), Some("KVM internal error. Suberror: 1")),
            (
                BAD_ADDRESS,
                Some("error: kvm run failed Bad address"),
                Some("error: kvm run failed Bad address"),
            ),
            (DENIED, None, Some("Could not access KVM kernel module: Permission denied")),
            (WARNING, None, None),
            (OTHER, None, None),
            ("", None, None),
        ];
        for (complaints, running, ended) in due {
            let said = |ended| kvm_failure(complaints, ended).map(|failed| failed.0);
            assert_eq!(said(false).as_deref(), running, "{complaints}");
            assert_eq!(said(true).as_deref(), ended, "{complaints}");
        }
    }

    #[test]
    fn the_line_of_a_failure_is_waited_for_to_its_end() {
        for length in 0..SUBERROR.len() {
            let whole = SUBERROR[..length].contains('\n');
            let failed = kvm_failure(&SUBERROR[..length], false);
            assert_eq!(failed.is_some(), whole, "{length}");
            assert!(failed.is_none_or(|failed| failed.0.ends_with("Suberror: 1")));
        }
    }

    #[test]
    fn a_kvm_that_fails_is_left_once_and_only_if_it_need_not_be() {
        let failed = || anyhow::Error::from(KvmFailed("x".into())).context("the console ends with");
        let machine = |kvm, accel| Machine { emulator: "q".into(), firmware: "f".into(), kvm, accel };
        let next = machine(true, Accel::Auto).instead(&failed()).unwrap();
        assert!(!next.kvm);
        assert!(next.instead(&failed()).is_none(), "a second time");
        assert!(machine(true, Accel::Kvm).instead(&failed()).is_none(), "it was asked for");
        assert!(machine(true, Accel::Auto).instead(&anyhow!("a panic")).is_none(), "not its fault");
    }
}
