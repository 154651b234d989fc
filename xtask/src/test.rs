//! `cargo xtask test`: every check, in lanes.
//!
//! Without an option the host's tests run. Each option adds a lane, `--all` all of them. Lanes are
//! functions that print what they do and return how many checks passed, failed and were skipped;
//! a lane that cannot run here says why and counts as skipped, which `--require` turns into a
//! failure.

use crate::bare_metal;
use crate::command::{Command, Stream};
use crate::freebsd;
use crate::judge::{Lanes, Programs, Summary};
use anyhow::{Result, bail, ensure};
use clap::Args as ClapArgs;
use std::time::Duration;

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
    /// Who runs the processors of FreeBSD's machine in QEMU.
    #[arg(long, value_enum, default_value_t)]
    accel: freebsd::machine::Accel,
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
    /// Print what may meet what, what is promised then and which test shows it, and run nothing.
    #[arg(long, conflicts_with = "list_scenarios")]
    list_edges: bool,
    /// With --list-edges: only the cells that no test shows yet.
    #[arg(long, requires = "list_edges", conflicts_with = "write")]
    missing: bool,
    /// With --list-scenarios or --list-edges: put the table into tests/README.md or tests/EDGES.md.
    #[arg(long)]
    write: bool,
    /// How many seeds Miri tries of each test program.
    #[arg(long, value_name = "N", default_value_t = crate::interpreters::SEEDS)]
    miri_seeds: u32,
    /// What is skipped counts as failed.
    #[arg(long)]
    require: bool,
}

/// What the lanes have in common.
type Lane<'a> = &'a dyn Fn() -> Result<Summary>;

/// How long one `cargo test` may take before it is taken for hung.
pub(crate) const LIMIT: Duration = Duration::from_secs(15 * 60);

pub(crate) fn test(args: &Args) -> Result<()> {
    if args.list_scenarios {
        return crate::scenarios::list(args.write);
    }
    if args.list_edges {
        return crate::edges::list(args.write, args.missing);
    }
    ensure!(!args.write, "--write goes with --list-scenarios or --list-edges");
    if let Some(dir) = &args.freebsd_base {
        freebsd::base::choose(dir);
    }
    if let Some(host) = &args.ssh {
        freebsd::host::choose(host);
    }
    freebsd::machine::choose(args.accel);
    let target = args.target.as_deref();
    let of = |triple| args.all || target == Some(triple);
    macro_rules! board {
        ($name:literal, $triple:literal) => {
            ($name, of($triple), &|| bare_metal::lane($triple))
        };
    }
    let wanted: &[(&str, bool, Lane)] = &[
        ("lint", args.lint || args.all, &lint),
        ("embed", args.embed || args.all, &crate::embed::lane),
        ("soak", args.soak || args.all, &crate::soak::lane),
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
            &host,
        ),
        ("size", args.size || args.all, &bare_metal::size::lane),
        board!("cortex-m3", "thumbv7m-none-eabi"),
        board!("cortex-m0", "thumbv6m-none-eabi"),
        ("asan", args.sanitizers.asan || args.all, &crate::sanitizers::address),
        ("tsan", args.sanitizers.tsan || args.all, &crate::sanitizers::thread),
        ("loom", args.models.loom || args.all, &crate::models::loom),
        ("shuttle", args.models.shuttle || args.all, &crate::models::shuttle),
        ("model", args.models.model || args.all, &crate::models::model),
        ("package", args.package || args.all, &crate::package::lane),
        board!("riscv32", "riscv32imac-unknown-none-elf"),
        board!("riscv64", "riscv64gc-unknown-none-elf"),
        board!("aarch64", "aarch64-unknown-none"),
        board!("cortex-m33", "thumbv8m.main-none-eabi"),
        ("valgrind", args.sanitizers.valgrind || args.all, &crate::interpreters::valgrind),
        ("miri", args.sanitizers.miri || args.all, &|| {
            crate::interpreters::miri(args.miri_seeds, args.sanitizers.miri)
        }),
        ("fuzz", args.sanitizers.fuzz || args.all, &crate::fuzz::lane),
        ("freebsd", of("x86_64-unknown-freebsd"), &freebsd::x86_64),
        ("freebsd-arm", of("aarch64-unknown-freebsd"), &freebsd::aarch64),
    ];
    if let Some(target) = target
        && !wanted.iter().any(|(_, wanted, _)| *wanted)
    {
        bail!("no tests for {target}");
    }
    let mut lanes = Lanes::default();
    for (name, _, lane) in wanted.iter().filter(|(_, wanted, _)| *wanted) {
        lanes.run(name, lane);
    }
    lanes.end(args.require)
}

/// Runs a `cargo test` and adds up what its test programs report; see [`crate::judge`].
pub(crate) fn cargo_test(command: &Command) -> Result<Summary> {
    let mut programs = Programs::default();
    let ended = command.stream(LIMIT, |stream, chunk| {
        use std::io::Write as _;
        let _ = std::io::stdout().write_all(chunk);
        if stream == Stream::Out {
            programs.take(chunk);
        }
    })?;
    let (summary, wrong) = programs.end(&ended);
    for wrong in wrong {
        println!("FAILED: {wrong}: {command}");
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
    let root = crate::marks::root();
    summary += Summary::of("every edge has a test or a reason", crate::edges::check(&root));
    summary += Summary::of("every cited invariant is defined once", crate::sources::invariants(&root));
    summary += Summary::of("no file of the core is too long", crate::sources::lengths(&root));
    Ok(summary)
}
