//! The lane `--fuzz`: the targets of `tests/proof/fuzz` under libFuzzer and AddressSanitizer, some seconds
//! each, beginning with the files in `tests/proof/fuzz/corpus`.
//!
//! libFuzzer comes with the clang of rustc's LLVM, as the sanitizers' runtimes do, and rustc's own
//! pass counts the branches. First a target that has to fail shows that both work.

use crate::sanitizers::{Sanitizer, TARGET, Tools, is_found};
use anyhow::{Context as _, Result, bail};
use judge::Summary;
use std::time::Duration;
use toolchain::command::{Command, Ended, Stream};

const FUZZER: Sanitizer = Sanitizer {
    name: "address",
    runtime: "fuzzer",
    rustflags: &[
        "-Clink-arg=-fsanitize=fuzzer",
        "-Cpasses=sancov-module",
        "-Cllvm-args=-sanitizer-coverage-level=4",
        "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
        "-Cllvm-args=-sanitizer-coverage-pc-table",
        "-Cllvm-args=-sanitizer-coverage-trace-compares",
        // One unit per crate, or the linker drops the tables of some.
        "-Ccodegen-units=1",
    ],
    builds_std: false,
    folder: "target/fuzz",
    // Not leaks: the targets' threads live from input to input, and the detector has been seen not to
    // find what their stacks hold. The targets count contexts themselves.
    options: ("ASAN_OPTIONS", "detect_leaks=0"),
    planted: &[("planted", "the planted failure is found")],
    apart: &[],
    empty: &[],
};

const TARGETS: [&str; 2] = ["pool_operations", "c_face"];

/// How long each one runs.
const SECONDS: u32 = 20;

pub(crate) fn lane() -> Result<Summary> {
    let tools = match Tools::find(&FUZZER) {
        Ok(tools) => tools,
        Err(reason) => {
            return Ok(Summary::skipped("fuzzing", &format!("{reason} (cargo xtask setup --all)")));
        }
    };
    println!("{} with libFuzzer of {}", tools.version, tools.clang.display());
    tools.cargo(&FUZZER).args(["build", "-p", "extram-fuzz", "--bins", "--features", "libfuzzer"]).run()?;
    let failures = std::path::absolute("target/fuzz/failures")?;
    std::fs::create_dir_all(&failures)?;
    let program = |name: &str| {
        let path = tools.target_dir(&FUZZER).join(TARGET).join("debug").join(name);
        tools.run(&FUZZER, Command::new(path)).arg(format!("-artifact_prefix={}/{name}-", failures.display()))
    };
    let mut summary = Summary::default();
    for (name, report) in FUZZER.planted {
        // Without the branches to guide it this takes 2^32 runs.
        let limits = ["-seed=1", "-max_len=64", "-max_total_time=50"];
        summary += Summary::of("planted: it is found", is_found(&program(name).args(limits), report));
    }
    for name in TARGETS {
        let result = fuzz(name, &program(name));
        summary += Summary::of(&format!("{name} for {SECONDS} s"), result);
    }
    Ok(summary)
}

/// Runs one target; fails if that finds something, or did not run.
fn fuzz(name: &str, program: &Command) -> Result<()> {
    // What is found on the way goes to the first folder, which is kept from run to run.
    let found = std::path::absolute("target/fuzz/found")?.join(name);
    std::fs::create_dir_all(&found).with_context(|| found.display().to_string())?;
    let command = program
        .clone()
        .arg(format!("-max_total_time={SECONDS}"))
        .args(["-timeout=60", "-rss_limit_mb=4096", "-max_len=600", "-print_final_stats=1"])
        .arg(found)
        .arg(format!("tests/proof/fuzz/corpus/{name}"));
    let mut report = String::new();
    let ended = command.stream(Duration::from_secs(180), |stream, chunk| {
        if stream == Stream::Err {
            report += &String::from_utf8_lossy(chunk);
        }
    })?;
    match ended {
        Ended::Exited(status) if status.success() => {}
        other => bail!("{other:?}\n{}", last(&report, 120)),
    }
    let runs = figure(&report, "stat::number_of_executed_units:").unwrap_or(0);
    let seeds = std::fs::read_dir(format!("tests/proof/fuzz/corpus/{name}"))?.count() as u64;
    if seeds == 0 || runs <= seeds {
        bail!("{runs} runs from {seeds} seeds:\n{}", last(&report, 20));
    }
    let covered = report.lines().rev().find_map(|line| figure(line, "cov:")).unwrap_or(0);
    println!("{name}: {runs} runs from {seeds} seeds, {covered} branches covered");
    Ok(())
}

/// The number after a word.
fn figure(text: &str, word: &str) -> Option<u64> {
    let (_, rest) = text.split_once(word)?;
    rest.split_whitespace().next()?.parse().ok()
}

fn last(text: &str, lines: usize) -> String {
    let all: Vec<_> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_what_libfuzzer_prints() {
        assert_eq!(figure("#9 DONE   cov: 812 ft: 2310 corp: 44/900b", "cov:"), Some(812));
        assert_eq!(figure("stat::number_of_executed_units: 1234\nstat::x: 5", "units:"), Some(1234));
        assert_eq!(figure("no figure", "cov:"), None);
        assert_eq!(last("a\nb\nc", 2), "b\nc");
    }
}
