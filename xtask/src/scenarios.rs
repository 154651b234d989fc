//! `cargo xtask test --list-scenarios`: which test shows which scenario, and on which ports.
//!
//! The table is read from the code: a test says `/// Scenario 19.` in its documentation, ports are
//! the folders of `ports/`, and the sentences are those of the conformance suite's catalogue.
//! `tests/README.md` has the same table, which a test below compares.

use anyhow::{Context as _, Result, bail};
use extram_conformance::{CATALOGUE, Runs};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Ports whose lane runs the tests of these folders. The other tests of the workspace run on this
/// machine's.
const HOSTED: &[&str] = &["linux", "freebsd"];
const HOSTED_FOLDERS: &[&str] = &["tests/hosted", "tests/faults", "tests/soak"];

/// Tests of those folders that need what only Linux has: strace, gcc's OpenMP.
const LINUX_ONLY: &[&str] = &["hosted::system_calls::", "hosted::foreign_threads::openmp_"];

const BEGIN: &str = "<!-- scenarios: cargo xtask test --list-scenarios --write -->\n";
const END: &str = "<!-- end of scenarios -->\n";

/// Prints the table, or puts it into `tests/README.md`.
pub(crate) fn list(write: bool) -> Result<()> {
    let table = table(&root())?;
    if !write {
        print!("{table}");
        return Ok(());
    }
    let file = root().join("tests/README.md");
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let (before, after) = around(&text)?;
    std::fs::write(&file, format!("{before}{BEGIN}{table}{END}{after}"))?;
    println!("written: {}", file.display());
    Ok(())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_owned()
}

/// What comes before and after the table.
fn around(text: &str) -> Result<(&str, &str)> {
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    parts.context("tests/README.md has no place for the table")
}

/// A test that says which scenario it shows.
#[derive(Debug, PartialEq, Eq)]
struct Test {
    scenario: u32,
    /// The file, seen from the root.
    file: PathBuf,
    name: String,
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
            let of_the_suite = test.file.starts_with("crates/conformance/src");
            let linux_only = LINUX_ONLY.iter().any(|name| path(test).starts_with(name));
            let hosted = HOSTED_FOLDERS.iter().any(|folder| test.file.starts_with(folder)) && !linux_only;
            let runs = |port: &&Port| match scenario.runs {
                _ if hosted => HOSTED.contains(&&*port.name),
                _ if !of_the_suite => port.name == "linux",
                Runs::Core => true,
                Runs::WithExitHook => port.exit_hook,
                Runs::Host => HOSTED.contains(&&*port.name),
            };
            let on: Vec<_> = ports.iter().filter(runs).map(|port| &*port.name).collect();
            writeln!(table, "| {number} | {title} | `{}` | {} |", path(test), on.join(", "))?;
            number.clear();
            title = "";
        }
        if !number.is_empty() {
            bail!("no test says that it shows scenario {}: {}", scenario.number, scenario.title);
        }
    }
    if let Some(test) = tests.iter().find(|test| test.scenario as usize > CATALOGUE.len()) {
        bail!("{} shows a scenario that does not exist: {}", path(test), test.scenario);
    }
    Ok(table)
}

/// `tests/hosted/tests/exits.rs` and `name` make `hosted::exits::name`.
fn path(test: &Test) -> String {
    let parts = test.file.iter().map(|part| part.to_string_lossy());
    let mut parts: Vec<_> =
        parts.skip(1).filter(|part| !matches!(&**part, "src" | "tests" | "lib.rs")).collect();
    parts.push((&*test.name).into());
    parts.join("::").replace(".rs::", "::")
}

fn tests(root: &Path) -> Result<Vec<Test>> {
    let mut files = Vec::new();
    for folder in ["crates", "ports", "tests"] {
        rust_files(&root.join(folder), &mut files)?;
    }
    files.sort();
    let mut tests = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file)?;
        let file = file.strip_prefix(root)?;
        tests.extend(marked(&text).map(|(scenario, name)| Test { scenario, file: file.to_owned(), name }));
    }
    // The suite's own first.
    tests.sort_by_key(|test| !test.file.starts_with("crates/conformance/src"));
    Ok(tests)
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            if !path.ends_with("target") {
                rust_files(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// Each scenario that a function's documentation begins a line with, and the function.
fn marked(text: &str) -> impl Iterator<Item = (u32, String)> {
    let mut found = Vec::new();
    let mut numbers = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(doc) = line.strip_prefix("///") {
            let doc = doc.trim();
            let rest = doc.strip_prefix("Scenarios ").or_else(|| doc.strip_prefix("Scenario "));
            let rest = rest.and_then(|rest| rest.split_once('.'));
            if let Some((list, _)) = rest {
                let list = list.split(|c: char| !c.is_ascii_digit());
                numbers.extend(list.filter_map(|number| number.parse::<u32>().ok()));
            }
        } else if let Some(name) = function(line) {
            found.extend(numbers.drain(..).map(|number| (number, name.to_owned())));
        } else if !line.starts_with("#[") && !line.is_empty() {
            numbers.clear();
        }
    }
    found.into_iter()
}

/// The name, if the line begins a function.
fn function(line: &str) -> Option<&str> {
    let line = ["pub(crate) ", "pub "].iter().find_map(|word| line.strip_prefix(word)).unwrap_or(line);
    let name = line.strip_prefix("fn ")?;
    Some(name.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(name))
}

/// The ports, by what their code has.
fn ports(root: &Path) -> Result<Vec<Port>> {
    let mut ports = Vec::new();
    for entry in std::fs::read_dir(root.join("ports"))? {
        let path = entry?.path();
        let Ok(text) = std::fs::read_to_string(path.join("src/lib.rs")) else { continue };
        if text.contains("Port for ") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            ports.push(Port { name, exit_hook: text.contains("fn exit_hook(") });
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
        let table = table(&root()).unwrap();
        let readme = std::fs::read_to_string(root().join("tests/README.md")).unwrap();
        let (before, after) = around(&readme).unwrap();
        let written = &readme[before.len() + BEGIN.len()..readme.len() - after.len() - END.len()];
        assert!(
            written == table,
            "tests/README.md is out of date: cargo xtask test --list-scenarios --write"
        );
    }

    #[test]
    fn a_test_is_known_by_its_documentation() {
        let text = "
/// Scenario 19. Text, and 20 more.
#[test]
fn one() {
    /// Scenario 1.
    let x = 1;
    fn inner() {}
}
/// Of scenario 5.
fn two() {}
/// Scenarios 7 and 12.
pub(crate) fn three<S: Subject>(config: &Config) {}
";
        let found: Vec<_> = marked(text).collect();
        let wanted = [(19, "one"), (7, "three"), (12, "three")];
        assert_eq!(found, wanted.map(|(number, name)| (number, name.to_owned())));
    }

    #[test]
    fn a_test_is_named_as_cargo_names_it() {
        let name = |file: &str| path(&Test { scenario: 1, file: file.into(), name: "name".into() });
        assert_eq!(name("tests/hosted/tests/exits.rs"), "hosted::exits::name");
        assert_eq!(name("crates/conformance/src/pool.rs"), "conformance::pool::name");
        assert_eq!(name("tests/soak/src/lib.rs"), "soak::name");
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
