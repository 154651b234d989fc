//! The lanes `--valgrind` and `--miri`: tests in a machine made of software, which sees every access.
//!
//! Of valgrind's tools only memcheck: helgrind and drd do not understand C11 atomics (they take each
//! for a plain access) and would report every word of the core; ThreadSanitizer does that work.
//! Memcheck adds what AddressSanitizer does not look for: reads of memory that nobody has written.

use crate::sanitizers::{is_found, test_programs};
use anyhow::Result;
use judge::{Summary, cargo_test, cargo_tests};
use toolchain::command::{Command, which};
use toolchain::without_toolchain;

pub(crate) fn valgrind() -> Result<Summary> {
    if which("valgrind").is_none() {
        return Ok(Summary::skipped("memcheck", "no valgrind (cargo xtask setup --all)"));
    }
    println!("{}", Command::new("valgrind").arg("--version").read()?.trim());
    // Leaks are LeakSanitizer's. Threads take turns, or one that waits for another keeps it from running.
    let memcheck = "valgrind --quiet --error-exitcode=9 --leak-check=no --child-silent-after-fork=yes \
                    --fair-sched=yes";
    let host = format!("CARGO_TARGET_{}_RUNNER", host()?.to_uppercase().replace(['-', '.'], "_"));
    let cargo = |args: &[&str], runner: &str| {
        let sizes = [("EXTRAM_STEPS", "500"), ("EXTRAM_SCALE", "0.2")];
        let command = Command::new("cargo").args(args).env(&host, runner);
        sizes.iter().fold(command, |command, (name, value)| command.env(name, value))
    };
    let planted = cargo(&["run", "--quiet", "-p", "extram-planted", "--bin", "use_after_free"], memcheck);
    let mut summary = Summary::of("planted: use_after_free is found", is_found(&planted, "Invalid read"));
    let (own, others): (Vec<_>, Vec<_>) =
        test_programs("crates/capi/tests")?.into_iter().partition(|name| name == ALLOCATES_ITSELF);
    let of_the_face = ["test", "-p", "extram-capi", "--no-fail-fast"];
    let others = others.iter().flat_map(|name| ["--test", name]);
    summary += cargo_test(&cargo(&of_the_face, memcheck).arg("--lib").args(others))?;
    let own = own.iter().flat_map(|name| ["--test", name]);
    let keeps_out = format!("{memcheck} --soname-synonyms=somalloc=nouserintercepts");
    summary += cargo_test(&cargo(&of_the_face, &keeps_out).args(own))?;
    Ok(summary)
}

/// The test of the C face that brings an allocator, which memcheck would replace.
const ALLOCATES_ITSELF: &str = "memory";

/// How many seeds, where the command line does not say.
pub(crate) const SEEDS: u32 = 4;

/// What it always runs whole.
const CORE: &[&str] = &["-p", "extram-core", "--lib"];

/// The conformance scenarios, on one kind of storage. By Miri's own clock, which does not know how slow
/// it is; and what they keep they keep (`Case::end`).
const ON_THE_HEAP: &[&str] = &["-p", SUITE, "--test", "interpreted", "on_the_heap"];
const IN_SLOTS: &[&str] = &["-p", SUITE, "--test", "interpreted", "in_static_slots"];
const SUITE: &str = "extram-conformance";

/// What Miri runs, in pieces for several processors, the longest first. Not the tests with faults, which hand
/// each step from thread to thread: that takes minutes.
const INTERPRETED: &[&[&str]] = &[
    &["-p", "extram", "--test", "pool"],
    &["-p", "extram", "--test", "contexts"],
    ON_THE_HEAP,
    IN_SLOTS,
    &["-p", "extram-capi", "--lib", "--test", "figures", "--test", "misuse"],
    &["-p", "extram-capi", "--test", "contexts", "--test", "panics", "--test", "sequences"],
    CORE,
];

/// The rules about who may use a reference when. The newer ones allow more in some places and less
/// in others; neither is the last word, so both have to hold.
const BORROWS: &[(&str, &str)] = &[("Stacked Borrows", ""), ("Tree Borrows", " -Zmiri-tree-borrows")];

/// Sizes for a machine a thousand times as slow.
const SIZES: &[(&str, &str)] = &[("EXTRAM_SCALE", "0.001"), ("EXTRAM_STEPS", "50"), ("PROPTEST_CASES", "4")];

/// All of it, or what there is time for beside all other lanes: both rules and all seeds for the core,
/// the rest once.
pub(crate) fn miri(seeds: u32, all: bool) -> Result<Summary> {
    let cargo = match cargo_miri() {
        Ok(cargo) => cargo,
        Err(reason) => return Ok(Summary::skipped("Miri", &reason)),
    };
    println!("{}, {seeds} seeds of each program", cargo.clone().args(["miri", "--version"]).read()?.trim());
    let (mut summary, mut runs) = (Summary::default(), Vec::new());
    for (rules, flag) in BORROWS {
        for what in INTERPRETED {
            let Some(seeds) = seeds_of(what, flag, seeds, all) else {
                let name = format!("{}, {rules}", what.join(" "));
                summary += Summary::skipped(&name, "only --miri by itself runs it");
                continue;
            };
            let of = |seed| interpreted(&cargo, what, &format!("-Zmiri-seed={seed}{flag}"));
            runs.extend((0..seeds).map(of));
        }
    }
    // Each is one thread of the interpreter's.
    summary += cargo_tests(&runs);
    Ok(summary)
}

/// How many of the seeds run of this, under the rules with this flag; `None`: it is left out.
fn seeds_of(what: &[&str], flag: &str, seeds: u32, all: bool) -> Option<u32> {
    if all || what == CORE {
        return Some(seeds);
    }
    (flag == BORROWS[0].1).then_some(1)
}

/// `cargo miri test`. Without isolation, because the tests look at the clock and at their
/// environment. Leaks count: what a test keeps, it keeps where Miri finds it (`extram-kept`).
fn interpreted(cargo: &Command, what: &[&str], flags: &str) -> Command {
    let command = cargo.clone().args(["miri", "test", "--no-fail-fast"]).args(what);
    let apart = if what[1] == SUITE { "-Zmiri-ignore-leaks" } else { "-Zmiri-disable-isolation" };
    let command = command.env("MIRIFLAGS", format!("{apart} {flags}"));
    let command = command.args(["--target-dir", "target/miri"]);
    SIZES.iter().fold(command, |command, (name, value)| command.env(name, value))
}

/// The cargo whose toolchain has Miri, ready to run: the active one, or the nightly.
fn cargo_miri() -> Result<Command, String> {
    let active = without_toolchain(Command::new("cargo"));
    let has_it = |cargo: &Command| cargo.clone().args(["miri", "--version"]).read().is_ok();
    let cargo = [active.clone(), active.arg("+nightly")]
        .into_iter()
        .find(has_it)
        .ok_or("no toolchain here has it (rustup +nightly component add miri rust-src)")?;
    // Builds the standard library for it, for which the library's sources have to be there.
    let ready = cargo.clone().args(["miri", "setup"]).read();
    ready.map_err(|error| {
        format!("it cannot be set up (rustup +nightly component add rust-src): {error:#}")
    })?;
    Ok(cargo)
}

/// The triple that cargo builds for.
fn host() -> Result<String> {
    let about = Command::new("rustc").arg("-vV").read()?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn miri_is_told_the_rules_the_seeds_and_small_sizes() {
        let line = interpreted(&Command::new("cargo"), CORE, "-Zmiri-seed=3").to_string();
        for part in [
            "MIRIFLAGS='-Zmiri-disable-isolation -Zmiri-seed=3'",
            "EXTRAM_SCALE=0.001",
            "cargo miri test --no-fail-fast -p extram-core --lib",
        ] {
            assert!(line.contains(part), "{part} is not in {line}");
        }
        assert!(!line.contains("ignore-leaks"));
    }

    #[test]
    fn what_miri_runs_is_there() {
        let metadata = Command::new("cargo").args(["metadata", "--no-deps", "--format-version", "1"]);
        let metadata: serde_json::Value = serde_json::from_str(&metadata.read().unwrap()).unwrap();
        let packages = metadata["packages"].as_array().unwrap();
        for what in INTERPRETED {
            let package = packages.iter().find(|package| package["name"] == what[1]);
            let targets = package.unwrap_or_else(|| panic!("no package {}", what[1]))["targets"].as_array();
            let tests = what.windows(2).filter(|words| words[0] == "--test");
            for test in tests.map(|words| words[1]) {
                assert!(targets.unwrap().iter().any(|target| target["name"] == test), "no test {test}");
            }
        }
    }

    #[test]
    fn by_itself_the_lane_leaves_nothing_out_and_never_the_core() {
        let under = |flag, all| INTERPRETED.iter().map(move |what| seeds_of(what, flag, 4, all));
        let [first, second] = [BORROWS[0].1, BORROWS[1].1];
        let others = INTERPRETED.len() - 1;
        assert!(under(first, true).chain(under(second, true)).all(|seeds| seeds == Some(4)));
        assert_eq!(under(first, false).collect::<Vec<_>>(), [vec![Some(1); others], vec![Some(4)]].concat());
        assert_eq!(under(second, false).collect::<Vec<_>>(), [vec![None; others], vec![Some(4)]].concat());
    }
}
