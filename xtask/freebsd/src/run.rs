//! Runs programs on FreeBSD: all tests in one boot, or one program with its arguments.

use super::base::{self, Base};
use super::build::{self, name};
use super::image::Files;
use super::incoming::keep;
use super::machine::{self, Accel};
use super::protocol::News;
use super::tally::{Tally, words};
use super::{boot, host};
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use freebsd_init::frame::{Ending, Stream};
use freebsd_init::plan::Program;
use judge::Summary;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use toolchain::workspace;

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
    ("writes", 60, Ending::Exited(0)),
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
        let program = program(Path::new(path), &[(*way).to_owned()], *limit_s);
        programs.push(Program { files: *way == "writes", ..program });
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
    println!("running {count} programs, {}", base.releases()?);
    let mut total = Summary::default();
    let mut ended = 0;
    let mut tally = Tally::default();
    let mut written = Written::default();
    let begin = Instant::now();
    let boot =
        boot::boot(target, base, files, programs, None, |news| match (news, &roles[ended.min(count - 1)]) {
            (News::Hello(system), _) => {
                println!("process 1 runs after {} s: {system}", begin.elapsed().as_secs());
            }
            (News::Anew, _) => (total, ended, tally, written) = Default::default(),
            (News::File(path, contents), _) => written.files.push((path, contents)),
            (News::Left(what), _) => written.left.push(what.to_owned()),
            (News::Arriving, _) => {}
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
                        let told = match ending == *due {
                            true if *way == "writes" => written.check(),
                            true => Ok(()),
                            false => Err(anyhow!("told as: it {}", words(ending))),
                        };
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

/// What came back of what a program has written.
#[derive(Default)]
struct Written {
    files: Vec<(PathBuf, Vec<u8>)>,
    left: Vec<String>,
}

impl Written {
    /// Whether it is what `misbehaves writes` has to bring: a file, and the names of two that stay.
    fn check(&self) -> Result<()> {
        let one = [(PathBuf::from("report/one.txt"), b"one\n".to_vec())];
        let named = |name: &str| self.left.iter().any(|left| left.starts_with(&format!("{name:?}: ")));
        ensure!(self.files == one, "other files came back: {:?}", self.files);
        ensure!(self.left.len() == 2 && named("large") && named("plan"), "left were {:?}", self.left);
        Ok(())
    }
}

/// Runs one program of ours with its output on the terminal. What it writes below its working directory
/// is put into `kept`.
pub(crate) fn one(
    target: &str,
    base: &Base,
    path: &Path,
    args: &[String],
    companions: &[PathBuf],
    kept: Option<&Path>,
) -> Result<Ending> {
    let init = init(target, base)?;
    let mut result = None;
    // In a place of its own: where it lies here may be hidden there, as `/dev` is.
    let inside = Path::new("/programs").join(path.file_name().context("a program has a name")?);
    let programs = vec![Program { files: kept.is_some(), ..program(&inside, args, RUN_LIMIT_S) }];
    let mut lost = None;
    let mut files = with_init(init, companions.iter());
    files.insert(inside.strip_prefix("/")?.to_owned(), path.to_owned());
    boot::boot(target, base, files, programs, kept, |news| match news {
        News::Hello(_) | News::Started(_) | News::Arriving => {}
        News::Anew => result = None,
        // A closed pipe or terminal is no reason to leave the guest behind.
        News::Output(Stream::Out, bytes) => {
            let mut out = std::io::stdout();
            let _ = out.write_all(bytes).and_then(|()| out.flush());
        }
        News::Output(Stream::Err, bytes) => {
            let _ = std::io::stderr().write_all(bytes);
        }
        News::File(path, contents) => {
            if let Some(Err(error)) = kept.map(|kept| keep(kept, &path, &contents)) {
                lost = Some(anyhow!(error).context(format!("{} is lost", path.display())));
            }
        }
        News::Left(what) => eprintln!("left in the guest: {what}"),
        News::Ended(ending) => result = Some(ending),
    })?;
    if let Some(lost) = lost {
        return Err(lost);
    }
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
    let args = std::iter::once(path.as_os_str().as_bytes().to_vec()).chain(args).collect();
    Program { limit_s, args, files: false }
}

/// What `cargo xtask run` can run, and the package that has it.
const PROGRAMS: &[(&str, &str)] =
    &[("herd", "extram-herd"), ("callback-gc", "extram-callback-gc"), ("soak", "extram-soak")];

/// The options.
#[derive(clap::Args)]
pub struct Args {
    /// Where to run: x86_64-unknown-freebsd, aarch64-unknown-freebsd.
    #[arg(long, value_name = "TRIPLE")]
    target: String,
    /// The directory with FreeBSD. Without it: that in FREEBSD_BASE, else what was fetched.
    #[arg(long, value_name = "DIR")]
    freebsd_base: Option<PathBuf>,
    /// Run it on this host instead, which ssh has to reach without asking.
    #[arg(long, value_name = "HOST")]
    ssh: Option<String>,
    /// How QEMU runs the processors.
    #[arg(long, value_enum, default_value_t)]
    accel: Accel,
    /// Copy what the program writes below its working directory into this folder: up to 16 MiB a
    /// file, 64 MiB and 1000 files in all.
    #[arg(long, value_name = "DIR", conflicts_with = "ssh")]
    files: Option<PathBuf>,
    /// herd, callback-gc, soak, or the path of a program built for the target.
    #[arg(value_name = "PROGRAM")]
    program: String,
    /// Its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

/// `cargo xtask run`: one program in the guest, or where there is a FreeBSD. Never returns after the
/// program has ended: its exit code is ours.
pub fn run(args: &Args) -> Result<()> {
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
        boot::check_place(workspace())?;
    }
    let kept = args.files.as_deref().map(folder).transpose()?;
    let sysroot = base.as_ref().map(|base| base.dir.as_path());
    let path = match PROGRAMS.iter().find(|(program, _)| *program == args.program) {
        Some((program, package)) => build::build_program(target, sysroot, package, program)?,
        None => Path::new(&args.program).canonicalize().with_context(|| args.program.clone())?,
    };
    let limit = Duration::from_secs(RUN_LIMIT_S.into());
    let ending = match (host, base) {
        (Some(host), _) => host.run(&path, &args.args, limit, kept.as_deref())?,
        (None, Some(base)) => one(target, &base, &path, &args.args, &[], kept.as_deref())?,
        (None, None) => unreachable!("looked at above"),
    };
    match ending {
        Ending::Exited(code) => std::process::exit(code),
        other => bail!("{} {}", path.display(), words(other)),
    }
}

/// The folder for files, made before anything is built: it has to be one that can be written to.
fn folder(dir: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(dir).with_context(|| format!("--files {}", dir.display()))?;
    dir.canonicalize().with_context(|| format!("--files {}", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_come_are_put_below_the_folder_that_was_named() {
        let dir = tempfile::tempdir().unwrap();
        let out = folder(&dir.path().join("a/b")).unwrap();
        keep(&out, Path::new("report/one.html"), b"<html>").unwrap();
        assert_eq!(std::fs::read(dir.path().join("a/b/report/one.html")).unwrap(), b"<html>");
        std::fs::write(dir.path().join("file"), "").unwrap();
        let error = format!("{:#}", folder(&dir.path().join("file")).unwrap_err());
        assert!(error.contains("--files"), "{error}");
    }

    #[test]
    fn a_program_that_writes_has_to_bring_one_file_and_two_names() {
        let good = || Written {
            files: vec![("report/one.txt".into(), b"one\n".to_vec())],
            left: vec!["\"large\": 16777217 bytes".into(), "\"plan\": no plain file".into()],
        };
        good().check().unwrap();
        assert!(Written { files: vec![], ..good() }.check().is_err());
        assert!(Written { left: vec![], ..good() }.check().is_err());
        let mut secret = good();
        secret.files.push(("plan".into(), b"nonce".to_vec()));
        assert!(secret.check().is_err());
    }

    #[test]
    fn files_are_where_the_programs_look_for_them() {
        let files = with_init("/t/init".into(), [PathBuf::from("/t/deps/pool-1")].iter());
        let inside: Vec<_> = files.into_iter().collect();
        assert_eq!(inside[0], ("sbin/init".into(), "/t/init".into()));
        assert_eq!(inside[1], ("t/deps/pool-1".into(), "/t/deps/pool-1".into()));
    }
}
