//! Checks over the sources: every invariant that is cited is defined, once; no file of the core or of
//! `xtask` is too long.
//!
//! # How invariants are written
//!
//! A definition is an item of a list in a documentation comment that begins with the name in bold:
//! `- **Hold.** The payload of an M belongs to one thread.` A citation is the word and the name,
//! `Invariant Hold` or `Invariants Hold and Mark`; in a SAFETY comment the name in brackets will do:
//! `(Hold)`. A name is looked up in the crate that cites it, and then in the core, on which all others
//! rest.

use crate::marks::sources;
use anyhow::{Result, ensure};
use std::collections::BTreeMap;
use std::path::Path;

/// As many lines as a reader keeps in mind.
const LONGEST: usize = 400;

/// No file of the core is longer, but for its models, and none of the commands.
pub fn lengths(root: &Path) -> Result<()> {
    let mut long = Vec::new();
    for file in sources(root, &["crates/core/src", "xtask"])? {
        if file.starts_with("crates/core/src/models") {
            continue;
        }
        let lines = std::fs::read_to_string(root.join(&file))?.lines().count();
        if lines > LONGEST {
            long.push(format!("{} has {lines} lines, {LONGEST} at most", file.display()));
        }
    }
    ensure!(long.is_empty(), "{}", long.join("\n"));
    Ok(())
}

/// Every invariant that is cited is defined, by that name, once.
pub fn invariants(root: &Path) -> Result<()> {
    let mut crates: BTreeMap<String, Vec<Comment>> = BTreeMap::new();
    for file in sources(root, &["crates", "ports", "tests"])? {
        let text = std::fs::read_to_string(root.join(&file))?;
        let owner: Vec<_> = file.iter().take(2).map(|part| part.to_string_lossy()).collect();
        crates.entry(owner.join("/")).or_default().extend(comments(&text, &file.display().to_string()));
    }
    let wrong = faults(&crates);
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

const CORE: &str = "crates/core";

/// A comment of one or more lines, joined.
#[derive(Debug)]
struct Comment {
    file: String,
    /// Its lines, in one, each item of a list after a line feed.
    text: String,
    /// Where each of its lines begins in that text, and its number in the file.
    lines: Vec<(usize, usize)>,
}

impl Comment {
    fn new(file: &str) -> Self {
        Self { file: file.to_owned(), text: String::new(), lines: Vec::new() }
    }

    fn add(&mut self, number: usize, said: &str) {
        self.lines.push((self.text.len(), number));
        self.text.push(if said.starts_with("- ") { '\n' } else { ' ' });
        self.text += said;
    }

    /// The file and the line of a part of the text.
    fn place(&self, part: &str) -> String {
        let at = part.as_ptr().addr() - self.text.as_ptr().addr();
        let line = self.lines.iter().take_while(|(begin, _)| *begin <= at).last();
        format!("{}:{}", self.file, line.map_or(0, |(_, number)| *number))
    }
}

/// What is wrong with the citations, one line for each.
fn faults(crates: &BTreeMap<String, Vec<Comment>>) -> Vec<String> {
    let defined: BTreeMap<&str, BTreeMap<&str, Vec<String>>> =
        crates.iter().map(|(owner, comments)| (owner.as_str(), definitions(comments))).collect();
    let nothing = BTreeMap::new();
    let core = defined.get(CORE).unwrap_or(&nothing);
    let mut wrong = Vec::new();
    for (owner, comments) in crates {
        let own = &defined[owner.as_str()];
        for comment in comments {
            for cited in cited(&comment.text) {
                // The longest name, where one begins as another does.
                let names = own.keys().chain(core.keys()).filter(|name| begins(cited, name));
                let Some(name) = names.max_by_key(|name| name.len()) else {
                    let word = cited.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
                    let at = comment.place(cited);
                    wrong.push(format!("{at}: Invariant {word} is not defined in {owner}"));
                    continue;
                };
                let places = own.get(name).or_else(|| core.get(name)).expect("it is one of their names");
                if places.len() > 1 {
                    let (at, places) = (comment.place(cited), places.join(" and "));
                    wrong.push(format!("{at}: Invariant {name} is defined twice: {places}"));
                }
            }
        }
    }
    wrong
}

/// The names that are defined, and where.
fn definitions(comments: &[Comment]) -> BTreeMap<&str, Vec<String>> {
    let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for comment in comments {
        for item in comment.text.lines() {
            let name = item.strip_prefix("- **").and_then(|item| item.split_once(".**"));
            if let Some((name, _)) = name {
                found.entry(name).or_default().push(comment.place(name));
            }
        }
    }
    found
}

/// The text that begins with each name that a comment cites.
fn cited(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, word) in text.match_indices("Invariant") {
        let rest = &text[at + word.len()..];
        if let Some(one) = rest.strip_prefix(' ') {
            found.extend(Some(one).filter(|one| capital(one)));
        } else if let Some(list) = rest.strip_prefix("s ") {
            let end = list.find(['.', ')', ':', ';']).unwrap_or(list.len());
            found.extend(list[..end].split(", ").flat_map(|part| part.split(" and ")).filter(|n| capital(n)));
        }
    }
    if text.contains("SAFETY") {
        let brackets = text.split('(').skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
        found.extend(brackets.filter(|name| is_name(name)));
    }
    found
}

fn capital(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase())
}

/// `Hold`, `One place`: a capital, and then small letters in two words at most.
fn is_name(text: &str) -> bool {
    let rest = text.strip_prefix(|c: char| c.is_ascii_uppercase()).unwrap_or_default();
    let small = |c: char| c.is_ascii_lowercase() || c == ' ';
    !rest.is_empty() && rest.chars().all(small) && rest.matches(' ').count() <= 1
}

/// Whether the text begins with this name, as whole words.
fn begins(text: &str, name: &str) -> bool {
    text.strip_prefix(name).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
}

/// The comments of a file: each run of lines that begin with slashes, and what stands behind code.
fn comments(text: &str, file: &str) -> Vec<Comment> {
    let mut found = Vec::new();
    let mut run = Comment::new(file);
    for (number, line) in text.lines().map(str::trim).enumerate() {
        if let Some(said) = line.strip_prefix("//") {
            run.add(number + 1, said.trim_start_matches(['/', '!']).trim());
            continue;
        }
        found.push(std::mem::replace(&mut run, Comment::new(file)));
        if let Some((_, said)) = line.split_once(" // ") {
            let mut behind = Comment::new(file);
            behind.add(number + 1, said);
            found.push(behind);
        }
    }
    found.push(run);
    found.retain(|comment| !comment.lines.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with a project of these files.
    fn wrong(files: &[(&str, &str)]) -> Vec<String> {
        let mut crates: BTreeMap<String, Vec<Comment>> = BTreeMap::new();
        for (owner, text) in files {
            crates.entry((*owner).to_owned()).or_default().extend(comments(text, &format!("{owner}/a.rs")));
        }
        faults(&crates)
    }

    const RULES: &str = "//! # Invariants\n//!\n//! - **Hold.** The M is\n//!   one thread's.\n\
        //! - **One place.** A number is in one place.\n";

    #[test]
    fn what_is_cited_and_defined_once_is_right() {
        let code = "
// SAFETY: it is ours (Hold), and nowhere
// else, by Invariant One
// place.
let x = 1; // Relaxed: Invariant Hold.
/// See Invariants Hold and One place.
// On Linux (Debian) nothing is cited.
";
        assert_eq!(wrong(&[(CORE, RULES), (CORE, code)]), [""; 0]);
        assert_eq!(wrong(&[(CORE, RULES), ("ports/posix", code)]), [""; 0]);
    }

    #[test]
    fn what_is_cited_and_not_defined_is_reported() {
        let in_core = |code: &str| wrong(&[(CORE, RULES), (CORE, code)]);
        let told = ["crates/core/a.rs:1: Invariant Context is not defined in crates/core"];
        assert_eq!(in_core("// Invariant Context."), told);
        assert_eq!(in_core("// SAFETY: nobody drops it (Context)."), told);
        assert_eq!(in_core("/// Invariants Hold and Context hold."), told);
        let second = in_core("// SAFETY: it is ours\n// (Context).");
        assert_eq!(second, ["crates/core/a.rs:2: Invariant Context is not defined in crates/core"]);
        // A name is whole words, and a sentence is no definition.
        assert_eq!(in_core("// Invariant Holder.").len(), 1);
        assert_eq!(in_core("//! Invariant Gate: it is open.\n\n// **Gate.** It is open.").len(), 1);
        // What a port defines is its own.
        assert_eq!(wrong(&[("ports/posix", RULES), (CORE, "// Invariant Hold.")]).len(), 1);
    }

    #[test]
    fn what_is_defined_twice_in_a_crate_is_reported_where_it_is_cited() {
        let twice = wrong(&[(CORE, RULES), (CORE, "//! - **Hold.** Another."), (CORE, "// Invariant Hold.")]);
        assert_eq!(
            twice,
            [
                "crates/core/a.rs:1: Invariant Hold is defined twice: crates/core/a.rs:3 and crates/core/a.rs:1"
            ]
        );
        // A port may call something of its own by a name of the core's; it means its own.
        assert_eq!(wrong(&[(CORE, RULES), ("ports/posix", RULES), ("ports/posix", "// (Hold)")]), [""; 0]);
    }

    #[test]
    fn a_file_of_the_core_may_be_long_only_among_the_models() {
        let folder = tempfile::tempdir().unwrap();
        let core = folder.path().join("crates/core/src");
        let lane = folder.path().join("xtask/lanes/src");
        std::fs::create_dir_all(core.join("models")).unwrap();
        std::fs::create_dir_all(&lane).unwrap();
        let lines = |count| "// a line\n".repeat(count);
        std::fs::write(core.join("models/long.rs"), lines(LONGEST + 1)).unwrap();
        std::fs::write(core.join("short.rs"), lines(LONGEST)).unwrap();
        assert!(lengths(folder.path()).is_ok());
        std::fs::write(core.join("long.rs"), lines(LONGEST + 1)).unwrap();
        let error = lengths(folder.path()).unwrap_err().to_string();
        assert!(error.contains("long.rs has 401 lines") && !error.contains("models"), "{error}");
        std::fs::write(lane.join("lane.rs"), lines(LONGEST + 1)).unwrap();
        let error = lengths(folder.path()).unwrap_err().to_string();
        assert!(error.contains("xtask/lanes/src/lane.rs has 401 lines"), "{error}");
    }
}
