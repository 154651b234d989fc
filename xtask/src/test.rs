//! `cargo xtask test`: every check, in lanes.
//!
//! Without an option the host's tests run. Each option adds a lane, `--all` all of them. Lanes are
//! functions that print what they do and return how many checks passed, failed and were skipped;
//! a lane that cannot run here says why and counts as skipped, which `--require` turns into a
//! failure.

use crate::bare_metal;
use crate::command::{Command, Ended, Stream};
use crate::freebsd;
use crate::summary::Summary;
use anyhow::{Result, bail};
use clap::Args as ClapArgs;
use std::time::{Duration, Instant};

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Run the tests of another target, as `cargo xtask targets` lists them.
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
    /// The directory with the FreeBSD to run on, else FREEBSD_BASE, else what was fetched.
    #[arg(long, value_name = "DIR")]
    freebsd_base: Option<std::path::PathBuf>,
    /// Run FreeBSD's tests on this host, which ssh reaches without a question.
    #[arg(long, value_name = "HOST")]
    ssh: Option<String>,
    /// Formatting, clippy and documentation.
    #[arg(long)]
    lint: bool,
    /// C and C++ programs against the installed C face.
    #[arg(long)]
    embed: bool,
    /// Half a minute of everything at random.
    #[arg(long)]
    soak: bool,
    #[command(flatten)]
    sanitizers: crate::sanitizers::Wanted,
    #[command(flatten)]
    models: crate::models::Wanted,
    /// The crates as others get them: packaged, vendored, their public items as listed.
    #[arg(long)]
    package: bool,
    /// The smallest program on bare metal against its budget.
    #[arg(long)]
    size: bool,
    /// All lanes.
    #[arg(long)]
    all: bool,
    /// Print which test shows which scenario, and on which ports, and run nothing.
    #[arg(long)]
    list_scenarios: bool,
    /// With --list-scenarios: put the table into tests/README.md.
    #[arg(long, requires = "list_scenarios")]
    write: bool,
    /// What is skipped counts as failed.
    #[arg(long)]
    require: bool,
}

/// What the lanes have in common.
pub(crate) type Lane = fn() -> Result<Summary>;

/// How long one `cargo test` may take before it is taken for hung.
const LIMIT: Duration = Duration::from_secs(30 * 60);

pub(crate) fn test(args: &Args) -> Result<()> {
    if args.list_scenarios {
        return crate::scenarios::list(args.write);
    }
    if let Some(dir) = &args.freebsd_base {
        freebsd::base::choose(dir);
    }
    if let Some(host) = &args.ssh {
        freebsd::host::choose(host);
    }
    let target = args.target.as_deref();
    let of = |triple| args.all || target == Some(triple);
    macro_rules! board {
        ($name:literal, $triple:literal) => {
            ($name, of($triple), || bare_metal::lane($triple))
        };
    }
    let wanted: &[(&str, bool, Lane)] = &[
        ("lint", args.lint || args.all, lint),
        ("embed", args.embed || args.all, crate::embed::lane),
        ("soak", args.soak || args.all, crate::soak::lane),
        (
            "host",
            args.all
                || !(args.lint
                    || args.embed
                    || args.soak
                    || args.sanitizers.any()
                    || args.models.any()
                    || args.package
                    || args.size
                    || target.is_some()),
            host,
        ),
        ("size", args.size || args.all, bare_metal::size::lane),
        board!("cortex-m3", "thumbv7m-none-eabi"),
        board!("cortex-m0", "thumbv6m-none-eabi"),
        ("asan", args.sanitizers.asan || args.all, crate::sanitizers::address),
        ("tsan", args.sanitizers.tsan || args.all, crate::sanitizers::thread),
        ("loom", args.models.loom || args.all, crate::models::loom),
        ("model", args.models.model || args.all, crate::models::model),
        ("package", args.package || args.all, crate::package::lane),
        board!("riscv32", "riscv32imac-unknown-none-elf"),
        board!("riscv64", "riscv64gc-unknown-none-elf"),
        board!("aarch64", "aarch64-unknown-none"),
        board!("cortex-m33", "thumbv8m.main-none-eabi"),
        ("valgrind", args.sanitizers.valgrind || args.all, crate::interpreters::valgrind),
        ("miri", args.sanitizers.miri || args.all, crate::interpreters::miri),
        ("fuzz", args.sanitizers.fuzz || args.all, crate::fuzz::lane),
        ("freebsd", of("x86_64-unknown-freebsd"), freebsd::x86_64),
        ("freebsd-arm", of("aarch64-unknown-freebsd"), freebsd::aarch64),
    ];
    if let Some(target) = target
        && !wanted.iter().any(|(_, wanted, _)| *wanted)
    {
        bail!("no tests for {target}");
    }
    let mut total = Summary::default();
    let mut table = Vec::new();
    for (name, wanted, lane) in wanted {
        if !wanted {
            continue;
        }
        println!("\n== {name}");
        let begin = Instant::now();
        let summary = lane().unwrap_or_else(|error| Summary::of(name, Err(error)));
        table.push((name, summary, begin.elapsed()));
        total += summary;
    }
    println!();
    for (name, summary, took) in table {
        println!("{name:12} {:5} s   {summary}", took.as_secs());
    }
    println!("{total}");
    if !total.good(args.require) {
        bail!("not all good");
    }
    Ok(())
}

/// Runs a `cargo test` and adds up what its test programs report. A run that ends badly without a
/// failed test (it does not build, a test program crashes) counts as one failure.
pub(crate) fn cargo_test(command: &Command) -> Result<Summary> {
    let mut summary = Summary::default();
    let mut line = Vec::new();
    let ended = command.stream(LIMIT, |stream, chunk| {
        use std::io::Write as _;
        let _ = std::io::stdout().write_all(chunk);
        if stream == Stream::Err {
            return;
        }
        for &byte in chunk {
            if byte == b'\n' {
                summary.read_libtest_line(&String::from_utf8_lossy(&line));
                line.clear();
            } else {
                line.push(byte);
            }
        }
    })?;
    match ended {
        Ended::Exited(status) if status.success() => {}
        Ended::Exited(status) => {
            println!("FAILED: {status}: {command}");
            summary.failed = summary.failed.max(1);
        }
        Ended::TimedOut(limit) => {
            println!("FAILED: no end after {} s: {command}", limit.as_secs());
            summary.failed += 1;
        }
    }
    Ok(summary)
}

fn host() -> Result<Summary> {
    let mut summary = cargo_test(&Command::new("cargo").args(["test", "--workspace", "--no-fail-fast"]))?;
    // The core without an allocator.
    let bare = Command::new("cargo").args(["build", "-p", "extram-core", "--no-default-features"]);
    summary += Summary::of("the core builds without std and alloc", bare.run());
    Ok(summary)
}

fn lint() -> Result<Summary> {
    let cargo = |args: &[&str]| Command::new("cargo").args(args);
    let mut summary = Summary::default();
    summary += Summary::of("rustfmt", cargo(&["fmt", "--all", "--check"]).run());
    let bare = ["fmt", "--all", "--check", "--manifest-path", "tests/bare-metal/Cargo.toml"];
    summary += Summary::of("rustfmt, bare metal", cargo(&bare).run());
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    summary += Summary::of("clippy", cargo(&clippy).run());
    let doc = cargo(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
    summary += Summary::of("documentation", doc.run());
    Ok(summary)
}
