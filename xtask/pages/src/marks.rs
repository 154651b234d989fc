//! What functions say of themselves in their documentation, from which the tables of the tests are
//! made: `/// Scenario 19.`, `/// Edge: start x close.`

use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};

/// A function, a test mostly, and its documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// The file, seen from the root.
    pub file: PathBuf,
    /// Its name.
    pub name: String,
    /// The documentation's lines.
    pub doc: Vec<String>,
}

impl Function {
    /// `tests/proof/hosted/tests/exits.rs` and `name` make `hosted::exits::name`.
    pub fn path(&self) -> String {
        let parts = self.file.iter().map(|part| part.to_string_lossy());
        // The folders that say of what kind a package is, and those that any package has.
        let kind = |part: &str| matches!(part, "proof" | "measure" | "examples" | "src" | "tests" | "lib.rs");
        let mut parts: Vec<_> = parts.skip(1).filter(|part| !kind(part)).collect();
        parts.push((&*self.name).into());
        parts.join("::").replace(".rs::", "::")
    }
}

/// Every function of the crates, the ports and the tests, those of the conformance suite first.
pub fn functions(root: &Path) -> Result<Vec<Function>> {
    let mut functions = Vec::new();
    for file in sources(root, &["crates", "ports", "tests"])? {
        let text = std::fs::read_to_string(root.join(&file))?;
        functions.extend(documented(&text).into_iter().map(|(name, doc)| Function {
            file: file.clone(),
            name,
            doc,
        }));
    }
    functions.sort_by_key(|function| !function.file.starts_with("crates/conformance/src"));
    Ok(functions)
}

/// The Rust files below these folders, seen from the root, in order.
pub fn sources(root: &Path, folders: &[&str]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in folders {
        rust_files(&root.join(folder), &mut files)?;
    }
    files.sort();
    files.into_iter().map(|file| Ok(file.strip_prefix(root)?.to_owned())).collect()
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

/// The functions of a file, each with the documentation right above it.
fn documented(text: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    let mut doc = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(said) = line.strip_prefix("///") {
            doc.push(said.trim().to_owned());
        } else if let Some(name) = function(line) {
            found.push((name.to_owned(), std::mem::take(&mut doc)));
        } else if !line.starts_with("#[") && !line.is_empty() {
            doc.clear();
        }
    }
    found
}

/// The name, if the line begins a function.
fn function(line: &str) -> Option<&str> {
    let line = ["pub(crate) ", "pub "].iter().find_map(|word| line.strip_prefix(word)).unwrap_or(line);
    let name = line.strip_prefix("fn ")?;
    Some(name.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(name))
}

/// What comes before and after the part of a page that a command writes between these two lines.
pub fn around<'a>(page: &'a str, begin: &str, end: &str) -> Result<(&'a str, &'a str)> {
    let parts = page.split_once(begin).and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
    parts.with_context(|| format!("the page has no place for the table: {}", begin.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_has_the_documentation_right_above_it() {
        let text = "
/// Scenario 19.
///
/// And text.
#[test]
fn one() {
    /// Scenario 1.
    let x = 1;
    fn inner() {}
}
/// Two.
pub(crate) fn two<S: Subject>(config: &Config) {}
";
        let found = documented(text);
        let wanted =
            [("one", vec!["Scenario 19.", "", "And text."]), ("inner", vec![]), ("two", vec!["Two."])];
        let wanted =
            wanted.map(|(name, doc)| (name.to_owned(), doc.into_iter().map(str::to_owned).collect()));
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_test_is_named_as_cargo_names_it() {
        let name = |file: &str| Function { file: file.into(), name: "name".into(), doc: Vec::new() }.path();
        assert_eq!(name("tests/proof/hosted/tests/exits.rs"), "hosted::exits::name");
        assert_eq!(name("crates/conformance/src/pool.rs"), "conformance::pool::name");
        assert_eq!(name("tests/proof/soak/src/lib.rs"), "soak::name");
    }

    #[test]
    fn the_place_of_a_table_is_found_or_missed() {
        assert_eq!(around("a<b>old<e>c", "<b>", "<e>").unwrap(), ("a", "c"));
        assert!(around("a<b>old", "<b>", "<e>").is_err());
    }
}
