//! The facts that the port names, read from its source, and whether it names all that it relies on.

use super::types::Types;
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeSet;
use toolchain::workspace;

/// Where the facts are.
pub(super) const FACTS: &str = "ports/freebsd/src/facts.rs";

/// Whose use of the `libc` crate the facts have to cover.
const SOURCES: &[&str] = &["ports/freebsd/src", "ports/posix/src"];

/// What one line of the facts says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    /// A number: the C expression, and its value on amd64 and on arm64.
    Number { what: String, amd64: i64, arm64: i64 },
    /// A type: the C expression or type, and the type it has to be.
    Type { what: String, is: String },
}

/// The header that declares it, and the fact.
pub(super) type Declared = (String, Fact);

pub(super) fn facts() -> Result<Vec<Declared>> {
    let path = workspace().join(FACTS);
    parse(&std::fs::read_to_string(&path).with_context(|| path.display().to_string())?)
}

/// Reads the calls of the macros in the facts' file. What looks like a fact and is none that this
/// knows is an error.
pub(super) fn parse(text: &str) -> Result<Vec<Declared>> {
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
    read.with_context(|| format!("{text} is not a number"))
}

/// Whatever the port takes from the `libc` crate is named in the facts.
pub(super) fn named() -> Result<()> {
    let root = workspace();
    let facts = std::fs::read_to_string(root.join(FACTS)).context(FACTS)?;
    let mut missing = BTreeSet::new();
    for dir in SOURCES {
        let lib = root.join(dir).join("lib.rs");
        let lib = std::fs::read_to_string(&lib).with_context(|| lib.display().to_string())?;
        let elsewhere = elsewhere(&lib);
        for file in root.join(dir).read_dir().with_context(|| (*dir).to_owned())? {
            let path = file?.path();
            let other = elsewhere.iter().any(|module| path.ends_with(format!("{module}.rs")));
            if path != root.join(FACTS) && !path.ends_with("tests.rs") && !other {
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

/// The modules that a crate has on other systems only, by its `lib.rs`.
fn elsewhere(lib: &str) -> Vec<String> {
    let mut modules = Vec::new();
    let mut systems = String::new();
    for line in lib.lines() {
        if line.starts_with("#[cfg(") {
            systems.clear();
        }
        systems += line;
        let module = line.trim_start_matches("pub ").strip_prefix("mod ");
        if let Some(module) = module.and_then(|module| module.strip_suffix(';')) {
            let named = systems.contains("target_os") && !systems.contains("not(");
            if named && !systems.contains("\"freebsd\"") {
                modules.push(module.to_owned());
            }
            systems.clear();
        }
    }
    modules
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
pub(super) mod tests {
    use super::*;

    pub(in super::super) const TEXT: &str = r#"
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
    }

    #[test]
    fn a_use_that_no_fact_names_is_found() {
        let source = "#[cfg(target_os = \"linux\")]\nlibc::only_linux();\nlibc::CLOCK; libc::c_int\n\
                      // libc::in_a_comment\nlet x = libc::forgotten(libc::FAILED);\n\
                      mod tests {\nlibc::of_a_test();";
        assert_eq!(unnamed(source, TEXT), ["forgotten"]);
    }

    #[test]
    fn a_module_that_freebsd_has_not_is_none_of_its_sources() {
        let lib = "#[cfg(any(\n    target_os = \"hurd\",\n))]\npub mod attributes;\nmod end;\n\
                   #[cfg(target_os = \"freebsd\")]\nmod here;\n#[cfg(not(target_os = \"hurd\"))]\nmod most;\n";
        assert_eq!(elsewhere(lib), ["attributes"]);
    }

    #[test]
    fn the_ports_own_facts_are_complete() {
        named().unwrap();
    }
}
