//! Boots a FreeBSD in QEMU that runs the programs of a plan, and reads its console.
//!
//! The way that works is UEFI firmware, the base's loader from a FAT disk, or GRUB for a base without
//! one, and the root file system preloaded into memory. QEMU's `-kernel` does not take FreeBSD's
//! kernel, which has no entry for it (`Error loading uncompressed kernel without PVH ELF Note`).
//! `ports/freebsd/README.md` lists what was tried.

use super::base::Base;
use super::image::{self, Files};
use super::protocol::{Fault, Moment, News, Transcript};
use crate::command::{Command, Ended, Stream, which};
use anyhow::{Context as _, Result, bail};
use freebsd_init::plan::{Nonce, Plan, Program};
use std::io::Read as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How many lines of the console an error shows.
const TAIL: usize = 25;

/// How long the machine may take for what no program does: until process 1 runs, from one program to
/// the next, and to its end. A program gets it on top of its own time, within which process 1 ends it.
const STEP_LIMIT: Duration = Duration::from_secs(180);

/// The machine's memory without the root file system, in MiB.
const MEMORY_MIB: u64 = 1024;

/// The processors, run by the hardware and run by QEMU.
const KVM: [&str; 6] = ["-accel", "kvm", "-cpu", "host", "-smp", "2"];
const TCG: [&str; 6] = ["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2"];

/// How much the tests do that can be made longer or shorter, where every instruction is emulated.
const EMULATED_SCALE: &str = "0.1";

/// QEMU, firmware and what they are called with.
struct Machine {
    emulator: PathBuf,
    firmware: PathBuf,
    kvm: bool,
}

/// Runs the programs one after the other in one boot and hands on what comes of them. `Ok` means
/// that the plan was run to its end, whatever the programs said.
pub(crate) fn boot(
    target: &str,
    base: &Base,
    files: Files,
    programs: Vec<Program>,
    tell: impl FnMut(News<'_>),
) -> Result<()> {
    let machine = Machine::find(target)?;
    // Each boot has its own directory: two sessions do not disturb each other.
    let dir = super::build::root().join(format!("target/freebsd/boot-{}", std::process::id()));
    let console = dir.with_extension("log");
    let done = run(&machine, &dir, &console, target, base, files, programs, tell);
    // The images are large; what is worth keeping is the console.
    let _ = std::fs::remove_dir_all(&dir);
    done.with_context(|| format!("the console is in {}", console.display()))?;
    let _ = std::fs::remove_file(console);
    Ok(())
}

#[allow(clippy::too_many_arguments)] // one caller, just above
fn run(
    machine: &Machine,
    dir: &Path,
    console: &Path,
    target: &str,
    base: &Base,
    files: Files,
    programs: Vec<Program>,
    mut tell: impl FnMut(News<'_>),
) -> Result<()> {
    for (inside, file) in &files {
        base.accepts(file, target)?;
        if inside.starts_with("tmp") {
            bail!(
                "{} would be hidden in the guest, whose /tmp is empty at first: build elsewhere",
                file.display()
            );
        }
    }
    let files = image::closure(base, files)?;
    std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    let plan = Plan {
        nonce: draw_nonce()?,
        env: environment(machine.kvm, std::env::var("EXTRAM_SCALE").ok()),
        programs,
    };
    for (name, value) in &plan.env {
        // Not among the output of a program.
        eprintln!("in the guest {name}={value}; what {name} is here, if it is set, holds there");
    }
    let root = image::root(dir, &files, &plan)?;
    let disk = image::boot_disk(dir, base, target, &root)?;
    let memory = MEMORY_MIB + 2 * (std::fs::metadata(&root)?.len() >> 20);
    let mut transcript = Transcript::new(plan.nonce, plan.programs.len() as u32);
    let mut complaints = Vec::new();
    let ended = machine.command(target, &disk, memory).stream_until(STEP_LIMIT, |stream, chunk| {
        let mut limit = None;
        match stream {
            Stream::Out => transcript.feed(chunk, |news| {
                limit = limit_after(&news, &plan).or(limit);
                tell(news);
            }),
            Stream::Err => complaints.extend_from_slice(chunk),
        }
        if transcript.loader_waits() { ControlFlow::Break(()) } else { ControlFlow::Continue(limit) }
    })?;
    let _ = std::fs::write(console, transcript.text());
    let verdict = transcript.finish(why(&ended, machine.success(target), transcript.moment()));
    let complaints = String::from_utf8_lossy(&complaints);
    let tail = transcript.tail(TAIL);
    verdict.with_context(|| format!("the guest's console ends with\n{tail}{complaints}"))
}

/// How long the machine may take from these news to the next ones of its kind.
fn limit_after(news: &News<'_>, plan: &Plan) -> Option<Duration> {
    match news {
        News::Output(..) => None,
        News::Hello(_) | News::Ended(_) => Some(STEP_LIMIT),
        News::Started(index) => {
            let program = plan.programs.get(*index as usize);
            Some(STEP_LIMIT + Duration::from_secs(program.map_or(0, |program| program.limit_s.into())))
        }
    }
}

/// What the end of the emulator says by itself.
fn why(ended: &Option<Ended>, success: i32, moment: Moment) -> Option<Fault> {
    match ended {
        // We have ended it ourselves.
        None => None,
        Some(Ended::TimedOut(limit)) => Some(Fault::TimedOut(*limit, moment)),
        Some(Ended::Exited(status)) if status.code() == Some(success) => None,
        Some(Ended::Exited(status)) => Some(Fault::ExitStatus(status.to_string())),
    }
}

impl Machine {
    fn find(target: &str) -> Result<Machine> {
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
        let same = target.starts_with(std::env::consts::ARCH);
        let kvm = same && Path::new("/dev/kvm").exists() && starts(&emulator, KVM);
        Ok(Machine { emulator, firmware, kvm })
    }

    fn command(&self, target: &str, disk: &Path, memory_mib: u64) -> Command {
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
    fn success(&self, target: &str) -> i32 {
        if target.starts_with("aarch64") { 0 } else { i32::from(freebsd_init::WELL) * 2 + 1 }
    }
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

/// What the programs find in their environment: `EXTRAM_SCALE` as it is here, else as an emulator
/// needs it.
fn environment(kvm: bool, scale: Option<String>) -> Vec<(String, String)> {
    let scale = scale.or_else(|| (!kvm).then(|| EMULATED_SCALE.to_owned()));
    scale.map(|scale| ("EXTRAM_SCALE".to_owned(), scale)).into_iter().collect()
}

fn draw_nonce() -> Result<Nonce> {
    let mut nonce = Nonce::default();
    let random = Path::new("/dev/urandom");
    std::fs::File::open(random)
        .and_then(|mut file| file.read_exact(&mut nonce))
        .with_context(|| random.display().to_string())?;
    Ok(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let machine = Machine { emulator: "qemu".into(), firmware: "OVMF.fd".into(), kvm: false };
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
    fn emulated_tests_are_shorter_unless_told_otherwise() {
        let scale = |scale: &str| vec![("EXTRAM_SCALE".to_owned(), scale.to_owned())];
        assert_eq!(environment(false, None), scale(EMULATED_SCALE));
        assert_eq!(environment(true, None), []);
        assert_eq!(environment(false, Some("1".into())), scale("1"));
        assert_eq!(environment(true, Some("0.5".into())), scale("0.5"));
    }

    #[test]
    fn each_step_of_a_run_has_its_time() {
        let program = |limit_s| Program { limit_s, args: vec![] };
        let plan = Plan { nonce: [0; 16], env: vec![], programs: vec![program(3), program(300)] };
        let seconds = |news| limit_after(&news, &plan).map(|limit| (limit - STEP_LIMIT).as_secs());
        assert_eq!(seconds(News::Hello("")), Some(0));
        assert_eq!(seconds(News::Started(0)), Some(3));
        assert_eq!(seconds(News::Output(freebsd_init::frame::Stream::Out, b"alive")), None);
        assert_eq!(seconds(News::Started(1)), Some(300));
        assert_eq!(seconds(News::Ended(freebsd_init::frame::Ending::Exited(0))), Some(0));
    }

    #[test]
    fn two_boots_have_different_nonces() {
        assert_ne!(draw_nonce().unwrap(), draw_nonce().unwrap());
    }
}
