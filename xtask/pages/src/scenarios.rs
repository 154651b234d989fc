//! `cargo xtask test --list-scenarios`: which test shows which scenario, and on which ports.
//!
//! The table is read from the code: a test says `/// Scenario 19.` in its documentation, ports are
//! the folders of `ports/`, and the sentences are those of the conformance suite's catalogue.
//! `tests/README.md` has the same table, which a test below compares.

use crate::marks::{Function, around, functions};
use anyhow::{Context as _, Result, bail};
use extram_conformance::{CATALOGUE, Runs};
use std::fmt::Write as _;
use std::path::Path;
use toolchain::workspace;

/// Ports whose lane runs the tests of these folders. The other tests of the workspace run on this
/// machine's.
const HOSTED: &[&str] = &["linux", "freebsd"];
/// Ports on which a lane runs the conformance suite, and that lane. Ports that are only linked or built are
/// none of them.
pub const RUN: &[(&str, &str)] = &[
    ("linux", "host"),
    ("freebsd", "freebsd"),
    ("bare-metal", "cortex-m3"),
    ("freertos", "freertos-riscv32"),
    ("unix", "host"),
    ("wasi", "wasm32-wasip1-threads"),
    ("windows", "windows"),
];
const HOSTED_FOLDERS: &[&str] = &["tests/proof/hosted", "tests/proof/faults", "tests/proof/soak"];

/// Tests of those folders that need what only Linux has: strace, gcc's OpenMP, seccomp, pinned threads.
const LINUX_ONLY: &[&str] = &[
    "hosted::system_calls::",
    "hosted::foreign_threads::openmp_",
    "hosted::constrained::a_process_that_has_put_itself_into_a_sandbox_gets_answers",
    "hosted::priorities::",
];

/// Tests of those folders about what only FreeBSD has: stacks that it maps as they are used.
const FREEBSD_ONLY: &[&str] = &["hosted::growing_stacks::"];

const BEGIN: &str = "<!-- scenarios: cargo xtask test --list-scenarios --write -->\n";
const END: &str = "<!-- end of scenarios -->\n";

/// Prints the table, or puts it into `tests/README.md`.
pub fn list(write: bool) -> Result<()> {
    let table = table(workspace())?;
    if !write {
        print!("{table}");
        return Ok(());
    }
    let file = workspace().join("tests/README.md");
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let (before, after) = around(&text, BEGIN, END)?;
    std::fs::write(&file, format!("{before}{BEGIN}{table}{END}{after}"))?;
    println!("written: {}", file.display());
    Ok(())
}

/// What the table says that a lane runs, and it left out.
pub fn unseen(lane: &str, left_out: &[String]) -> Vec<&'static str> {
    if !RUN.iter().any(|(_, runs)| *runs == lane) {
        return Vec::new();
    }
    let titles = CATALOGUE.iter().map(|scenario| scenario.title);
    titles.filter(|title| left_out.iter().any(|what| what.contains(title))).collect()
}

/// A test that says which scenario it shows.
struct Test {
    scenario: u32,
    function: Function,
}

/// A folder of `ports/`.
struct Port {
    name: String,
    exit_hook: bool,
}

fn table(root: &Path) -> Result<String> {
    let (tests, ports) = (tests(root)?, ports(root)?);
    let mut table = String::from("| # | what holds | test | ports |\n|---|---|---|---|\n");
    for scenario in CATALOGUE {
        let mut number = scenario.number.to_string();
        let mut title = scenario.title;
        let shown = tests.iter().filter(|test| test.scenario == scenario.number);
        for test in shown {
            let of_the_suite = test.function.file.starts_with("crates/conformance/src");
            let among = |names: &[&str]| names.iter().any(|name| test.function.path().starts_with(name));
            let (linux_only, freebsd_only) = (among(LINUX_ONLY), among(FREEBSD_ONLY));
            let hosted =
                HOSTED_FOLDERS.iter().any(|folder| test.function.file.starts_with(folder)) && !linux_only;
            // A port's own tests run where it does; those of bare metal on this machine.
            let folder = |port: &Port| Path::new("ports").join(&port.name);
            let own = ports
                .iter()
                .find(|port| port.name != "bare-metal" && test.function.file.starts_with(folder(port)));
            let runs = |port: &&Port| match (own, scenario.runs) {
                (Some(own), _) => own.name == port.name,
                _ if freebsd_only => port.name == "freebsd",
                _ if hosted => HOSTED.contains(&&*port.name),
                _ if !of_the_suite => port.name == "linux",
                (None, Runs::Core) => true,
                (None, Runs::WithExitHook) => port.exit_hook,
                (None, Runs::Host) => HOSTED.contains(&&*port.name),
            };
            let on: Vec<_> = ports.iter().filter(runs).map(|port| &*port.name).collect();
            writeln!(table, "| {number} | {title} | `{}` | {} |", test.function.path(), on.join(", "))?;
            number.clear();
            title = "";
        }
        if !number.is_empty() {
            bail!("no test says that it shows scenario {}: {}", scenario.number, scenario.title);
        }
    }
    if let Some(test) = tests.iter().find(|test| test.scenario as usize > CATALOGUE.len()) {
        bail!("{} shows a scenario that does not exist: {}", test.function.path(), test.scenario);
    }
    Ok(table)
}

/// The tests that say it, one for each scenario that they show.
fn tests(root: &Path) -> Result<Vec<Test>> {
    let of = |function: Function| {
        let shown = shown(&function.doc);
        shown.into_iter().map(move |scenario| Test { scenario, function: function.clone() })
    };
    Ok(functions(root)?.into_iter().flat_map(of).collect())
}

/// Each scenario that a line of the documentation begins with.
fn shown(doc: &[String]) -> Vec<u32> {
    let mut numbers = Vec::new();
    for line in doc {
        let rest = line.strip_prefix("Scenarios ").or_else(|| line.strip_prefix("Scenario "));
        if let Some((list, _)) = rest.and_then(|rest| rest.split_once('.')) {
            let list = list.split(|c: char| !c.is_ascii_digit());
            numbers.extend(list.filter_map(|number| number.parse::<u32>().ok()));
        }
    }
    numbers
}

/// The ports, by what their code has.
fn ports(root: &Path) -> Result<Vec<Port>> {
    let mut ports = Vec::new();
    for entry in std::fs::read_dir(root.join("ports"))? {
        let path = entry?.path();
        let Ok(text) = std::fs::read_to_string(path.join("src/lib.rs")) else { continue };
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // POSIX systems have the hook from `extram-posix`.
        let posix = text.contains("System for ");
        if (posix || text.contains("Port for ")) && RUN.iter().any(|(port, _)| *port == name) {
            ports.push(Port { name, exit_hook: posix || text.contains("fn exit_hook(") });
        }
    }
    // The one that runs everything first.
    ports.sort_by_key(|port| (port.name != "linux", port.name.clone()));
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_has_a_test_and_the_readme_has_the_table() {
        let table = table(workspace()).unwrap();
        let readme = std::fs::read_to_string(workspace().join("tests/README.md")).unwrap();
        let (before, after) = around(&readme, BEGIN, END).unwrap();
        let written = &readme[before.len() + BEGIN.len()..readme.len() - after.len() - END.len()];
        assert!(
            written == table,
            "tests/README.md is out of date: cargo xtask test --list-scenarios --write"
        );
    }

    #[test]
    fn a_scenario_that_a_lane_of_the_table_left_out_is_named() {
        let title = CATALOGUE[25].title;
        let left_out = ["usleep: sleeps: no".to_owned(), format!("{title}: too few threads")];
        assert_eq!(unseen("cortex-m3", &left_out), [title]);
        assert!(unseen("cortex-m3", &left_out[..1]).is_empty());
        assert!(unseen("cortex-m0", &left_out).is_empty(), "it stands for no port");
    }

    #[test]
    fn a_test_is_known_by_its_documentation() {
        let shown = |doc: &[&str]| super::shown(&doc.iter().map(|line| line.to_string()).collect::<Vec<_>>());
        assert_eq!(shown(&["Scenario 19. Text, and 20 more."]), [19]);
        assert!(shown(&["Of scenario 5."]).is_empty());
        assert_eq!(shown(&["Text.", "Scenarios 7 and 12."]), [7, 12]);
    }

    #[test]
    fn a_scenario_without_a_test_is_an_error() {
        let folder = std::env::temp_dir().join(format!("extram-scenarios-{}", std::process::id()));
        for name in ["crates", "ports", "tests"] {
            std::fs::create_dir_all(folder.join(name)).unwrap();
        }
        let error = table(&folder).unwrap_err().to_string();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(error.contains("scenario 1:"), "{error}");
    }
}
