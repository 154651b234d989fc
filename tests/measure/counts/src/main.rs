//! `counts`: a guard without clocks. Instructions of the hot paths, counted by callgrind, and what a herd
//! asks of the system, beside blessed figures.
//!
//! `cargo xtask test --counts`

mod blessed;
mod herd;
mod paths;
mod port;

use blessed::{Blessed, Compared, OTHER_COMPILER, SAME_COMPILER};
use clap::Parser;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Counts instructions and what a herd asks of the system, and compares with blessed figures.
///
/// A herd's figures have to be the same. Instructions may be off by 3 %, or by 25 % if another compiler
/// made the blessed ones: inlining and order are the compiler's, and what the C library does at a thread's
/// first call is its own. Wall time is nobody's business here.
#[derive(Parser)]
#[command(name = "counts")]
struct Args {
    /// Write the figures into the file in place of comparing them
    #[arg(long)]
    bless: bool,

    /// Only what needs no valgrind: the herd
    #[arg(long, conflicts_with = "bless")]
    herd: bool,

    /// The blessed figures
    #[arg(long, value_name = "FILE", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/blessed.toml"))]
    file: PathBuf,

    /// Take one of the paths
    #[arg(long, value_name = "NAME", hide = true)]
    path: Option<String>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.path {
        Some(path) => paths::take(path).map(|()| true),
        None => run(&args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("counts: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<bool, String> {
    let herd = herd::figures()?;
    let instructions = if args.herd { BTreeMap::new() } else { instructions()? };
    if args.bless {
        bless(&args.file, herd, instructions)?;
        return Ok(true);
    }
    let blessed = read(&args.file)?;
    let mut good = show("herd", &Blessed::compare(&blessed.herd, &herd, 0)?);
    if !args.herd {
        let same = blessed.compiler == compiler()?;
        let percent = if same { SAME_COMPILER } else { OTHER_COMPILER };
        println!("\nblessed with {}; instructions may be off by {percent} %", blessed.compiler);
        good &= show("instructions", &Blessed::compare(&blessed.instructions, &instructions, percent)?);
    }
    if !good {
        println!("\nif that is meant: cargo run --release -p extram-counts -- --bless");
    }
    Ok(good)
}

fn show(what: &str, compared: &[Compared]) -> bool {
    println!("\n{what:<36} {:>9} {:>9}", "blessed", "found");
    for Compared { name, blessed, found, good } in compared {
        let blessed = blessed.map_or_else(|| "-".into(), |blessed| blessed.to_string());
        println!("{name:<36} {blessed:>9} {found:>9}{}", if *good { "" } else { "  <- not as blessed" });
    }
    compared.iter().all(|compared| compared.good)
}

fn read(file: &Path) -> Result<Blessed, String> {
    let text =
        fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    toml::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
}

fn bless(
    file: &Path,
    herd: BTreeMap<String, u64>,
    instructions: BTreeMap<String, u64>,
) -> Result<(), String> {
    let target = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    let blessed = Blessed { compiler: compiler()?, target, instructions, herd };
    let text = toml::to_string(&blessed).map_err(|error| error.to_string())?;
    let text = format!("# cargo run --release -p extram-counts -- --bless\n{text}");
    fs::write(file, text).map_err(|error| format!("cannot write to {}: {error}", file.display()))
}

fn compiler() -> Result<String, String> {
    let output = Command::new("rustc").arg("--version").output();
    let output = output.map_err(|error| format!("cannot start rustc: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().into())
}

/// The instructions of each path, as callgrind sees them: less those of the counting itself.
fn instructions() -> Result<BTreeMap<String, u64>, String> {
    let counted = paths::NAMES.map(|name| Ok((name, callgrind(name)?)));
    counted
        .into_iter()
        .map(|path: Result<_, String>| path.map(|(name, count)| (name.to_string(), count)))
        .collect()
}

fn callgrind(path: &str) -> Result<u64, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(format!("--toggle-collect={}", paths::MARKED))
        .arg(this)
        .args(["--path", path])
        .output()
        .map_err(|error| format!("cannot start valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{path} under valgrind: {}\n{said}", output.status));
    }
    collected(&said)
        .filter(|&count| count > 0)
        .ok_or_else(|| format!("{path}: callgrind counted nothing:\n{said}"))
}

/// What stands in `==12345== Collected : 17009`.
fn collected(said: &str) -> Option<u64> {
    let line = said.lines().find_map(|line| line.split_once("Collected :"))?;
    line.1.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_what_callgrind_says() {
        let said = "==7== Events    : Ir\n==7== Collected : 17009\n==7== \n==7== I   refs:      17,009\n";
        assert_eq!(collected(said), Some(17_009));
        assert_eq!(collected("==7== Collected :\n"), None);
        assert_eq!(collected("valgrind: no\n"), None);
    }

    #[test]
    fn every_path_can_be_taken_and_no_other() {
        for name in paths::NAMES {
            paths::take(name).unwrap();
        }
        assert!(paths::take("detour").is_err());
    }

    /// What a call costs, in the guide: the blessed figures, for one call and without the counting itself.
    #[test]
    fn the_guide_says_the_blessed_figures() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let blessed = read(&here.join("blessed.toml")).unwrap().instructions;
        let guide = fs::read_to_string(here.join("../../../crates/extram/src/guide/choosing.md")).unwrap();
        let one = |name: &str| (blessed[name] - blessed["floor"]) / u64::from(paths::CALLS);
        for (call, figure) in [
            ("a thread's first, bound", blessed["first_bound"]),
            ("the next one of a bound thread", one("bound")),
            ("a nested one", one("nested")),
            ("with `Binding::Call`, a thread's first", blessed["first_per_call"]),
            ("with `Binding::Call`", one("per_call")),
            ("with `Binding::Call`, and making an M, as the last one was taken", blessed["refill"]),
            ("from C, the next one of a bound thread", one("c_bound")),
            ("from C, with `EXTRAM_BIND_CALL`", one("c_per_call")),
        ] {
            let said = [" |", ","].iter().any(|end| guide.contains(&format!("| {call} | {figure}{end}")));
            assert!(said, "{call}: {figure}");
        }
    }

    /// As in every run: that is what makes them worth blessing.
    #[test]
    fn the_herds_figures_are_those_that_were_blessed() {
        let blessed = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("blessed.toml")).unwrap();
        assert_eq!(herd::figures().unwrap(), blessed.herd);
    }
}
