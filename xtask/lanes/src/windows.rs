//! Windows: the lane, whose programs run under Wine.
//!
//! Everything that the lane makes lies in `target/windows`, Wine's own folder (its "prefix") too.

use anyhow::{Context as _, Result, bail};
use install::{Options, WINDOWS_32 as I686, WINDOWS_64 as TRIPLE, WINDOWS_CC as CC};
use judge::{Summary, cargo_test};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toolchain::command::{Command, Ended, which};
use toolchain::{Toolchain, workspace};

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
        Ok(There { toolchain, wine, folder: workspace().join("target/windows") })
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
            let stands_in = workspace().join("ports/windows/tests/wine/bcryptprimitives.c");
            let command = Command::new(CC).args(["-shared", "-s", "-o"]).arg(&random);
            command.arg(stands_in).arg("-ladvapi32").run()?;
        }
        Ok(())
    }

    /// The suite, the facade, the C face as far as it needs no POSIX, the port's own, and the two
    /// measurements of herds, whose counts are exact whatever the time. Fewer threads: each of Wine's is
    /// one here and one in its server.
    fn tests(&self) -> Result<Summary> {
        // The port's tests load it, and `--tests` builds no example.
        self.toolchain
            .cargo("build", &[])
            .args(["-p", "extram-port-windows", "--example", "library"])
            .run()?;
        let packages = [
            "extram-conformance",
            "extram",
            "extram-capi",
            "extram-port-windows",
            "extram-herd",
            "extram-callback-gc",
        ];
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
        let args = Options::below(&prefix).target(TRIPLE);
        install::install(&args)?;
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
            .arg(workspace().join("crates/capi/tests/c/threads.c"))
            .arg("-o")
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
