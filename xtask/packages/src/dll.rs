//! The C face's DLL, for Windows.

use crate::header;
use anyhow::{Context as _, Result};
use std::path::Path;
use toolchain::command::Command;

/// The target whose programs run here.
pub const X86_64: &str = "x86_64-pc-windows-gnu";

/// The other one, which is only built.
pub const I686: &str = "i686-pc-windows-gnu";

/// The C compiler of the first.
pub const CC: &str = "x86_64-w64-mingw32-gcc";

/// The C compiler for a target with a DLL.
pub(crate) fn compiler(target: &str) -> Option<&'static str> {
    match target {
        X86_64 => Some(CC),
        I686 => Some("i686-w64-mingw32-gcc"),
        _ => None,
    }
}

/// Links `bin/extram.dll` and its import library from the static one. What is exported is a list of
/// names, for a version script says nothing to a linker for Windows.
pub(crate) fn dll(compiler: &str, archive: &Path, private: &[String], lib: &Path) -> Result<()> {
    let bin = lib.parent().context("lib is in no folder")?.join("bin");
    std::fs::create_dir_all(&bin).with_context(|| bin.display().to_string())?;
    let names = bin.join("extram.def");
    std::fs::write(&names, exports(&std::fs::read_to_string(header::directory().join("include/extram.h"))?))?;
    let linked = Command::new(compiler)
        // A DLL of the compiler's would have to be installed beside it.
        .args(["-shared", "-static-libgcc", "-s", "-o"])
        .arg(bin.join("extram.dll"))
        .arg(&names)
        .args([
            "-Wl,--gc-sections".to_owned(),
            format!("-Wl,--out-implib,{}", lib.join("libextram.dll.a").display()),
        ])
        .arg(archive)
        .args(private)
        .run();
    std::fs::remove_file(&names)?;
    linked
}

/// A module definition of what the header declares: names of functions with a bracket behind them, where
/// a line of C begins with a type.
fn exports(header: &str) -> String {
    let names =
        header.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase())).filter_map(|line| {
            let (before, _) = line.split_once('(')?;
            let name = before.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()?;
            name.starts_with("extram_").then_some(name)
        });
    std::iter::once("EXPORTS").chain(names).map(|name| format!("{name}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exported_is_what_the_header_declares() {
        let header = "/** extram_no(1) */\nint extram_enter(extram_pool *pool,\n    int extram_x(int));\n\
                      const char *extram_strerror(int code);\nvoid *extram_context(const extram_m *m);\n";
        assert_eq!(exports(header), "EXPORTS\nextram_enter\nextram_strerror\nextram_context\n");
        let path = header::directory().join("include/extram.h");
        let all = exports(&std::fs::read_to_string(path).unwrap());
        let declared = include_str!("../../../crates/capi/tests/c/interface.c");
        let declared = declared.lines().filter(|line| {
            line.contains(" extram_") && line.contains('(') && line.ends_with(';') && !line.starts_with(' ')
        });
        for line in declared {
            let name = line.split('(').next().and_then(|before| before.rsplit([' ', '*']).next()).unwrap();
            assert!(!name.starts_with("extram_") || all.contains(&format!("\n{name}\n")), "{line}");
        }
        assert!(all.lines().count() > 25, "{all}");
    }

    #[test]
    fn only_targets_of_windows_have_a_dll() {
        assert_eq!(compiler(X86_64), Some(CC));
        assert!(compiler("x86_64-unknown-linux-gnu").is_none());
    }
}
