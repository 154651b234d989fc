//! Whether there is a C compiler, for a demonstration that compiles Lua: found out before cargo's pages
//! of errors.

use anyhow::{Result, bail};
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// The C compiler that builds Lua works.
pub(super) fn check_yours() -> Result<()> {
    check(&std::env::var_os("CC").unwrap_or_else(|| OsString::from("cc")))
}

/// Compiles the least that Lua and threads need, so that a compiler without the C library's headers
/// is found out as well, before cargo's pages of errors.
fn check(cc: &OsStr) -> Result<()> {
    const INSTALL: &str = "callback-gc compiles Lua and needs a C compiler. Install one \
        (Debian, Ubuntu: apt-get install gcc libc6-dev; Fedora: dnf install gcc; FreeBSD has one), \
        or name it in the variable CC";
    let name = cc.to_string_lossy();
    // The variable may hold options too, as for make.
    let mut words = name.split_whitespace();
    let mut compiler = Command::new(words.next().unwrap_or("cc"));
    compiler.args(words).args(["-x", "c", "-fsyntax-only", "-"]);
    let child = compiler.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => bail!("cannot start the C compiler `{name}` ({error}). {INSTALL}"),
    };
    if let Some(mut stdin) = child.stdin.take() {
        // A compiler that does not read says why on its way out.
        let _ = stdin.write_all(b"#include <pthread.h>\n#include <stdlib.h>\n");
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("the C compiler `{name}` does not work:\n{}\n{INSTALL}", said.trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(cc: &str) -> String {
        check(OsStr::new(cc)).unwrap_err().to_string()
    }

    #[test]
    fn a_missing_c_compiler_is_named_with_what_to_install() {
        let error = refusal("no-such-compiler");
        assert!(error.contains("no-such-compiler") && error.contains("apt-get install gcc"), "{error}");
    }

    #[test]
    fn a_c_compiler_without_headers_is_found_out() {
        let error = refusal("cc -nostdinc");
        assert!(error.contains("pthread.h") && error.contains("libc6-dev"), "{error}");
        check(OsStr::new("cc")).unwrap();
    }
}
