//! The lanes `--asan` and `--tsan`: the hosted tests under AddressSanitizer (with LeakSanitizer)
//! and under ThreadSanitizer.
//!
//! Both take Debian's rustc and the clang of the same LLVM, which brings the sanitizers' runtimes
//! (`-Zexternal-clangrt`). ThreadSanitizer has to see every synchronisation, so for it the standard
//! library is built with it, too: with a prebuilt one it reports races that are none.
//!
//! Each lane first runs programs of `tests/proof/planted`, which have the bugs that it has to find.

use anyhow::{Context as _, Result, bail};
use clap::Args as ClapArgs;
use judge::{Summary, cargo_test};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toolchain::command::{Command, Ended, which};
use toolchain::{without_toolchain, workspace};

/// The lanes of this kind.
#[derive(ClapArgs)]
#[group(skip)]
pub(crate) struct Wanted {
    /// The hosted tests under AddressSanitizer and LeakSanitizer.
    #[arg(long)]
    pub(crate) asan: bool,
    /// The hosted tests under ThreadSanitizer.
    #[arg(long)]
    pub(crate) tsan: bool,
    /// Random operations and calls, guided by coverage, under AddressSanitizer.
    #[arg(long)]
    pub(crate) fuzz: bool,
    /// The tests of the C face under valgrind's memcheck.
    #[arg(long)]
    pub(crate) valgrind: bool,
    /// The tests of the core and the facade, and most of the C face's, under Miri.
    #[arg(long)]
    pub(crate) miri: bool,
}

pub(crate) const TARGET: &str = "x86_64-unknown-linux-gnu";

/// What differs between the two.
#[derive(Clone, Copy)]
pub(crate) struct Sanitizer {
    /// As rustc and clang call it.
    pub(crate) name: &'static str,
    /// What its runtime is called in clang's folder.
    pub(crate) runtime: &'static str,
    pub(crate) rustflags: &'static [&'static str],
    /// Builds the standard library with it.
    pub(crate) builds_std: bool,
    /// Its own target directory.
    pub(crate) folder: &'static str,
    pub(crate) options: (&'static str, &'static str),
    /// Programs of `tests/proof/planted`, and what is reported about them.
    pub(crate) planted: &'static [(&'static str, &'static str)],
    /// Test programs of `tests/proof/hosted` that do not run with the others.
    pub(crate) apart: &'static [Apart],
    /// Test programs of other packages that have no test with it, and why.
    pub(crate) empty: &'static [(&'static str, &'static str)],
}

/// A test program that needs a way of its own.
pub(crate) struct Apart {
    name: &'static str,
    /// The sanitizer's options for it; it does not run at all without.
    options: Option<&'static str>,
    reason: &'static str,
}

/// AddressSanitizer's way to find uses of a frame that is gone is to have frames elsewhere.
const FRAMES_ON_THE_STACK: Option<&str> = Some("detect_leaks=1:detect_stack_use_after_return=0");

/// What leaks on purpose counts what it leaks itself.
const LEAKS_ON_PURPOSE: Option<&str> = Some("detect_leaks=0");

const ADDRESS: Sanitizer = Sanitizer {
    name: "address",
    runtime: "asan",
    // Says to a test that replaces the allocator that another one does.
    rustflags: &["--cfg=extram_asan"],
    builds_std: false,
    folder: "target/sanitizer-address",
    // Leaks are looked for when a test program ends, in what its threads cannot reach any more.
    options: ("ASAN_OPTIONS", "detect_leaks=1"),
    planted: &[("use_after_free", "heap-use-after-free"), ("leak", "detected memory leaks")],
    apart: &[
        Apart {
            name: "callee",
            options: LEAKS_ON_PURPOSE,
            reason: "it leaks guards, and a pool with a leaked guard can never be freed",
        },
        Apart {
            name: "edges_discard",
            options: LEAKS_ON_PURPOSE,
            reason: "it leaks guards in threads that end, whose words are not given back then",
        },
        Apart {
            name: "signals",
            options: FRAMES_ON_THE_STACK,
            reason: "an entry whose frame is not on the stack asks for the stack's bounds, each time",
        },
        Apart {
            name: "stack",
            options: FRAMES_ON_THE_STACK,
            reason: "it looks for its own frames on the stack",
        },
        Apart {
            name: "system_calls",
            options: None,
            reason: "its programs are traced, and LeakSanitizer traces them itself",
        },
        Apart {
            name: "unloaded",
            options: LEAKS_ON_PURPOSE,
            reason: "a library that goes with its pool open leaves the memory of its Ms behind",
        },
    ],
    empty: &[("the C face's test program memory", "it replaces the allocator, as AddressSanitizer does")],
};

const THREAD: Sanitizer = Sanitizer {
    name: "thread",
    runtime: "tsan",
    // Says to the tests that a thread is forgotten before its last round of destructors.
    rustflags: &["--cfg=extram_tsan"],
    builds_std: true,
    folder: "target/sanitizer-thread",
    // A forked child that starts threads is one of the things under test.
    options: ("TSAN_OPTIONS", "die_after_fork=0"),
    planted: &[("race", "data race")],
    apart: &[Apart {
        name: "system_calls",
        options: None,
        reason: "it counts all system calls, and ThreadSanitizer has a thread that makes some",
    }],
    empty: &[],
};

pub(crate) fn address() -> Result<Summary> {
    lane(&ADDRESS)
}

pub(crate) fn thread() -> Result<Summary> {
    lane(&THREAD)
}

/// What is tested. Of the conformance suite not the ports that break their promises: threads that
/// are stuck there for good are what is expected.
const TESTS: &[&[&str]] = &[
    &["-p", "extram", "-p", "extram-capi", "-p", "extram-baselines", "--tests"],
    &["-p", "extram-conformance", "--test", "native"],
    &["-p", "extram-faults", "-p", "extram-soak", "--tests"],
];

const HOSTED: &str = "tests/proof/hosted/tests";

/// Tests of `tests/proof/hosted` that no sanitizer sees, and why.
const SKIPPED: &[(&str, &str)] = &[
    ("a_guard_that_leaves_its_thread_does_not_compile", "it runs the compiler and nothing else"),
    (
        "openmp_regions_enter",
        "clang compiles the C files, and gcc's OpenMP synchronises threads in ways that ThreadSanitizer does \
         not see",
    ),
];

fn lane(sanitizer: &Sanitizer) -> Result<Summary> {
    let tools = match Tools::find(sanitizer) {
        Ok(tools) => tools,
        Err(reason) => {
            let reason = format!("{reason} (cargo xtask setup --all)");
            return Ok(Summary::skipped(&format!("-Zsanitizer={}", sanitizer.name), &reason));
        }
    };
    println!("{} with {}", tools.version, tools.clang.display());
    let cargo = |args: &[&str]| tools.cargo(sanitizer).args(args);
    let mut summary = Summary::default();
    cargo(&["build", "-p", "extram-planted"]).run()?;
    for (program, report) in sanitizer.planted {
        let path = tools.target_dir(sanitizer).join(TARGET).join("debug").join(program);
        let found = is_found(&tools.run(sanitizer, Command::new(path)), report);
        summary += Summary::of(&format!("planted: {program} is found"), found);
    }
    for tests in TESTS {
        summary += cargo_test(&cargo(&["test", "--no-fail-fast"]).args(*tests))?;
    }
    summary += hosted(&tools, sanitizer)?;
    let soak = ["run", "--quiet", "-p", "extram-soak", "--bin", "soak", "--", "--seconds", "5"];
    summary += Summary::of("a soak of 5 seconds", cargo(&soak).run());
    Ok(summary)
}

/// The hosted scenarios: all test programs together, but for those that are apart.
fn hosted(tools: &Tools, sanitizer: &Sanitizer) -> Result<Summary> {
    let run = |options, names: &[String]| {
        let with = Sanitizer { options: (sanitizer.options.0, options), ..*sanitizer };
        let cargo = tools.cargo(&with).args(["test", "--no-fail-fast", "-p", "extram-hosted"]);
        let cargo = names.iter().fold(cargo, |cargo, name| cargo.args(["--test", name]));
        cargo_test(&cargo.arg("--").args(SKIPPED.iter().flat_map(|(name, _)| ["--skip", name])))
    };
    let together = test_programs(HOSTED)?;
    let is_apart = |name: &String| sanitizer.apart.iter().any(|apart| apart.name == name);
    let together: Vec<_> = together.into_iter().filter(|name| !is_apart(name)).collect();
    let mut summary = left_out(sanitizer);
    summary += run(sanitizer.options.1, &together)?;
    for Apart { name, options, reason } in sanitizer.apart {
        if let Some(options) = options {
            println!("{name} with {options}: {reason}");
            summary += run(options, &[name.to_string()])?;
        }
    }
    Ok(summary)
}

/// What the lane has no way to run.
fn left_out(sanitizer: &Sanitizer) -> Summary {
    let apart = sanitizer.apart.iter().filter(|apart| apart.options.is_none());
    let apart = apart.map(|apart| (apart.name, apart.reason));
    let mut summary = Summary::default();
    for (name, reason) in SKIPPED.iter().chain(sanitizer.empty).copied().chain(apart) {
        summary += Summary::skipped(name, reason);
    }
    summary
}

/// The names of the test programs in a folder of the workspace.
pub(crate) fn test_programs(folder: &str) -> Result<Vec<String>> {
    let folder = workspace().join(folder);
    let mut names = Vec::new();
    for entry in folder.read_dir().with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// Runs a program that has a bug: it ends badly, and the report says this.
pub(crate) fn is_found(command: &Command, report: &str) -> Result<()> {
    let mut output = Vec::new();
    let ended = command.stream(Duration::from_secs(60), |_, chunk| output.extend_from_slice(chunk))?;
    let output = String::from_utf8_lossy(&output);
    match ended {
        Ended::Exited(status) if !status.success() && output.contains(report) => Ok(()),
        other => bail!("no \"{report}\" but {other:?}:\n{output}"),
    }
}

/// A rustc that can be told to use a clang's runtime, and that clang.
pub(crate) struct Tools {
    bin: PathBuf,
    pub(crate) version: String,
    pub(crate) clang: PathBuf,
    symbolizer: Option<PathBuf>,
}

impl Tools {
    pub(crate) fn find(sanitizer: &Sanitizer) -> Result<Tools, String> {
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            return Err(format!("only for {TARGET}"));
        }
        let bin = PathBuf::from("/usr/bin");
        let rustc = |args: &[&str]| {
            let read = Command::new(bin.join("rustc")).args(args).env_remove("LD_LIBRARY_PATH").read();
            read.map_err(|_| "no rustc of the system's".to_owned())
        };
        let about = rustc(&["-vV"])?;
        let llvm = llvm(&about).ok_or("a rustc that does not name its LLVM")?;
        if !bin.join("cargo").is_file() {
            return Err("no cargo of the system's".into());
        }
        let sysroot = rustc(&["--print", "sysroot"])?;
        let source = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/std/Cargo.toml");
        if sanitizer.builds_std && !source.is_file() {
            return Err(format!("no source of the standard library for {}", about.trim()));
        }
        let name = format!("clang-{llvm}");
        let clang = which(&name).ok_or(format!("no {name}, the LLVM of the system's rustc"))?;
        let runtime = format!("libclang_rt.{}-x86_64.a", sanitizer.runtime);
        let place = Command::new(&clang).arg(format!("-print-file-name={runtime}")).read();
        let place = place.map_err(|error| error.to_string())?;
        let directory = clang_directory(&clang);
        if !Path::new(place.trim()).is_file() && !directory.is_some_and(|d| d.join(&runtime).is_file()) {
            return Err(format!("{name} has no {runtime} (libclang-rt-{llvm}-dev)"));
        }
        let symbolizer = which(&format!("llvm-symbolizer-{llvm}"));
        let version = about.lines().next().unwrap_or_default().to_owned();
        Ok(Tools { bin, version, clang, symbolizer })
    }

    pub(crate) fn target_dir(&self, sanitizer: &Sanitizer) -> PathBuf {
        sanitizer.folder.into()
    }

    /// `cargo` for programs with this sanitizer in them, to which a verb is still to be added.
    pub(crate) fn cargo(&self, sanitizer: &Sanitizer) -> Command {
        let mut flags = vec![
            format!("-Zsanitizer={}", sanitizer.name),
            "-Zexternal-clangrt".into(),
            format!("-Clink-arg=-fsanitize={}", sanitizer.name),
        ];
        flags.extend(sanitizer.rustflags.iter().map(|flag| flag.to_string()));
        let mut command = without_toolchain(Command::new(self.bin.join("cargo")));
        command = command
            .env("RUSTC", self.bin.join("rustc"))
            .env("RUSTDOC", self.bin.join("rustdoc"))
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER", &self.clang)
            .env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS", flags.join(" "))
            // What the `cc` crate builds, for the same sanitizer.
            .env("CC_x86_64_unknown_linux_gnu", &self.clang)
            .env("CFLAGS_x86_64_unknown_linux_gnu", format!("-fsanitize={}", sanitizer.name))
            // Half the time: most is spent in the runtime, but not all.
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
            // What reports name; a fifth of the time that building takes goes into the rest.
            .env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only")
            // Sizes: nothing is a matter of how many threads, but each costs ten times as much.
            .env("EXTRAM_SCALE", "0.05")
            .env("CARGO_TARGET_DIR", self.target_dir(sanitizer))
            .args(["--config", &format!("build.target='{TARGET}'")]);
        if sanitizer.builds_std {
            command = command.arg("-Zbuild-std");
        }
        self.run(sanitizer, command)
    }

    /// A program with this sanitizer in it, or a command that starts some.
    pub(crate) fn run(&self, sanitizer: &Sanitizer, command: Command) -> Command {
        let (variable, options) = sanitizer.options;
        let mut options = options.to_owned();
        if let Some(symbolizer) = &self.symbolizer {
            options += &format!(":external_symbolizer_path={}", symbolizer.display());
        }
        command.env(variable, options)
    }
}

/// Where a clang keeps its runtimes.
fn clang_directory(clang: &Path) -> Option<PathBuf> {
    let resources = Command::new(clang).arg("-print-resource-dir").read().ok()?;
    Some(Path::new(resources.trim()).join("lib/linux"))
}

/// The first number of the LLVM in what `rustc -vV` prints.
fn llvm(about: &str) -> Option<u32> {
    about.lines().find_map(|line| line.strip_prefix("LLVM version: "))?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pages::marks::{Function, functions};

    #[test]
    fn the_llvm_of_a_rustc_is_read() {
        assert_eq!(llvm("rustc 1.96.0\nhost: x86_64\nLLVM version: 22.1.8\n"), Some(22));
        assert_eq!(llvm("rustc 1.96.0\n"), None);
    }

    #[test]
    fn what_is_apart_or_skipped_exists() {
        let programs = test_programs(HOSTED).unwrap();
        assert!(programs.len() > 10);
        for apart in ADDRESS.apart.iter().chain(THREAD.apart) {
            assert!(programs.iter().any(|name| name == apart.name), "{}", apart.name);
        }
        let functions = functions(workspace()).unwrap();
        for (name, _) in SKIPPED {
            let is_it = |function: &Function| function.file.starts_with(HOSTED) && function.name == *name;
            assert!(functions.iter().any(is_it), "{name}");
        }
    }

    #[test]
    fn what_is_left_out_is_skipped_by_name() {
        for (sanitizer, count) in [(ADDRESS, 4), (THREAD, 3)] {
            let summary = left_out(&sanitizer);
            assert_eq!((summary.skipped, summary.left_out.len()), (count, count as usize));
            for name in ["openmp_regions_enter: ", "system_calls: "] {
                assert!(summary.left_out.iter().any(|what| what.starts_with(name)), "{summary:?}");
            }
        }
    }

    #[test]
    fn a_program_without_a_report_is_not_found() {
        let sh = |script: &str| Command::new("sh").args(["-c", script]);
        assert!(is_found(&sh("echo data race >&2; exit 66"), "data race").is_ok());
        assert!(is_found(&sh("echo data race >&2"), "data race").is_err());
        assert!(is_found(&sh("exit 66"), "data race").is_err());
    }
}
