//! The facts as static assertions in C, right and wrong, and what a compiler says to them.

use super::facts::{Declared, FACTS, Fact};
use crate::zig;
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeSet;
use toolchain::command::Command;
use toolchain::workspace;

pub(super) fn native(target: &str) -> bool {
    cfg!(target_os = "freebsd") && target.starts_with(std::env::consts::ARCH)
}

/// A fact as C asks for it, and the same made wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assertion {
    header: String,
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
            let (right, wrong) = match fact {
                Fact::Number { what, amd64, arm64 } => {
                    let value = if arm { arm64 } else { amd64 };
                    (format!("{what} == {value}"), format!("{what} == {}", value + 1))
                }
                Fact::Type { what, is } => (same(what, is), same(what, "struct no_such_type *")),
            };
            Assertion { header: header.clone(), right, wrong }
        })
        .collect())
}

/// A C file of static assertions, each with its number for a message.
fn c_file<'a>(assertions: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    // FreeBSD's headers want these two first.
    let mut text = "#include <sys/types.h>\n#include <sys/param.h>\n".to_owned();
    let mut above = "";
    for (number, (header, assertion)) in assertions.enumerate() {
        if header != above {
            text += &format!("\n#include <{header}>\n");
            above = header;
        }
        text += &format!("_Static_assert({assertion}, \"fact {number}\");\n");
    }
    text
}

/// Compiles the assertions.
pub(super) fn compare(target: &str, assertions: &[Assertion]) -> Result<()> {
    let text = c_file(assertions.iter().map(|a| (a.header.as_str(), a.right.as_str())));
    let (errors, said) = compile(target, "facts", &text)?;
    if !errors.is_empty() {
        bail!("FreeBSD says otherwise:\n{said}");
    }
    Ok(())
}

/// Every wrong assertion is refused, by its number.
pub(super) fn refuse(target: &str, assertions: &[Assertion]) -> Result<()> {
    let text = c_file(assertions.iter().map(|a| (a.header.as_str(), a.wrong.as_str())));
    let (errors, said) = compile(target, "wrong-facts", &text)?;
    let accepted: Vec<&str> = (0..assertions.len())
        .filter(|number| !errors.contains(number))
        .map(|number| assertions[number].wrong.as_str())
        .collect();
    if !accepted.is_empty() {
        bail!("the compiler accepts what is wrong: {}\n{said}", accepted.join("; "));
    }
    Ok(())
}

/// Compiles a file for `target`; which facts were refused, and what the compiler said. An error
/// that is no refused fact is an error here.
fn compile(target: &str, name: &str, text: &str) -> Result<(BTreeSet<usize>, String)> {
    let dir = workspace().join("target/freebsd/abi");
    std::fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
    let file = dir.join(format!("{name}-{target}.c"));
    std::fs::write(&file, text).with_context(|| file.display().to_string())?;
    let compiler = if native(target) {
        Command::new("cc")
    } else {
        let zig = zig::find().with_context(|| format!("no zig; run cargo xtask setup --target {target}"))?;
        zig::cc(&zig, target)
    };
    let flags = ["-std=c11", "-ferror-limit=0", "-Wno-gnu-folding-constant", "-c", "-o"];
    let (ended, said) = zig::run(&compiler.args(flags).arg(file.with_extension("o")).arg(&file))?;
    let refused: BTreeSet<usize> = said.lines().filter_map(refused).collect();
    let errors = said.lines().filter(|line| line.contains(" error: ")).count();
    if errors != refused.len() || ended != refused.is_empty() {
        bail!("the facts do not compile:\n{said}");
    }
    Ok((refused, said))
}

/// `…: error: static assertion failed due to requirement '…': fact 7`, in the words of any clang.
fn refused(line: &str) -> Option<usize> {
    let (_, message) = line.split_once(" error: static")?;
    message.trim_end_matches('"').rsplit_once("fact ")?.1.parse().ok()
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
    }

    #[test]
    fn the_ports_own_facts_are_readable() {
        assert!(assertions(&facts().unwrap(), "aarch64-unknown-freebsd").is_ok());
    }

    /// With FreeBSD's headers, where they are at hand (the lane itself fails without them).
    #[test]
    fn a_deliberately_wrong_fact_is_refused() {
        if zig::find().is_none() {
            return;
        }
        let text = "header!(\"errno.h\");\nvalue!(EAGAIN = 35);\nvalue!(EINTR = 5);";
        let assertions = assertions(&parse(text).unwrap(), "x86_64-unknown-freebsd").unwrap();
        let error = compare("x86_64-unknown-freebsd", &assertions).unwrap_err().to_string();
        assert!(error.contains("fact 1") && !error.contains("fact 0"), "{error}");
        refuse("x86_64-unknown-freebsd", &assertions[..1]).unwrap();
        compare("x86_64-unknown-freebsd", &assertions[..1]).unwrap();
        // Its wrong twin says 6, which is wrong too; made right, it is accepted and noticed.
        let accepted = Assertion { wrong: "EINTR == 4".into(), ..assertions[1].clone() };
        assert!(refuse("x86_64-unknown-freebsd", &[accepted]).is_err());
    }
}
