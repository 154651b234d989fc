//! Runs programs on FreeBSD: all tests in one boot, or one program with its arguments.

use super::base::{self, Base};
use super::image::Files;
use super::machine::{self, Accel};
use super::protocol::News;
use super::{boot, build, host};
use crate::judge::Summary;
use anyhow::{Context as _, Result, anyhow, bail};
use freebsd_init::frame::{Ending, Stream};
use freebsd_init::plan::Program;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long one test program may run in the guest, in seconds. Emulation is slow; the slowest takes
/// a fifth of this.
const TEST_LIMIT_S: u32 = 300;

/// How long a program of `cargo xtask run` may run, in seconds.
const RUN_LIMIT_S: u32 = 1800;

/// What is run after the tests: program, package, arguments, and how long it may run, in seconds.
const EXAMPLES: &[(&str, &str, &[&str], u32)] = &[
    ("soak", "extram-soak", &["--seconds", "20", "--fresh-threads", "1000"], 300),
    ("herd", "extram-herd", &["--threads", "100", "--cost-us", "20", "--all-inside", "--rounds", "3"], 300),
];

/// How each misbehaviour must be told, with the time it gets, in seconds. They are run before the
/// tests, in the same boot: what cannot tell a failure is no test.
const MISBEHAVIOUR: &[(&str, u32, Ending)] = &[
    ("behaves", 60, Ending::Exited(0)),
    ("fails", 60, Ending::Exited(101)),
    ("aborts", 60, Ending::Signalled(6)),
    ("hangs", 3, Ending::TimedOut(3)),
    ("forges", 60, Ending::Exited(3)),
    ("orphans", 60, Ending::Exited(0)),
    ("starts nothing", 60, Ending::NotStarted(2)),
];

/// Runs the test programs one after the other in one boot. Failures are counted, not returned.
pub(crate) fn tests(target: &str, base: &Base, built: &build::Tests) -> Summary {
    many(target, base, built).unwrap_or_else(|error| Summary::of("FreeBSD in QEMU", Err(error)))
}

/// What one program of the plan is there for.
enum Role<'a> {
    /// It ends as no test should: its way, and how that must be told.
    Misbehaves(&'a str, Ending),
    /// A test program or an example.
    Test(String),
}

fn many(target: &str, base: &Base, built: &build::Tests) -> Result<Summary> {
    let build = |package, bin| build::build_program(target, Some(&base.dir), package, bin);
    let mut files = with_init(init(target, base)?, built.programs.iter().chain(&built.companions));
    files.insert("programs/misbehaves".into(), build("extram-freebsd-init", "misbehaves")?);
    let mut roles = Vec::new();
    let mut programs = Vec::new();
    for (way, limit_s, ending) in MISBEHAVIOUR {
        let there = !matches!(ending, Ending::NotStarted(_));
        let path = if there { "/programs/misbehaves" } else { "/programs/nothing" };
        programs.push(program(Path::new(path), &[(*way).to_owned()], *limit_s));
        roles.push(Role::Misbehaves(way, *ending));
    }
    for path in &built.programs {
        programs.push(program(path, &[], TEST_LIMIT_S));
        roles.push(Role::Test(name(path)));
    }
    for (bin, package, args, limit_s) in EXAMPLES {
        let inside = format!("/programs/{bin}");
        files.insert(inside.trim_start_matches('/').into(), build(package, bin)?);
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        programs.push(program(Path::new(&inside), &args, *limit_s));
        roles.push(Role::Test(format!("{bin} {}", args.join(" "))));
    }
    let count = programs.len();
    println!("running {count} programs on FreeBSD {} from {}", base.release(), base.dir.display());
    let mut total = Summary::default();
    let mut ended = 0;
    let mut tally = Tally::default();
    let begin = Instant::now();
    let boot = boot::boot(target, base, files, programs, |news| match (news, &roles[ended.min(count - 1)]) {
        (News::Hello(system), _) => {
            println!("process 1 runs after {} s: {system}", begin.elapsed().as_secs());
        }
        (News::Anew, _) => (total, ended, tally) = Default::default(),
        (News::Started(_), Role::Misbehaves(..)) => {}
        (News::Started(_), Role::Test(name)) => {
            tally = Tally::default();
            println!("\n     Running {name} after {} s", begin.elapsed().as_secs());
        }
        // What a misbehaving program prints would only confuse.
        (News::Output(..), Role::Misbehaves(..)) => {}
        (News::Output(stream, bytes), Role::Test(_)) => {
            let _ = std::io::stdout().write_all(bytes);
            if stream == Stream::Out {
                tally.take(bytes);
            }
        }
        (News::Ended(ending), role) => {
            ended += 1;
            match role {
                Role::Misbehaves(way, due) => {
                    let told =
                        if ending == *due { Ok(()) } else { Err(anyhow!("told as: it {}", words(ending))) };
                    total += Summary::of(&format!("a program that {way} {}", words(*due)), told);
                }
                Role::Test(name) => {
                    let (summary, complaint) = tally.end(ending);
                    if let Some(complaint) = complaint {
                        println!("FAILED: {name}: {complaint}");
                    }
                    total += summary;
                }
            }
        }
    });
    if let Err(error) = boot {
        total += Summary::of("FreeBSD in QEMU", Err(error));
        println!("{ended} of {count} programs have run to their end");
    }
    Ok(total)
}

/// Runs one program of ours with its output on the terminal.
pub(crate) fn one(
    target: &str,
    base: &Base,
    path: &Path,
    args: &[String],
    companions: &[PathBuf],
) -> Result<Ending> {
    let init = init(target, base)?;
    let mut result = None;
    // In a place of its own: where it lies here may be hidden there, as `/dev` is.
    let inside = Path::new("/programs").join(path.file_name().context("a program has a name")?);
    let programs = vec![program(&inside, args, RUN_LIMIT_S)];
    let mut files = with_init(init, companions.iter());
    files.insert(inside.strip_prefix("/")?.to_owned(), path.to_owned());
    boot::boot(target, base, files, programs, |news| match news {
        News::Hello(_) | News::Started(_) => {}
        News::Anew => result = None,
        // A closed pipe or terminal is no reason to leave the guest behind.
        News::Output(Stream::Out, bytes) => {
            let mut out = std::io::stdout();
            let _ = out.write_all(bytes).and_then(|()| out.flush());
        }
        News::Output(Stream::Err, bytes) => {
            let _ = std::io::stderr().write_all(bytes);
        }
        News::Ended(ending) => result = Some(ending),
    })?;
    result.with_context(|| format!("{} was not run", path.display()))
}

/// The guest's process 1, built as every program of ours.
fn init(target: &str, base: &Base) -> Result<PathBuf> {
    build::build_program(target, Some(&base.dir), "extram-freebsd-init", "freebsd-init")
}

/// The files by their paths in the guest: process 1 where the kernel looks for it, everything else
/// where it is here, because that path is compiled into what starts or loads it.
fn with_init<'a>(init: PathBuf, files: impl Iterator<Item = &'a PathBuf>) -> Files {
    let inside = |file: &PathBuf| file.strip_prefix("/").unwrap_or(file).to_owned();
    let mut all: Files = files.map(|file| (inside(file), file.clone())).collect();
    all.insert("sbin/init".into(), init);
    all
}

fn program(path: &Path, args: &[String], limit_s: u32) -> Program {
    let args = args.iter().map(|arg| arg.clone().into_bytes());
    Program { limit_s, args: std::iter::once(path.as_os_str().as_bytes().to_vec()).chain(args).collect() }
}

/// `pool` for `target/…/deps/pool-0123456789abcdef`.
pub(super) fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.rsplit_once('-').map_or(&*name, |(name, _)| name).to_owned()
}

fn words(ending: Ending) -> String {
    match ending {
        Ending::Exited(status) => format!("ended with exit status {status}"),
        Ending::Signalled(signal) => format!("was killed by signal {signal}"),
        Ending::TimedOut(seconds) => format!("was killed: no end after {seconds} s"),
        Ending::NotStarted(error) => format!("could not be started: error {error}"),
    }
}

/// Reads what one test program prints, and says in the end what it is worth.
///
/// A program's own count is taken from its last closing line only, and only if the way it ended
/// agrees: what a test prints in the middle does not count.
#[derive(Default)]
pub(super) struct Tally {
    line: Vec<u8>,
    /// Whether it is a program of libtest, which announces its tests.
    announced: bool,
    closing: Option<Summary>,
}

impl Tally {
    pub(super) fn take(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte != b'\n' {
                self.line.push(byte);
                continue;
            }
            let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
            self.announced |= line.starts_with("running ") && line.trim_end_matches('s').ends_with(" test");
            if line.starts_with("test result: ") {
                let mut summary = Summary::default();
                summary.read_libtest_line(&line);
                self.closing = Some(summary);
            } else if !line.trim().is_empty() {
                // Nothing comes after a real closing line.
                self.closing = None;
            }
        }
    }

    /// What the program counts for, and what is wrong with it.
    pub(super) fn end(&mut self, ending: Ending) -> (Summary, Option<String>) {
        let closing = self.closing.take();
        let mut summary = closing.clone().unwrap_or_default();
        let complaint = match (ending, closing) {
            (Ending::Exited(0), Some(closing)) if closing.failed == 0 => None,
            (Ending::Exited(0), Some(_)) => Some("tests failed, and the exit status is 0".to_owned()),
            (Ending::Exited(0), None) if self.announced => {
                Some("it ended before its closing line, with exit status 0".to_owned())
            }
            // A program with a `main` of its own is one check.
            (Ending::Exited(0), None) => {
                summary = Summary::PASSED;
                None
            }
            (other, _) => Some(words(other)),
        };
        if complaint.is_some() {
            summary.failed = summary.failed.max(1);
        }
        (summary, complaint)
    }
}

/// What `cargo xtask run` can run, and the package that has it.
const PROGRAMS: &[(&str, &str)] =
    &[("herd", "extram-herd"), ("callback-gc", "extram-callback-gc"), ("soak", "extram-soak")];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where to run: x86_64-unknown-freebsd, aarch64-unknown-freebsd.
    #[arg(long, value_name = "TRIPLE")]
    target: String,
    /// The directory with FreeBSD, else FREEBSD_BASE, else what was fetched.
    #[arg(long, value_name = "DIR")]
    freebsd_base: Option<PathBuf>,
    /// Run it on this host, which ssh reaches without a question.
    #[arg(long, value_name = "HOST")]
    ssh: Option<String>,
    /// Who runs the processors in QEMU.
    #[arg(long, value_enum, default_value_t)]
    accel: Accel,
    /// herd, callback-gc, soak, or the path of a program built for the target.
    #[arg(value_name = "PROGRAM")]
    program: String,
    /// Its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

/// `cargo xtask run`: one program in the guest, or where there is a FreeBSD. Never returns after the
/// program has ended: its exit code is ours.
pub(crate) fn run(args: &Args) -> Result<()> {
    let target = &args.target;
    if !target.contains("freebsd") {
        bail!("{target} is not FreeBSD");
    }
    if let Some(dir) = &args.freebsd_base {
        base::choose(dir);
    }
    if let Some(host) = &args.ssh {
        host::choose(host);
    }
    machine::choose(args.accel);
    let base = base::find(target)?;
    let host = host::find(target);
    if host.is_none() && base.is_none() {
        bail!("no FreeBSD base; run cargo xtask freebsd fetch");
    }
    if host.is_none() {
        boot::check_place(&build::root())?;
    }
    let sysroot = base.as_ref().map(|base| base.dir.as_path());
    let path = match PROGRAMS.iter().find(|(program, _)| *program == args.program) {
        Some((program, package)) => build::build_program(target, sysroot, package, program)?,
        None => Path::new(&args.program).canonicalize().with_context(|| args.program.clone())?,
    };
    let limit = Duration::from_secs(RUN_LIMIT_S.into());
    let ending = match (host, base) {
        (Some(host), _) => host.run(&path, &args.args, limit)?,
        (None, Some(base)) => one(target, &base, &path, &args.args, &[])?,
        (None, None) => unreachable!("looked at above"),
    };
    match ending {
        Ending::Exited(code) => std::process::exit(code),
        other => bail!("{} {}", path.display(), words(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(output: &str, ending: Ending) -> (String, Option<String>) {
        let mut tally = Tally::default();
        // In pieces, as it comes.
        output.as_bytes().chunks(7).for_each(|chunk| tally.take(chunk));
        let (summary, complaint) = tally.end(ending);
        (summary.to_string(), complaint)
    }

    const GOOD: &str =
        "\nrunning 3 tests\ntest a ... ok\n\ntest result: ok. 2 passed; 0 failed; 1 ignored; 0 measured\n\n";

    #[test]
    fn a_good_program_counts_what_it_says() {
        assert_eq!(end(GOOD, Ending::Exited(0)), ("2 passed, 0 failed, 1 skipped".into(), None));
    }

    #[test]
    fn a_program_with_its_own_main_is_one_check() {
        assert_eq!(end("quiet\n", Ending::Exited(0)).0, "1 passed, 0 failed, 0 skipped");
        assert_eq!(end("quiet\n", Ending::Exited(1)).0, "0 passed, 1 failed, 0 skipped");
    }

    #[test]
    fn how_a_program_ends_counts_more_than_what_it_says() {
        for (ending, words) in [
            (Ending::Exited(101), "exit status 101"),
            (Ending::Signalled(11), "signal 11"),
            (Ending::TimedOut(300), "300 s"),
            (Ending::NotStarted(8), "error 8"),
        ] {
            let (summary, complaint) = end(GOOD, ending);
            assert_eq!(summary, "2 passed, 1 failed, 1 skipped");
            assert!(complaint.unwrap().contains(words));
        }
    }

    #[test]
    fn a_closing_line_of_a_tests_own_is_no_closing_line() {
        let forged = "running 2 tests\ntest result: ok. 9 passed; 0 failed; 0 ignored\ntest b ...\n";
        let (summary, complaint) = end(forged, Ending::Exited(0));
        assert_eq!(summary, "0 passed, 1 failed, 0 skipped");
        assert!(complaint.unwrap().contains("before its closing line"));
        let forged = "running 1 test\ntest result: ok. 9 passed; 0 failed; 0 ignored\n".to_owned() + GOOD;
        assert_eq!(end(&forged, Ending::Exited(0)).0, "2 passed, 0 failed, 1 skipped");
    }

    #[test]
    fn a_failed_test_is_counted_once() {
        let bad = GOOD.replace("ok. 2 passed; 0 failed", "FAILED. 1 passed; 1 failed");
        assert_eq!(end(&bad, Ending::Exited(101)).0, "1 passed, 1 failed, 1 skipped");
        assert_eq!(end(&bad, Ending::Exited(0)).1.unwrap(), "tests failed, and the exit status is 0");
    }

    #[test]
    fn files_are_where_the_programs_look_for_them() {
        let files = with_init("/t/init".into(), [PathBuf::from("/t/deps/pool-1")].iter());
        let inside: Vec<_> = files.into_iter().collect();
        assert_eq!(inside[0], ("sbin/init".into(), "/t/init".into()));
        assert_eq!(inside[1], ("t/deps/pool-1".into(), "/t/deps/pool-1".into()));
    }
}
