//! The ABI check: what the port takes for granted, compared with FreeBSD's own headers and symbols.
//!
//! The port names its facts in `ports/freebsd/src/facts.rs`. From that file comes a C file of
//! static assertions, compiled with the headers of the target. The same file with every fact made
//! wrong has to be refused fact by fact: an assertion that cannot fail would prove nothing.

use super::{symbols, zig};
use crate::command::{Command, Ended, Stream};
use crate::judge::Summary;
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// Where the facts are.
const FACTS: &str = "ports/freebsd/src/facts.rs";

/// Whose use of the `libc` crate the facts have to cover.
const SOURCES: &[&str] = &["ports/freebsd/src", "ports/posix/src"];

/// Compares the facts and the symbols that `programs` import with FreeBSD's for `target`. Programs
/// that are linked against a base are bound to the versions that its libraries prefer, so of theirs
/// the names are compared.
pub(crate) fn check(target: &str, programs: &[PathBuf], against_base: bool) -> Result<Summary> {
    let mut summary = Summary::default();
    summary += Summary::of("every fact the port relies on is named", named());
    let assertions = assertions(&facts()?, target)?;
    let facts = compare(target, &assertions);
    summary += Summary::of(
        "the facts are FreeBSD's",
        facts.map(|()| println!("{} facts compared", assertions.len())),
    );
    summary += Summary::of("every fact can be refused", refuse(target, &assertions));
    if native(target) {
        // What is linked natively is linked against the system itself.
        return Ok(summary);
    }
    let symbols = symbols::resolve(target, programs, !against_base).map(|(symbols, release)| {
        let version = if against_base { ", though maybe in another version" } else { "" };
        println!(
            "{symbols} imported symbols of {} programs are in FreeBSD {release}{version}",
            programs.len()
        );
    });
    summary += Summary::of("the oldest release has every symbol", symbols);
    Ok(summary)
}

fn native(target: &str) -> bool {
    cfg!(target_os = "freebsd") && target.starts_with(std::env::consts::ARCH)
}

/// What one line of the facts says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fact {
    /// A number: the C expression, and its value on amd64 and on arm64.
    Number { what: String, amd64: i64, arm64: i64 },
    /// A type: the C expression or type, and the type it has to be.
    Type { what: String, is: String },
}

/// The header that declares it, and the fact.
type Declared = (String, Fact);

fn facts() -> Result<Vec<Declared>> {
    let path = super::build::root().join(FACTS);
    parse(&std::fs::read_to_string(&path).with_context(|| path.display().to_string())?)
}

/// Reads the calls of the macros in the facts' file. What looks like a fact and is none that this
/// knows is an error.
fn parse(text: &str) -> Result<Vec<Declared>> {
    let calls = || text.split("\n\n").flat_map(statements);
    // Rust has one name for `struct timespec` and for a `typedef`; what has fields is a structure.
    let structures: BTreeSet<&str> = calls()
        .filter(|(kind, _)| *kind == "field")
        .filter_map(|(_, body)| body.split_once('.'))
        .map(|(name, _)| name.trim())
        .collect();
    let types = Types { structures };
    let mut header = None;
    let mut facts = Vec::new();
    for (kind, body) in calls() {
        if kind == "header" {
            header = Some(body.trim_matches('"').to_owned());
            continue;
        }
        let header = header.clone().with_context(|| format!("no header above {body}"))?;
        let read = fact(kind, body, &types).with_context(|| format!("{kind}!({body})"))?;
        facts.extend(read.into_iter().map(|fact| (header.clone(), fact)));
    }
    Ok(facts)
}

/// `kind!(body);` at the beginning of lines.
fn statements(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let starts = |line: &str| {
        line.split_once("!(").is_some_and(|(kind, _)| kind.chars().all(|c| c.is_ascii_lowercase()))
    };
    let mut rest = text;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let line = rest.split_inclusive('\n').next().unwrap_or_default();
            if starts(line) {
                let (statement, after) =
                    rest.split_once(");\n").or_else(|| rest.split_once(");")).unwrap_or((rest, ""));
                rest = after;
                return statement.split_once("!(");
            }
            rest = &rest[line.len()..];
        }
        None
    })
}

fn fact(kind: &str, body: &str, types: &Types<'_>) -> Result<Vec<Fact>> {
    let equal = || body.rsplit_once(" = ").context("no value");
    let number = |what: String, value: &str| -> Result<Fact> {
        let both = value.trim().trim_start_matches('[').trim_end_matches(']');
        let (amd64, arm64) = both.split_once(',').unwrap_or((both, both));
        Ok(Fact::Number { what, amd64: integer(amd64)?, arm64: integer(arm64)? })
    };
    Ok(match kind {
        "value" => {
            let (name, value) = equal()?;
            vec![number(name.to_owned(), value)?]
        }
        "pointer" => {
            let (name, value) = equal()?;
            vec![number(format!("(__INTPTR_TYPE__)({name})"), value)?]
        }
        "size" => {
            let (name, value) = equal()?;
            vec![number(format!("sizeof({})", types.declare(name, "")?), value)?]
        }
        "alias" => {
            let (name, is) = equal()?;
            vec![Fact::Type { what: name.to_owned(), is: types.declare(is, "")? }]
        }
        "field" => {
            let (what, offset) = equal()?;
            let (field, is) = what.split_once(':').context("no type")?;
            let (structure, field) = field.split_once('.').context("no field")?;
            let structure = types.declare(structure, "")?;
            let place = format!("__builtin_offsetof({structure}, {field})");
            let field = format!("__typeof__((({structure} *)0)->{field})");
            vec![number(place, offset)?, Fact::Type { what: field, is: types.declare(is, "")? }]
        }
        "function" | "declared" => {
            let (name, is) = body.split_once(": ").context("no type")?;
            let name = name.rsplit_once(" = ").map_or(name, |(_, name)| name);
            let what = format!("__typeof__(&{})", name.trim());
            vec![Fact::Type { what, is: types.declare(is, "")? }]
        }
        _ => bail!("no kind of fact"),
    })
}

fn integer(text: &str) -> Result<i64> {
    let text = text.trim();
    let read = match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    read.with_context(|| format!("{text} is no number"))
}

/// Rust's types in the words of C.
struct Types<'a> {
    structures: BTreeSet<&'a str>,
}

impl Types<'_> {
    /// `inner` declared to be of the type; with an empty `inner` the type itself.
    fn declare(&self, rust: &str, inner: &str) -> Result<String> {
        let rust = rust.trim();
        if let Some(to) = rust.strip_prefix("*mut ") {
            return self.declare(to, &format!("*{inner}"));
        }
        if let Some(to) = rust.strip_prefix("*const ") {
            return Ok(format!("const {}", self.declare(to, &format!("*{inner}"))?));
        }
        if let Some(some) = rust.strip_prefix("Option<") {
            return self.declare(some.strip_suffix('>').context("no end of Option")?, inner);
        }
        let bare = rust.strip_prefix("unsafe ").unwrap_or(rust);
        let bare = bare.strip_prefix("extern \"C\" ").unwrap_or(bare);
        if let Some(function) = bare.strip_prefix("fn(") {
            let end = closing(function).context("no end of the arguments")?;
            let result = function[end + 1..].trim().strip_prefix("->").unwrap_or("!");
            let mut arguments = Vec::new();
            for argument in split(&function[..end]) {
                arguments.push(self.declare(argument, "")?);
            }
            let arguments = if arguments.is_empty() { "void".to_owned() } else { arguments.join(", ") };
            return self.declare(result, &format!("(*{inner})({arguments})"));
        }
        let name = match rust {
            "!" | "c_void" => "void",
            "c_char" => "char",
            "c_int" => "int",
            "c_uint" => "unsigned int",
            "c_long" => "long",
            "c_ulong" => "unsigned long",
            "u32" => "__UINT32_TYPE__",
            "i64" => "__INT64_TYPE__",
            "u64" => "__UINT64_TYPE__",
            name if self.structures.contains(name) => &format!("struct {name}"),
            name if name.ends_with("_t") => name,
            _ => bail!("what is {rust} in C?"),
        };
        Ok(if inner.is_empty() { name.to_owned() } else { format!("{name} {inner}") })
    }
}

/// Where the parenthesis that is open at the beginning closes.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1;
    text.char_indices().find_map(|(at, c)| {
        match c {
            '(' => open += 1,
            ')' => open -= 1,
            _ => {}
        }
        (open == 0).then_some(at)
    })
}

/// The arguments of a function, at the commas that are in no parentheses.
fn split(arguments: &str) -> impl Iterator<Item = &str> {
    let mut open = 0;
    arguments
        .split(move |c| {
            match c {
                '(' => open += 1,
                ')' => open -= 1,
                _ => {}
            }
            c == ',' && open == 0
        })
        .filter(|argument| !argument.trim().is_empty())
}

/// A fact as C asks for it, and the same made wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Assertion {
    header: String,
    right: String,
    wrong: String,
}

fn assertions(facts: &[Declared], target: &str) -> Result<Vec<Assertion>> {
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
fn compare(target: &str, assertions: &[Assertion]) -> Result<()> {
    let text = c_file(assertions.iter().map(|a| (a.header.as_str(), a.right.as_str())));
    let (errors, said) = compile(target, "facts", &text)?;
    if !errors.is_empty() {
        bail!("FreeBSD says otherwise:\n{said}");
    }
    Ok(())
}

/// Every wrong assertion is refused, by its number.
fn refuse(target: &str, assertions: &[Assertion]) -> Result<()> {
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
    let dir = super::build::root().join("target/freebsd/abi");
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
    let (ended, said) = run(&compiler.args(flags).arg(file.with_extension("o")).arg(&file))?;
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

/// Whether the command succeeded, and what it printed.
pub(super) fn run(command: &Command) -> Result<(bool, String)> {
    let mut said = Vec::new();
    let ended =
        command.stream(Duration::from_secs(10 * 60), |_: Stream, chunk| said.extend_from_slice(chunk))?;
    let said = String::from_utf8_lossy(&said).into_owned();
    match ended {
        Ended::Exited(status) => Ok((status.success(), said)),
        Ended::TimedOut(limit) => bail!("no end after {} s: {command}", limit.as_secs()),
    }
}

/// Whatever the port takes from the `libc` crate is named in the facts.
fn named() -> Result<()> {
    let root = super::build::root();
    let facts = std::fs::read_to_string(root.join(FACTS)).context(FACTS)?;
    let mut missing = BTreeSet::new();
    for dir in SOURCES {
        for file in root.join(dir).read_dir().with_context(|| (*dir).to_owned())? {
            let path = file?.path();
            if path != root.join(FACTS) && !path.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
                missing.extend(unnamed(&text, &facts));
            }
        }
    }
    if !missing.is_empty() {
        bail!("not in {FACTS}: {}", Vec::from_iter(missing).join(", "));
    }
    Ok(())
}

/// What `source` takes from the `libc` crate on FreeBSD and `facts` does not name.
fn unnamed(source: &str, facts: &str) -> Vec<String> {
    let words = |text: &str| -> BTreeSet<String> {
        text.split(|c: char| c != '_' && !c.is_ascii_alphanumeric()).map(str::to_owned).collect()
    };
    let facts: BTreeSet<String> = statements(facts).flat_map(|(_, body)| words(body)).collect();
    let mut missing = Vec::new();
    let mut for_linux = false;
    // What only the unit tests use is not the port's.
    let shipped = source.lines().take_while(|line| *line != "mod tests {");
    for line in shipped.filter(|line| !line.trim_start().starts_with("//")) {
        let here = !for_linux;
        for_linux = line.contains("cfg(target_os = \"linux\")");
        for used in line.split("libc::").skip(1).filter(|_| here) {
            let name: String = used.chars().take_while(|c| *c == '_' || c.is_ascii_alphanumeric()).collect();
            if !name.is_empty() && !facts.contains(&name) {
                missing.push(name);
            }
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
/// A constant.
macro_rules! value {
    ($name:ident) => {};
}

header!("time.h");
value!(CLOCK = 4);
pointer!(FAILED = -1);
size!(timespec = 16);
field!(timespec.tv_sec: time_t = 0);

header!("pthread.h");
value!(STACK_MIN = [2048, 0x1000]);
alias!(key_t = c_int);
function!(
    create: fn(*mut key_t, *const timespec, extern "C" fn(*mut c_void) -> *mut c_void) -> c_int
);
function!(atfork: fn(Option<unsafe extern "C" fn()>));
declared!(Membarrier = membarrier: fn(c_int, c_uint) -> c_int);
"#;

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
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let broken = [
            "value!(A = 1);",                                // no header
            "header!(\"a.h\");\nvalue!(A);",                 // no value
            "header!(\"a.h\");\nvalue!(A = many);",          // no number
            "header!(\"a.h\");\nguess!(A = 1);",             // no kind
            "header!(\"a.h\");\nfunction!(f: fn(Vec<u8>));", // no C type
        ];
        for text in broken {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(assertions(&[], "x86_64-unknown-freebsd").is_err());
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
    fn a_use_that_no_fact_names_is_found() {
        let source = "#[cfg(target_os = \"linux\")]\nlibc::only_linux();\nlibc::CLOCK; libc::c_int\n\
                      // libc::in_a_comment\nlet x = libc::forgotten(libc::FAILED);\n\
                      mod tests {\nlibc::of_a_test();";
        assert_eq!(unnamed(source, TEXT), ["forgotten"]);
    }

    #[test]
    fn the_ports_own_facts_are_complete_and_readable() {
        named().unwrap();
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
