//! `cargo xtask test`: every check, in lanes.
//!
//! Without an option the host's tests run. Each option adds a lane, `--all` all of them. Lanes are
//! functions that print what they do and return how many checks passed, failed and were skipped;
//! a lane that cannot run here says why and counts as skipped, which `--require` turns into a
//! failure.

use crate::{counts, fuzz, interpreters, lint, runtimes, sanitizers, soak, tiers, windows};
use anyhow::{Result, bail, ensure};
use clap::Args as ClapArgs;
use judge::{Lane, Summary, cargo_test};
use packages::{embed, package};
use pages::{edges, scenarios};
use toolchain::command::Command;

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Run the tests of another target, as `cargo xtask targets` lists them.
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
    /// The directory with FreeBSD. Without it: that in FREEBSD_BASE, else what was fetched.
    #[arg(long, value_name = "DIR")]
    freebsd_base: Option<std::path::PathBuf>,
    /// Run FreeBSD's tests on this host, which ssh has to reach without asking.
    #[arg(long, value_name = "HOST")]
    ssh: Option<String>,
    /// What to run before a commit; takes less than two minutes once it is built: formatting and the other checks
    /// that build nothing, the tests of the core, the facade and the C face, and the lane --size.
    ///
    /// It leaves out clippy and the documentation with its examples, the tests of the ports, of tests/ and
    /// of xtask itself, the core's build without an allocator, and all other lanes.
    #[arg(long, conflicts_with = "all")]
    quick: bool,
    /// How QEMU runs the processors of FreeBSD's machine.
    #[arg(long, value_enum, default_value_t)]
    accel: freebsd::machine::Accel,
    /// Formatting, clippy and documentation.
    #[arg(long)]
    lint: bool,
    /// C and C++ programs against the installed C face.
    #[arg(long)]
    embed: bool,
    /// Runtimes of others, lent to threads that C has made: wasmi, QuickJS, CPython; Lua on a board.
    #[arg(long)]
    runtimes: bool,
    /// Half a minute of everything at random.
    #[arg(long)]
    soak: bool,
    /// The simulator's tests, and the conformance scenarios in it with EXTRAM_SEEDS seeds.
    #[arg(long)]
    simulate: bool,
    #[command(flatten)]
    sanitizers: sanitizers::Wanted,
    #[command(flatten)]
    models: models::Wanted,
    /// The crates as others get them: packaged, vendored, their public items as listed.
    #[arg(long)]
    package: bool,
    /// Instructions of the hot paths and a herd's figures against blessed ones.
    #[arg(long)]
    counts: bool,
    /// The conformance suite and FreeRTOS' own cases on FreeRTOS, for two processors.
    #[arg(long)]
    freertos: bool,
    /// Programs with embassy and with RTIC on a Cortex-M3.
    #[arg(long)]
    executors: bool,
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
    #[arg(long, value_name = "N", default_value_t = interpreters::SEEDS, value_parser = clap::value_parser!(u32).range(1..))]
    miri_seeds: u32,
    /// Count what is skipped as failed.
    #[arg(long)]
    require: bool,
    /// Start no lane after this many minutes: the rest is skipped, by name.
    #[arg(long, value_name = "MINUTES")]
    within: Option<u64>,
}

pub(crate) fn test(args: &Args) -> Result<()> {
    if args.list_scenarios {
        return scenarios::list(args.write);
    }
    if args.list_edges {
        return edges::list(args.write, args.missing);
    }
    ensure!(!args.write, "--write goes with --list-scenarios or --list-edges");
    if let Some(dir) = &args.freebsd_base {
        freebsd::base::choose(dir);
    }
    if let Some(host) = &args.ssh {
        freebsd::host::choose(host);
    }
    freebsd::machine::choose(args.accel);
    let within = args.within.map(|minutes| std::time::Duration::from_secs(60 * minutes));
    judge::judge(&chosen(args)?, args.require, within, tiers::table)
}

/// The lanes that are asked for; the host's, if none is.
fn chosen(args: &Args) -> Result<Vec<Lane<'_>>> {
    let target = args.target.as_deref();
    let lane = |name, wanted, run: fn(&Args) -> Result<Summary>| -> (bool, Lane) {
        (wanted || args.all, (name, Box::new(move || run(args))))
    };
    macro_rules! board {
        ($name:literal, $triple:literal) => {
            lane($name, target == Some($triple), |_| boards::lane($triple))
        };
    }
    let (sanitizers, models) = (&args.sanitizers, &args.models);
    let mut lanes = vec![
        lane("lint", args.lint, |_| lint::lint()),
        (args.quick, ("quick", Box::new(quick))),
        lane("embed", args.embed, |_| embed::lane()),
        lane("soak", args.soak, |_| soak::lane()),
        lane("simulate", args.simulate, |_| models::simulate::lane()),
        lane("host", false, |_| host()),
        lane("size", args.size || args.quick, |_| boards::size::lane()),
        board!("cortex-m3", "thumbv7m-none-eabi"),
        board!("cortex-m0", "thumbv6m-none-eabi"),
        lane("executors", args.executors, |_| boards::executors::lane()),
        lane("freertos-cortex-m3", args.freertos, |_| boards::freertos::lane("thumbv7m-none-eabi")),
        lane("freertos-riscv32", args.freertos, |_| boards::freertos::lane("riscv32imac-unknown-none-elf")),
        // The long ones first, so that whoever sets a time knows within a few minutes when it ends.
        lane("asan", sanitizers.asan, |_| sanitizers::address()),
        lane("tsan", sanitizers.tsan, |_| sanitizers::thread()),
        lane("loom", models.loom, |_| models::loom()),
        lane("miri", sanitizers.miri, |args| interpreters::miri(args.miri_seeds, args.sanitizers.miri)),
        lane("shuttle", models.shuttle, |_| models::shuttle()),
        lane("model", models.model, |_| models::model()),
        lane("runtimes", args.runtimes, |_| runtimes::lane()),
        lane("package", args.package, |_| package::lane()),
        board!("riscv32", "riscv32imac-unknown-none-elf"),
        board!("riscv64", "riscv64gc-unknown-none-elf"),
        board!("aarch64", "aarch64-unknown-none"),
        board!("cortex-m33", "thumbv8m.main-none-eabi"),
        lane("counts", args.counts, |_| counts::lane()),
        lane("valgrind", sanitizers.valgrind, |_| interpreters::valgrind()),
        lane("fuzz", sanitizers.fuzz, |_| fuzz::lane()),
        lane("freebsd", target == Some("x86_64-unknown-freebsd"), |_| freebsd::x86_64()),
        lane("windows", target == Some(install::WINDOWS_64), |_| windows::lane()),
        lane("freebsd-arm", target == Some("aarch64-unknown-freebsd"), |_| freebsd::aarch64()),
    ];
    for system in systems::systems() {
        let wanted = args.all || target == Some(system.triple);
        lanes.push((wanted, (system.triple, Box::new(|| system.lane()))));
    }
    if !lanes.iter().any(|(wanted, _)| *wanted) {
        if let Some(target) = target {
            bail!("no tests for {target}; cargo xtask targets lists the targets that have some");
        }
        lanes.iter_mut().for_each(|(wanted, (name, _))| *wanted = *name == "host");
    }
    let wanted = lanes.into_iter().filter_map(|(wanted, lane)| wanted.then_some(lane));
    Ok(wanted.map(|(name, run)| (name, Box::new(move || run().map(|ran| seen(name, ran))) as _)).collect())
}

/// A lane that stands for a port in the table of scenarios ran what the table says.
fn seen(lane: &str, mut ran: Summary) -> Summary {
    for title in scenarios::unseen(lane, &ran.left_out) {
        let why = Err(anyhow::anyhow!("tests/README.md says that {lane} runs it"));
        ran += Summary::of(title, why);
    }
    ran
}

fn host() -> Result<Summary> {
    let mut summary = cargo_test(&Command::new("cargo").args(["test", "--workspace", "--no-fail-fast"]))?;
    // The core without an allocator.
    let bare = Command::new("cargo").args(["build", "-p", "extram-core", "--no-default-features"]);
    summary += Summary::of("the core builds without std and alloc", bare.run());
    Ok(summary)
}

fn quick() -> Result<Summary> {
    let mut summary = lint::read();
    summary += cargo_test(&quick_tests())?;
    Ok(summary)
}

/// Those of what others depend on, without the examples in the documentation.
fn quick_tests() -> Command {
    let packages = ["extram-core", "extram", "extram-capi"].into_iter().flat_map(|name| ["-p", name]);
    Command::new("cargo").args(["test", "--no-fail-fast", "--lib", "--tests"]).args(packages)
}

#[cfg(test)]
#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

/// The names of all lanes.
#[cfg(test)]
pub(crate) fn all() -> Vec<String> {
    let args = <Line as clap::Parser>::parse_from(["test", "--all"]).args;
    chosen(&args).unwrap().iter().map(|(name, _)| name.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn names(line: &[&str]) -> Vec<String> {
        let args = Line::parse_from([&["test"], line].concat()).args;
        chosen(&args).unwrap().iter().map(|(name, _)| name.to_string()).collect()
    }

    #[test]
    fn the_ports_in_the_table_of_scenarios_have_a_lane() {
        let (lanes, ports) = (all(), toolchain::workspace().join("ports"));
        for (port, lane) in scenarios::RUN {
            assert!(lanes.iter().any(|name| name == lane) && ports.join(port).is_dir(), "{port}: {lane}");
        }
    }

    #[test]
    fn a_lane_that_leaves_out_what_the_table_claims_fails() {
        let left_out = || Summary::skipped("no M is ever in two hands", "too few threads");
        let ran = seen("freertos-riscv32", left_out());
        assert_eq!((ran.failed, ran.skipped), (1, 1), "{ran:?}");
        assert_eq!(seen("cortex-m0", left_out()).failed, 0);
    }

    #[test]
    fn each_option_has_its_lane_and_none_is_the_host() {
        for name in [
            "lint",
            "embed",
            "soak",
            "simulate",
            "size",
            "asan",
            "tsan",
            "loom",
            "shuttle",
            "model",
            "package",
            "runtimes",
            "executors",
            "valgrind",
            "miri",
            "fuzz",
            "counts",
        ] {
            assert_eq!(names(&[&format!("--{name}")]), [name]);
        }
        assert_eq!(names(&[]), ["host"]);
        assert_eq!(names(&["--quick"]), ["quick", "size"]);
        assert_eq!(names(&["--freertos"]), ["freertos-cortex-m3", "freertos-riscv32"]);
        assert_eq!(names(&["--target", "thumbv7m-none-eabi", "--lint"]), ["lint", "cortex-m3"]);
        let all = names(&["--all"]);
        assert!(all.len() > 20 && all.contains(&"host".to_owned()), "{all:?}");
        assert!(!all.contains(&"quick".to_owned()), "others have all of it: {all:?}");
        let nowhere = Line::parse_from(["test", "--target", "nowhere"]).args;
        assert!(chosen(&nowhere).is_err());
    }
}
