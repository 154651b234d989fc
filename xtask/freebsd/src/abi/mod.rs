//! The ABI check: what the port takes for granted, compared with FreeBSD's own headers and symbols.
//!
//! The port names its facts in `ports/freebsd/src/facts.rs`. From that file comes a C file of
//! static assertions, compiled with the headers of the target: with zig's, of the release that it
//! links for, which have to know every fact, and with the base's own where it has them, which may be
//! older. The same file with every fact made wrong has to be refused fact by fact: an assertion that
//! cannot fail would prove nothing.

mod assertions;
mod facts;
mod types;

use super::base::Base;
use super::{build, symbols, zig};
use anyhow::{Context as _, Result, ensure};
use assertions::{Assertion, assertions, compare, refuse};
use facts::{facts, named};
use judge::Summary;
use std::path::{Path, PathBuf};
use toolchain::command::Command;
use toolchain::workspace;

/// Compares the facts and the symbols that `programs` import with FreeBSD's for `target`. Programs
/// that are linked against a base are bound to the versions that its libraries prefer, so of theirs
/// the names are compared.
pub(crate) fn check(target: &str, programs: &[PathBuf], base: Option<&Base>) -> Result<Summary> {
    let mut summary = Summary::default();
    summary += Summary::of("every fact the port relies on is named", named());
    let assertions = assertions(&facts()?, target)?;
    if native(target) {
        // What is linked natively is linked against the system itself.
        let system = Headers {
            whose: "this system",
            at: files("system", target),
            compiler: Command::new("cc"),
            all: false,
        };
        summary += system.check(&assertions);
        return Ok(summary);
    }
    summary += match Headers::of_zig(target) {
        Ok(headers) => headers.check(&assertions),
        Err(error) => Summary::of("the facts are FreeBSD's", Err(error)),
    };
    summary += match base {
        // Which is skipped by name where the programs would be run.
        None => Summary::default(),
        Some(base) => in_base(target, &base.dir, &files("base", target), &assertions),
    };
    let against_base = base.is_some_and(|base| build::serves_as_sysroot(&base.dir));
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

fn in_base(target: &str, base: &Path, at: &Path, assertions: &[Assertion]) -> Summary {
    let what = "the facts in the base's own headers";
    if !build::has_headers(base) {
        return Summary::skipped(what, "it has none (usr/include)");
    }
    match build::clang(target, base) {
        Ok(compiler) => {
            Headers { whose: "the base", at: at.to_owned(), compiler, all: false }.check(assertions)
        }
        Err(error) => Summary::skipped(what, &format!("{error:#}")),
    }
}

/// Where the files are that are compiled with these headers for this target.
fn files(whose: &str, target: &str) -> PathBuf {
    workspace().join("target/freebsd/abi").join(format!("{whose}-{target}"))
}

/// Headers that the facts are compared with.
struct Headers {
    whose: &'static str,
    /// Where the files are that are compiled with them.
    at: PathBuf,
    /// The C compiler that has them.
    compiler: Command,
    /// Whether they have to know every fact.
    all: bool,
}

impl Headers {
    fn of_zig(target: &str) -> Result<Headers> {
        let zig = zig::find().with_context(|| format!("no zig; run cargo xtask setup --target {target}"))?;
        Ok(Headers { whose: "zig", at: files("zig", target), compiler: zig::cc(&zig, target), all: true })
    }

    fn check(&self, assertions: &[Assertion]) -> Summary {
        let whose = self.whose;
        let mut unknown = Vec::new();
        let compared = compare(&self.compiler, &self.at, assertions).and_then(|lacks| {
            ensure!(!self.all || lacks.is_empty(), "not in the headers: {}", lacks.join(", "));
            println!("{} facts compared with the headers of {whose}", assertions.len() - lacks.len());
            unknown = lacks;
            Ok(())
        });
        let mut summary =
            Summary::of(&format!("the facts are FreeBSD's, by the headers of {whose}"), compared);
        if !unknown.is_empty() {
            let what = format!("{} facts by the headers of {whose}", unknown.len());
            summary += Summary::skipped(&what, &format!("not in them: {}", unknown.join(", ")));
        }
        let refused = refuse(&self.compiler, &self.at, assertions);
        summary += Summary::of(&format!("every fact can be refused, by the headers of {whose}"), refused);
        summary
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use toolchain::command::which;

    const TARGET: &str = "x86_64-unknown-freebsd";

    /// A base that has nothing but a few headers, as an old release has them.
    fn old_base() -> Option<tempfile::TempDir> {
        if which("clang").is_none() {
            println!("skipped: no clang");
            return None;
        }
        let base = tempfile::tempdir().unwrap();
        let include = base.path().join("usr/include");
        std::fs::create_dir_all(include.join("sys")).unwrap();
        for (header, text) in [
            ("stdio.h", ""),
            ("sys/types.h", ""),
            ("sys/param.h", ""),
            ("dlfcn.h", "#define RTLD_DEFAULT ((void *)-2)\nvoid *dlsym(void *, const char *);\n"),
            ("errno.h", "#define EAGAIN 35\n"),
        ] {
            std::fs::write(include.join(header), text).unwrap();
        }
        Some(base)
    }

    fn told(facts: &str) -> Option<Summary> {
        let base = old_base()?;
        let facts = assertions(&facts::parse(facts).unwrap(), TARGET).unwrap();
        Some(in_base(TARGET, base.path(), base.path(), &facts))
    }

    const FACTS: &str = "header!(\"dlfcn.h\");\npointer!(RTLD_DEFAULT = -2);\n\
                         function!(dlsym: fn(*mut c_void, *const c_char) -> *mut c_void);\n\n\
                         header!(\"errno.h\");\nvalue!(EAGAIN = 35);\n\n";

    #[test]
    fn what_an_old_bases_headers_do_not_know_is_named_and_the_rest_compared() {
        let newer = "value!(EINTEGRITY = 97);\n\n\
                     header!(\"sys/membarrier.h\");\nvalue!(MEMBARRIER_CMD_QUERY = 0);\n";
        let Some(summary) = told(&format!("{FACTS}{newer}")) else { return };
        assert_eq!(summary.to_string(), "2 passed, 0 failed, 1 skipped");
        let due = "2 facts by the headers of the base: not in them: EINTEGRITY (no EINTEGRITY), \
                   MEMBARRIER_CMD_QUERY (no sys/membarrier.h)";
        assert_eq!(summary.left_out, [due]);
    }

    #[test]
    fn what_a_bases_headers_say_otherwise_is_a_failure() {
        // A pointer, which is no integral constant expression, and a number.
        for (right, wrong) in [("RTLD_DEFAULT = -2", "RTLD_DEFAULT = -5"), ("EAGAIN = 35", "EAGAIN = 11")] {
            let Some(summary) = told(&FACTS.replace(right, wrong)) else { return };
            assert_eq!(summary.failed, 1, "{wrong}: {:?}", summary.broken);
            assert!(summary.broken[0].contains("FreeBSD says otherwise"), "{:?}", summary.broken);
        }
        let Some(summary) = told("header!(\"sys/membarrier.h\");\nvalue!(MEMBARRIER_CMD_QUERY = 0);\n")
        else {
            return;
        };
        assert!(summary.failed > 0, "nothing was compared, and all is well");
    }

    #[test]
    fn the_headers_that_are_linked_for_have_to_know_every_fact() {
        let Some(base) = old_base() else { return };
        let facts = assertions(&facts::parse(FACTS).unwrap(), TARGET).unwrap();
        let compiler = build::clang(TARGET, base.path()).unwrap();
        let strict = Headers { whose: "all", at: base.path().into(), compiler, all: true };
        assert_eq!(strict.check(&facts).failed, 0);
        std::fs::remove_file(base.path().join("usr/include/dlfcn.h")).unwrap();
        let summary = strict.check(&facts);
        assert!(summary.broken[0].contains("RTLD_DEFAULT"), "{:?}", summary.broken);
    }

    /// With zig's copy of FreeBSD's headers laid out as in a base, less what releases before 14.1 lack.
    #[test]
    fn the_ports_own_facts_hold_for_another_compiler_and_an_older_base() {
        let (Some(zig), Some(base)) = (zig::find(), old_base()) else { return };
        let include = base.path().join("usr/include");
        let headers = zig.parent().unwrap().join("lib/libc/include");
        for layer in ["generic-freebsd", "x86-freebsd-none", "x86_64-freebsd-none"] {
            if headers.join(layer).is_dir() {
                Command::new("cp").arg("-R").arg(headers.join(layer).join(".")).arg(&include).read().unwrap();
            }
        }
        if !include.join("sys/umtx.h").is_file() {
            println!("skipped: this zig keeps its headers elsewhere");
            return;
        }
        std::fs::remove_file(include.join("sys/membarrier.h")).unwrap();
        let facts = assertions(&facts::facts().unwrap(), TARGET).unwrap();
        let summary = in_base(TARGET, base.path(), base.path(), &facts);
        assert_eq!(summary.to_string(), "2 passed, 0 failed, 1 skipped", "{:?}", summary.broken);
        assert!(summary.left_out[0].starts_with("3 facts"), "{:?}", summary.left_out);
    }

    #[test]
    fn a_base_without_headers_is_skipped_by_name() {
        let base = tempfile::tempdir().unwrap();
        let summary = in_base(TARGET, base.path(), base.path(), &[]);
        assert_eq!(summary.left_out, ["the facts in the base's own headers: it has none (usr/include)"]);
    }
}
