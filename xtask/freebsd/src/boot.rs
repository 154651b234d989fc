//! Boots a FreeBSD in QEMU that runs the programs of a plan, and reads its console.
//!
//! The way that works is UEFI firmware, the base's loader from a FAT disk, or GRUB for a base without
//! one, and the root file system preloaded into memory. QEMU's `-kernel` does not take FreeBSD's
//! kernel, which has no entry for it (`Error loading uncompressed kernel without PVH ELF Note`).
//! `ports/freebsd/README.md` lists what was tried.

use super::base::Base;
use super::fault::{Fault, Moment};
use super::image::{self, Files};
use super::machine::{Machine, kvm_failure};
use super::protocol::{News, Transcript};
use anyhow::{Context as _, Result, ensure};
use freebsd_init::plan::{Nonce, Plan, Program};
use std::io::Read as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;
use toolchain::command::{Command, Ended, Stream};
use toolchain::workspace;

/// How many lines of the console an error shows.
const TAIL: usize = 25;

/// How long the machine may take for what no program does: until process 1 runs, from one program to
/// the next, and to its end. A program gets it on top of its own time, within which process 1 ends it.
const STEP_LIMIT: Duration = Duration::from_secs(180);

/// The machine's memory without the root file system, in MiB.
const MEMORY_MIB: u64 = 1024;

/// How much the tests do that can be made longer or shorter, where every instruction is emulated.
const EMULATED_SCALE: &str = "0.1";

/// Tells a program where its files will be when it has ended: the folder on this machine, or nothing if
/// they go with the guest.
pub(super) const KEPT: &str = "EXTRAM_FILES_KEPT_IN";

/// Runs the programs one after the other in one boot and hands on what comes of them. `Ok` means
/// that the plan was run to its end, whatever the programs said. `kept` is the folder here into which
/// files that come back are put.
pub(crate) fn boot(
    target: &str,
    base: &Base,
    files: Files,
    programs: Vec<Program>,
    kept: Option<&Path>,
    mut tell: impl FnMut(News<'_>),
) -> Result<()> {
    let job = Job { target, base, files: &files, programs: &programs, kept };
    let machine = Machine::find(target)?;
    let done = job.run_on(&machine, &mut tell);
    let Some(machine) = done.as_ref().err().and_then(|error| machine.instead(error)) else { return done };
    if let Err(error) = done {
        eprintln!("{error:#}\nQEMU emulates instead, from the beginning; --accel tcg has it do so at once");
    }
    tell(News::Anew);
    job.run_on(&machine, &mut tell)
}

/// Refuses a checkout whose files the guest would not see where they are here.
pub(crate) fn check_place(checkout: &Path) -> Result<()> {
    ensure!(
        !checkout.starts_with("/dev"),
        "{} would be hidden in the guest, which has its devices in /dev: the checkout has to be elsewhere",
        checkout.display()
    );
    Ok(())
}

/// Where the guest may mount a file system in memory for its programs to write to.
const SCRATCH: [&str; 2] = ["/tmp", "/scratch"];

/// The first of those places that hides none of the files, which are where they are here.
fn scratch(files: &Files) -> Result<&'static str> {
    let hides = |place: &str| files.keys().any(|file| Path::new("/").join(file).starts_with(place));
    let free = SCRATCH.into_iter().find(|place| !hides(place));
    free.with_context(|| format!("there are files in both {}", SCRATCH.join(" and ")))
}

/// What one boot is for.
struct Job<'a> {
    target: &'a str,
    base: &'a Base,
    files: &'a Files,
    programs: &'a [Program],
    kept: Option<&'a Path>,
}

impl Job<'_> {
    fn run_on(&self, machine: &Machine, tell: impl FnMut(News<'_>)) -> Result<()> {
        // Each boot has its own directory: two sessions do not disturb each other.
        let dir = workspace().join(format!("target/freebsd/boot-{}", std::process::id()));
        let console = dir.with_extension("log");
        let done = self.boot(machine, &dir, &console, tell);
        // The images are large; what is worth keeping is the console.
        let _ = std::fs::remove_dir_all(&dir);
        if done.is_err() && console.is_file() {
            return done.with_context(|| format!("the console is in {}", console.display()));
        }
        let _ = std::fs::remove_file(console);
        done
    }

    fn boot(
        &self,
        machine: &Machine,
        dir: &Path,
        console: &Path,
        mut tell: impl FnMut(News<'_>),
    ) -> Result<()> {
        let Job { target, base, files, programs, kept } = *self;
        for file in files.values() {
            base.accepts(file, target)?;
        }
        let files = image::closure(base, files.clone())?;
        std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        let mut plan = Plan {
            nonce: draw_nonce()?,
            scratch: scratch(&files)?.to_owned(),
            env: environment(machine.kvm, std::env::var("EXTRAM_SCALE").ok()),
            programs: programs.to_vec(),
        };
        for (name, value) in &plan.env {
            // Not among the output of a program.
            eprintln!("in the guest {name}={value}; what {name} is here, if it is set, holds there");
        }
        plan.env.push((KEPT.to_owned(), kept.unwrap_or(Path::new("")).display().to_string()));
        let root = image::root(dir, &files, &plan)?;
        let disk = image::boot_disk(dir, base, target, &root)?;
        let memory = MEMORY_MIB + 2 * (std::fs::metadata(&root)?.len() >> 20);
        let mut transcript = Transcript::new(plan.nonce, plan.programs.len() as u32);
        let command = machine.command(target, &disk, memory);
        let (ended, complaints) = follow(&command, machine.kvm, &plan, &mut transcript, &mut tell)?;
        let _ = std::fs::write(console, transcript.text() + &complaints);
        let verdict = transcript.finish(why(&ended, machine.success(target), transcript.moment()));
        let tail = transcript.tail(TAIL);
        blame(verdict, machine.kvm, &complaints)
            .with_context(|| format!("the guest's console ends with\n{tail}{complaints}"))
    }
}

/// Runs QEMU to its end, or until nothing more can come of it; how it ended, and its complaints.
fn follow(
    qemu: &Command,
    kvm: bool,
    plan: &Plan,
    transcript: &mut Transcript,
    mut tell: impl FnMut(News<'_>),
) -> Result<(Option<Ended>, String)> {
    let mut complaints = Vec::new();
    let ended = qemu.stream_until(STEP_LIMIT, |stream, chunk| {
        let mut limit = None;
        let mut over = false;
        match stream {
            Stream::Out => transcript.feed(chunk, |news| {
                limit = limit_after(&news, plan).or(limit);
                tell(news);
            }),
            Stream::Err => {
                complaints.extend_from_slice(chunk);
                over = kvm && kvm_failure(&String::from_utf8_lossy(&complaints), false).is_some();
            }
        }
        if over || transcript.loader_waits() { ControlFlow::Break(()) } else { ControlFlow::Continue(limit) }
    })?;
    Ok((ended, String::from_utf8_lossy(&complaints).into_owned()))
}

/// The verdict, with the blame on KVM where that has left the guest in the middle.
fn blame(verdict: Result<(), Fault>, kvm: bool, complaints: &str) -> Result<()> {
    let cut_off = matches!(verdict, Err(Fault::NoInit | Fault::CutOff { .. }));
    match kvm_failure(complaints, true).filter(|_| kvm && cut_off) {
        Some(failed) => Err(failed.into()),
        None => Ok(verdict?),
    }
}

/// How long the machine may take from these news to the next ones of its kind.
fn limit_after(news: &News<'_>, plan: &Plan) -> Option<Duration> {
    match news {
        News::Output(..) | News::Anew => None,
        News::Hello(_) | News::Ended(_) => Some(STEP_LIMIT),
        // They come when the program has ended.
        News::Arriving | News::File(..) | News::Left(_) => Some(STEP_LIMIT),
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
    use super::super::machine::KvmFailed;
    use super::*;

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
        let program = |limit_s| Program { limit_s, args: vec![], files: false };
        let plan = Plan {
            nonce: [0; 16],
            scratch: "/tmp".into(),
            env: vec![],
            programs: vec![program(3), program(300)],
        };
        let seconds = |news| limit_after(&news, &plan).map(|limit| (limit - STEP_LIMIT).as_secs());
        assert_eq!(seconds(News::Hello("")), Some(0));
        assert_eq!(seconds(News::Started(0)), Some(3));
        assert_eq!(seconds(News::Output(freebsd_init::frame::Stream::Out, b"alive")), None);
        assert_eq!(seconds(News::Started(1)), Some(300));
        assert_eq!(seconds(News::Arriving), Some(0));
        assert_eq!(seconds(News::Ended(freebsd_init::frame::Ending::Exited(0))), Some(0));
    }

    /// What comes of a QEMU that does this, and whether it was waited for.
    fn ran(script: &str, kvm: bool) -> (anyhow::Error, Duration) {
        let plan = Plan { nonce: [0; 16], scratch: "/tmp".into(), env: vec![], programs: vec![] };
        let mut transcript = Transcript::new(plan.nonce, 0);
        let begin = std::time::Instant::now();
        let qemu = Command::new("sh").args(["-c", script]);
        let (ended, complaints) = follow(&qemu, kvm, &plan, &mut transcript, |_| ()).unwrap();
        let verdict = transcript.finish(why(&ended, 0, transcript.moment()));
        (blame(verdict, kvm, &complaints).unwrap_err(), begin.elapsed())
    }

    #[test]
    fn a_kvm_that_fails_is_not_waited_for() {
        let stands = "echo Loading kernel...; echo 'KVM internal error. Suberror: 1' >&2; exec sleep 100";
        let (error, took) = ran(stands, true);
        assert_eq!(error.downcast_ref(), Some(&KvmFailed("KVM internal error. Suberror: 1".into())));
        assert!(took < Duration::from_secs(50), "{took:?}");
        let ends = "echo 'qemu: failed to initialize kvm: Permission denied' >&2; exit 1";
        assert!(ran(ends, true).0.is::<KvmFailed>());
        // An emulated machine has nothing to do with it, and a panic is the guest's.
        assert!(!ran(ends, false).0.is::<KvmFailed>());
        let panics = "echo 'panic: no init'; echo 'kvm: unhandled rdmsr' >&2; sleep 1; exit 1";
        assert!(ran(panics, true).0.to_string().contains("panicked"));
    }

    #[test]
    fn the_place_to_write_hides_no_file_of_the_checkout() {
        let place = |file: &str| scratch(&Files::from([(file.into(), "x".into())])).unwrap();
        assert_eq!(place("home/me/extram/target/pool-1"), "/tmp");
        assert_eq!(place("tmpfiles/extram/target/pool-1"), "/tmp");
        assert_eq!(place("tmp/extram/target/pool-1"), "/scratch");
        assert_eq!(place("scratch/extram/target/pool-1"), "/tmp");
    }

    #[test]
    fn a_checkout_among_the_devices_is_refused() {
        let error = check_place(Path::new("/dev/shm/extram")).unwrap_err().to_string();
        assert!(error.contains("/dev/shm/extram") && !error.contains("console"), "{error}");
        check_place(Path::new("/tmp/extram")).unwrap();
    }

    #[test]
    fn what_fails_before_the_boot_names_no_log_of_a_console() {
        let dir = tempfile::tempdir().unwrap();
        let (base, program) = (dir.path().to_owned(), dir.path().join("pool"));
        let base = Base::of_tests(&base, 1_302_001);
        std::fs::write(&program, crate::elf::fake::elf(&[], Some(1_400_097))).unwrap();
        let files = Files::from([("programs/pool".into(), program)]);
        let Err(error) = boot("x86_64-unknown-freebsd", &base, files, vec![], None, |_| ()) else {
            panic!("a program for a newer release was run")
        };
        let error = format!("{error:#}");
        assert!(!error.contains("console"), "{error}");
    }

    #[test]
    fn two_boots_have_different_nonces() {
        assert_ne!(draw_nonce().unwrap(), draw_nonce().unwrap());
    }
}
