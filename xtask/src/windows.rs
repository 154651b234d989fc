//! Windows: the lane, whose programs run under Wine, and the DLL of the C face.
//!
//! Everything that the lane makes lies in `target/windows`, Wine's own folder (its "prefix") too.

use crate::command::{Command, Ended, which};
use crate::judge::Summary;
use crate::test::cargo_test;
use crate::toolchain::{self, Toolchain};
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) const TRIPLE: &str = "x86_64-pc-windows-gnu";

/// Debian's packages for it: the linker with its import libraries, and what runs the programs.
pub(crate) const PACKAGES: &[&str] = &["gcc-mingw-w64-x86-64", "binutils-mingw-w64-i686", "wine", "wine64"];

/// The other one, which is only built.
const I686: &str = "i686-pc-windows-gnu";

const CC: &str = "x86_64-w64-mingw32-gcc";

/// The C compiler for a target with a DLL.
pub(crate) fn compiler(target: &str) -> Option<&'static str> {
    match target {
        TRIPLE => Some(CC),
        I686 => Some("i686-w64-mingw32-gcc"),
        _ => None,
    }
}

/// Adds the targets to rustup's toolchain, where there is one.
pub(crate) fn setup() -> Result<()> {
    match which("rustup") {
        Some(rustup) => Command::new(rustup).args(["target", "add", TRIPLE, I686]).run(),
        None => Ok(()),
    }
}

pub(crate) fn lane() -> Result<Summary> {
    let there = match There::find() {
        Ok(there) => there,
        Err(missing) => {
            let reason = format!("{missing} (cargo xtask setup --target {TRIPLE})");
            return Ok(Summary::skipped("Windows", &reason));
        }
    };
    println!("{}, {}", there.toolchain, there.version());
    let mut summary = Summary::default();
    let begun = there.begin();
    let works = begun.is_ok();
    summary += Summary::of("Wine starts", begun);
    if !works {
        return Ok(summary);
    }
    summary += there.tests()?;
    summary += Summary::of("a C program with the DLL", there.c_program(Linked::Dll));
    summary += Summary::of("a C program with libextram.a", there.c_program(Linked::Static));
    summary += match toolchain::for_target(I686, "std,panic_unwind") {
        Ok(toolchain) => Summary::of("it builds for 32 bits", build(&toolchain)),
        Err(missing) => Summary::skipped("Windows with 32 bits", &missing.to_string()),
    };
    Ok(summary)
}

fn build(toolchain: &Toolchain) -> Result<()> {
    toolchain.cargo("build", &[]).args(["-p", "extram", "-p", "extram-capi"]).run()
}

/// What the lane runs with.
struct There {
    toolchain: Toolchain,
    wine: PathBuf,
    folder: PathBuf,
}

#[derive(Clone, Copy)]
enum Linked {
    Dll,
    Static,
}

impl There {
    /// Or what is missing.
    fn find() -> Result<Self, String> {
        let toolchain =
            toolchain::for_target(TRIPLE, "std,panic_unwind").map_err(|missing| missing.to_string())?;
        if which(CC).is_none() {
            return Err(format!("no {CC}"));
        }
        let wine = wine().ok_or("no wine")?;
        let folder = std::path::absolute("target/windows").map_err(|error| error.to_string())?;
        Ok(There { toolchain, wine, folder })
    }

    fn version(&self) -> String {
        let version = self.with_wine(Command::new(&self.wine).arg("--version")).read();
        version.map_or_else(|error| error.to_string(), |version| version.trim().to_owned())
    }

    /// The command with what Wine has to know: where its folder is, to ask nothing and say nothing.
    fn with_wine(&self, command: Command) -> Command {
        command
            .env("WINEPREFIX", self.folder.join("prefix"))
            .env("WINEDEBUG", "-all")
            .env("WINEDLLOVERRIDES", "mscoree,mshtml=")
    }

    /// Makes Wine's folder, and what this Wine lacks.
    fn begin(&self) -> Result<()> {
        std::fs::create_dir_all(&self.folder).with_context(|| self.folder.display().to_string())?;
        let system = self.folder.join("prefix/drive_c/windows/system32");
        if !system.join("kernel32.dll").exists() {
            within(
                Duration::from_secs(300),
                &self.with_wine(Command::new(&self.wine)).args(["wineboot", "-i"]),
            )?;
        }
        let random = system.join("bcryptprimitives.dll");
        if !random.exists() {
            let stands_in = "ports/windows/tests/wine/bcryptprimitives.c";
            let command = Command::new(CC).args(["-shared", "-s", "-o"]).arg(&random);
            command.args([stands_in, "-ladvapi32"]).run()?;
        }
        Ok(())
    }

    /// The suite, the facade, the C face as far as it needs no POSIX, the port's own. Fewer threads: each
    /// of Wine's is one here and one in its server.
    fn tests(&self) -> Result<Summary> {
        let packages = ["extram-conformance", "extram", "extram-capi", "extram-port-windows"];
        let upper = TRIPLE.to_uppercase().replace('-', "_");
        let command = self
            .with_wine(self.toolchain.cargo("test", &[]))
            .env(format!("CARGO_TARGET_{upper}_RUNNER"), &self.wine)
            .env("EXTRAM_SCALE", "0.1")
            .args(packages.into_iter().flat_map(|package| ["-p", package]))
            .args(["--lib", "--tests", "--no-fail-fast"]);
        cargo_test(&command)
    }

    /// Installs the C face and runs a program on it, with threads of winpthreads.
    fn c_program(&self, linked: Linked) -> Result<()> {
        let prefix = self.folder.join("installed");
        let args = crate::install::Args::below(&prefix).target(TRIPLE);
        crate::install::install(&args)?;
        let (program, library, rest): (_, _, &[&str]) = match linked {
            Linked::Dll => ("with_dll.exe", "libextram.dll.a", &["-Wl,-Bstatic"]),
            Linked::Static => ("with_archive.exe", "libextram.a", &["-static"]),
        };
        let program = prefix.join("bin").join(program);
        let private = std::fs::read_to_string(prefix.join("lib/pkgconfig/extram.pc"))?;
        let private = private.lines().find_map(|line| line.strip_prefix("Libs.private:")).unwrap_or_default();
        Command::new(CC)
            .args(["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror"])
            .arg(format!("-I{}", prefix.join("include").display()))
            .args(["crates/capi/tests/c/threads.c", "-o"])
            .arg(&program)
            .arg(prefix.join("lib").join(library))
            .args(rest)
            .arg("-lpthread")
            .args(private.split_whitespace())
            .run()?;
        within(Duration::from_secs(120), &self.with_wine(Command::new(&self.wine)).arg(&program))
    }
}

/// Debian has the program itself beside its libraries; what it has in the path asks for 32 bits, too.
fn wine() -> Option<PathBuf> {
    let debians = Path::new("/usr/lib/wine/wine64");
    debians.is_file().then(|| debians.to_owned()).or_else(|| which("wine64")).or_else(|| which("wine"))
}

/// Runs it, and fails if it does or takes longer.
fn within(limit: Duration, command: &Command) -> Result<()> {
    let mut said = Vec::new();
    match command.stream(limit, |_, chunk| said.extend_from_slice(chunk))? {
        Ended::Exited(status) if status.success() => Ok(()),
        other => bail!("{other:?}: {command}\n{}", String::from_utf8_lossy(&said)),
    }
}

/// Links `bin/extram.dll` and its import library from the static one. What is exported is a list of
/// names, for a version script says nothing to a linker for Windows.
pub(crate) fn dll(compiler: &str, archive: &Path, private: &[String], lib: &Path) -> Result<()> {
    let bin = lib.parent().context("lib is in no folder")?.join("bin");
    std::fs::create_dir_all(&bin).with_context(|| bin.display().to_string())?;
    let names = bin.join("extram.def");
    std::fs::write(
        &names,
        exports(&std::fs::read_to_string(crate::header::directory().join("include/extram.h"))?),
    )?;
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
        let path = crate::header::directory().join("include/extram.h");
        let all = exports(&std::fs::read_to_string(path).unwrap());
        let declared = include_str!("../../crates/capi/tests/c/interface.c");
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
        assert_eq!(compiler(TRIPLE), Some(CC));
        assert!(compiler("x86_64-unknown-linux-gnu").is_none());
    }
}
