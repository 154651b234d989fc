//! The facts as static assertions in C, right and wrong, and what a compiler says to them.
//!
//! Whose headers they are compared with is up to the compiler that is passed in. Headers of an older
//! release do not know every fact: what they lack is told by name, and the rest is compared.

use super::facts::{Declared, FACTS, Fact};
use crate::zig;
use anyhow::{Context as _, Result, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use toolchain::command::Command;

/// A fact as C asks for it, and the same made wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assertion {
    header: String,
    /// What it is about, in the words of C.
    what: String,
    right: String,
    wrong: String,
}

pub(super) fn assertions(facts: &[Declared], target: &str) -> Result<Vec<Assertion>> {
    if facts.is_empty() {
        bail!("no facts in {FACTS}");
    }
    let arm = target.starts_with("aarch64");
    let same = |a: &str, b: &str| format!("__builtin_types_compatible_p({a}, {b})");
    Ok(facts
        .iter()
        .map(|(header, fact)| {
            let (what, right, wrong) = match fact {
                Fact::Number { what, amd64, arm64 } => {
                    let value = if arm { arm64 } else { amd64 };
                    (what, format!("{what} == {value}"), format!("{what} == {}", value + 1))
                }
                Fact::Type { what, is } => (what, same(what, is), same(what, "struct no_such_type *")),
            };
            Assertion { header: header.clone(), what: what.clone(), right, wrong }
        })
        .collect())
}

/// A C file of static assertions, each with its number for a message. What stands under a header that
/// is not there is told as unknown.
fn c_file<'a>(assertions: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut groups: Vec<(&str, Vec<(usize, &str)>)> = Vec::new();
    for (number, (header, assertion)) in assertions.enumerate() {
        match groups.last_mut() {
            Some((above, group)) if *above == header => group.push((number, assertion)),
            _ => groups.push((header, vec![(number, assertion)])),
        }
    }
    // FreeBSD's headers want these two first.
    let mut text = "#include <sys/types.h>\n#include <sys/param.h>\n".to_owned();
    for (header, group) in groups {
        text += &format!("\n#if __has_include(<{header}>)\n#include <{header}>\n");
        for (number, assertion) in &group {
            // A pointer made of a number is no integral constant expression, which some compilers want
            // here. The condition, which is always true, has them fold it all the same: GCC's rule,
            // and clang's.
            text += &format!(
                "_Static_assert(__builtin_constant_p({assertion}) ? ({assertion}) : 0, \"fact {number}\");\n"
            );
        }
        text += "#else\n";
        for (number, _) in &group {
            text += &format!("#pragma message(\"unknown fact {number}\")\n");
        }
        text += "#endif\n";
    }
    text
}

/// What a compiler does not know, by number, with the reason.
type Unknown = BTreeMap<usize, String>;

/// Compiles the assertions in the folder `at`; the facts that these headers do not know, in words.
pub(super) fn compare(compiler: &Command, at: &Path, assertions: &[Assertion]) -> Result<Vec<String>> {
    let text = c_file(assertions.iter().map(|a| (a.header.as_str(), a.right.as_str())));
    let said = compile(compiler, &at.join("facts.c"), &text)?;
    if !said.refused.is_empty() {
        bail!("FreeBSD says otherwise:\n{}", said.text);
    }
    ensure!(said.unknown.len() < assertions.len(), "these headers know no fact:\n{}", said.text);
    let words = |(number, why): (&usize, &String)| {
        let Assertion { header, what, .. } = &assertions[*number];
        if why.is_empty() { format!("{what} (no {header})") } else { format!("{what} ({why})") }
    };
    Ok(said.unknown.iter().map(words).collect())
}

/// Every wrong assertion is refused, by its number, or is about what these headers do not know.
pub(super) fn refuse(compiler: &Command, at: &Path, assertions: &[Assertion]) -> Result<()> {
    let text = c_file(assertions.iter().map(|a| (a.header.as_str(), a.wrong.as_str())));
    let said = compile(compiler, &at.join("wrong-facts.c"), &text)?;
    let accepted: Vec<&str> = (0..assertions.len())
        .filter(|number| !said.refused.contains(number) && !said.unknown.contains_key(number))
        .map(|number| assertions[number].wrong.as_str())
        .collect();
    if !accepted.is_empty() {
        bail!("the compiler accepts what is wrong: {}\n{}", accepted.join("; "), said.text);
    }
    Ok(())
}

/// What a compiler says to a file of assertions.
struct Said {
    refused: BTreeSet<usize>,
    unknown: Unknown,
    text: String,
}

/// Compiles a file. An error that is neither a refused fact nor an unknown one is an error here.
fn compile(compiler: &Command, file: &Path, text: &str) -> Result<Said> {
    let dir = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    std::fs::write(file, text).with_context(|| file.display().to_string())?;
    let flags = ["-std=c11", "-ferror-limit=0", "-Wno-gnu-folding-constant", "-c", "-o"];
    let compiler = compiler.clone().args(flags).arg(file.with_extension("o")).arg(file);
    let (ended, said) = zig::run(&compiler)?;
    let numbers: BTreeSet<usize> = said.lines().filter_map(refused).collect();
    let mut unknown: Unknown =
        said.lines().filter_map(header_unknown).map(|number| (number, String::new())).collect();
    let mut others = 0;
    for line in said.lines().filter(|line| line.contains(" error: ")) {
        match (refused(line), name_unknown(line, text)) {
            (Some(_), _) => {}
            (None, Some((number, why))) => drop(unknown.insert(number, why)),
            (None, None) => others += 1,
        }
    }
    let clean = numbers.is_empty() && unknown.values().all(String::is_empty);
    if others > 0 || ended != clean {
        bail!("the facts do not compile:\n{said}");
    }
    Ok(Said { refused: numbers, unknown, text: said })
}

/// `…: error: static assertion failed due to requirement '…': fact 7`, in the words of any clang.
fn refused(line: &str) -> Option<usize> {
    let (_, message) = line.split_once(" error: static")?;
    message.trim_end_matches('"').rsplit_once("fact ")?.1.parse().ok()
}

/// `…: warning: unknown fact 7`: its header is not there.
fn header_unknown(line: &str) -> Option<usize> {
    let (_, message) = line.split_once(" warning: unknown fact ")?;
    message.split_whitespace().next()?.parse().ok()
}

/// `facts.c:9:16: error: use of undeclared identifier 'X'` on the line of a fact: its number, and the
/// message.
fn name_unknown(line: &str, text: &str) -> Option<(usize, String)> {
    let (place, message) = line.split_once(": error: use of undeclared identifier ")?;
    let at: usize = place.rsplit(':').nth(1)?.parse().ok()?;
    let assertion = text.lines().nth(at.checked_sub(1)?)?;
    let (_, number) = assertion.strip_suffix("\");")?.rsplit_once("\"fact ")?;
    Some((number.parse().ok()?, format!("no {}", message.trim_matches('\''))))
}

#[cfg(test)]
mod tests {
    use super::super::facts::tests::TEXT;
    use super::super::facts::{facts, parse};
    use super::*;

    fn right(target: &str) -> Vec<(String, String)> {
        let facts = parse(TEXT).unwrap();
        assertions(&facts, target).unwrap().into_iter().map(|a| (a.header, a.right)).collect()
    }

    #[test]
    fn facts_become_assertions_under_their_header() {
        let expected = [
            ("time.h", "CLOCK == 4"),
            ("time.h", "(__INTPTR_TYPE__)(FAILED) == -1"),
            ("time.h", "sizeof(struct timespec) == 16"),
            ("time.h", "__builtin_offsetof(struct timespec, tv_sec) == 0"),
            ("time.h", "__builtin_types_compatible_p(__typeof__(((struct timespec *)0)->tv_sec), time_t)"),
            ("pthread.h", "STACK_MIN == 2048"),
            ("pthread.h", "__builtin_types_compatible_p(key_t, int)"),
            (
                "pthread.h",
                "__builtin_types_compatible_p(__typeof__(&create), \
                 int (*)(key_t *, const struct timespec *, void *(*)(void *)))",
            ),
            ("pthread.h", "__builtin_types_compatible_p(__typeof__(&atfork), void (*)(void (*)(void)))"),
            (
                "pthread.h",
                "__builtin_types_compatible_p(__typeof__(&membarrier), int (*)(int, unsigned int))",
            ),
        ];
        let expected: Vec<_> = expected.iter().map(|(h, a)| ((*h).to_owned(), (*a).to_owned())).collect();
        assert_eq!(right("x86_64-unknown-freebsd"), expected);
        let arm = right("aarch64-unknown-freebsd");
        assert_eq!(arm[5].1, "STACK_MIN == 4096");
    }

    #[test]
    fn every_assertion_has_a_wrong_twin() {
        for assertion in assertions(&parse(TEXT).unwrap(), "x86_64-unknown-freebsd").unwrap() {
            assert_ne!(assertion.right, assertion.wrong);
        }
        assert!(assertions(&[], "x86_64-unknown-freebsd").is_err(), "no facts");
    }

    #[test]
    fn a_refused_fact_is_known_by_its_number() {
        let clang = "f.c:7:1: error: static assertion failed due to requirement '4 == 5': fact 12";
        let older = "f.c:7:1: error: static_assert failed due to requirement '4 == 5' \"fact 12\"";
        assert_eq!((refused(clang), refused(older)), (Some(12), Some(12)));
        assert_eq!(refused("f.c:7:1: error: use of undeclared identifier 'fact 12'"), None);
        assert_eq!(refused("f.c:7:1: note: static assertion: fact 12"), None);
        assert_eq!(header_unknown("f.c:9:9: warning: unknown fact 12 [-W#pragma-messages]"), Some(12));
        let text = "\n_Static_assert(__builtin_constant_p(X == 1) ? (X == 1) : 0, \"fact 12\");\n";
        let undeclared =
            |line| name_unknown(&format!("f.c:{line}:9: error: use of undeclared identifier 'X'"), text);
        assert_eq!(undeclared(2), Some((12, "no X".to_owned())));
        // Not on the line of a fact: a header's own mistake.
        assert_eq!(undeclared(1), None);
    }

    #[test]
    fn the_ports_own_facts_are_readable() {
        assert!(assertions(&facts().unwrap(), "aarch64-unknown-freebsd").is_ok());
    }

    /// With FreeBSD's headers, where they are at hand (the lane itself fails without them).
    #[test]
    fn a_deliberately_wrong_fact_is_refused() {
        let Some(zig) = zig::find() else { return };
        let dir = tempfile::tempdir().unwrap();
        let cc = zig::cc(&zig, "x86_64-unknown-freebsd");
        let compare = |assertions: &[Assertion]| compare(&cc, dir.path(), assertions);
        let refuse = |assertions: &[Assertion]| refuse(&cc, dir.path(), assertions);
        let text = "header!(\"errno.h\");\nvalue!(EAGAIN = 35);\nvalue!(EINTR = 5);";
        let assertions = assertions(&parse(text).unwrap(), "x86_64-unknown-freebsd").unwrap();
        let error = compare(&assertions).unwrap_err().to_string();
        assert!(error.contains("fact 1") && !error.contains("fact 0"), "{error}");
        refuse(&assertions[..1]).unwrap();
        compare(&assertions[..1]).unwrap();
        // Its wrong twin says 6, which is wrong too; made right, it is accepted and noticed.
        let accepted = Assertion { wrong: "EINTR == 4".into(), ..assertions[1].clone() };
        assert!(refuse(&[accepted]).is_err());
    }
}
