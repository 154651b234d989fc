//! The lane `--embed`: C and C++ programs take the C face as an installed library.

use crate::header;
use anyhow::{Context as _, Result, bail};
use install::Options;
use judge::Summary;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, RelocationTarget};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use toolchain::command::{Command, which};
use toolchain::workspace;

mod found;
mod inspected;
mod plugins;
mod targets;
mod watched;
pub(crate) mod whole;

/// The lane.
pub fn lane() -> Result<Summary> {
    let missing: Vec<_> =
        ["cc", "c++", "make", "nm", "pkg-config"].into_iter().filter(|tool| which(tool).is_none()).collect();
    if !missing.is_empty() {
        let reason = format!("missing: {} (cargo xtask setup)", missing.join(", "));
        return Ok(Summary::skipped("embedding in C", &reason));
    }
    let there = Installed::fresh()?;
    let mut summary = Summary::default();
    summary += Summary::of("extram.h is what the code says", header::check());
    summary += Summary::of("extram.h is strict C and C++", there.strict());
    summary += Summary::of("libextram exports what extram.h declares", there.exports());
    summary += Summary::of("a C program with the shared library", there.shared());
    summary += Summary::of("a C program with libextram.a", there.archive());
    summary += Summary::of("a C program that is static altogether", there.fully_static());
    summary += Summary::of("a C++ program", there.cplusplus());
    summary += there.watched()?;
    summary += Summary::of("the guide's program in C", there.guide_in_c("calculator.c", "8000 calls\n"));
    let collector = there.guide_in_c("collector.c", "4000 calls, and the heap was collected\n");
    summary += Summary::of("the guide's collector in C", collector);
    summary += Summary::of("the guide's program in C++", there.guide_in_cplusplus());
    summary += there.plugins();
    summary += Summary::of("a staged installation", there.staged());
    summary += Summary::of("a C program as its own kernel, without std", there.kernel());
    for target in ["thumbv7m-none-eabi", "riscv32imac-unknown-none-elf"] {
        let what = format!("libextram.a for {target} asks for what extram_port.h says");
        summary += match toolchain::for_target(target, "core") {
            Ok(_) => Summary::of(&what, there.bare(target)),
            Err(missing) => Summary::skipped(&what, &missing.to_string()),
        };
    }
    summary += there.inspected();
    summary += there.found();
    summary += there.whole()?;
    summary += there.targets();
    Ok(summary)
}

/// What `cargo xtask install --prefix` put into an empty folder.
struct Installed {
    prefix: PathBuf,
    /// Programs go here.
    out: PathBuf,
}

impl Installed {
    fn fresh() -> Result<Self> {
        let base = std::path::absolute("target/embed")?;
        if base.exists() {
            std::fs::remove_dir_all(&base).with_context(|| base.display().to_string())?;
        }
        let there = Installed { prefix: base.join("usr"), out: base.join("programs") };
        std::fs::create_dir_all(&there.out)?;
        install::install(&Options::below(&there.prefix))?;
        Ok(there)
    }

    /// `pkg-config ARGS… extram`, which knows of nothing but this installation.
    fn pkg_config(&self, args: &[&str]) -> Result<Vec<String>> {
        let command = Command::new("pkg-config")
            .args(args)
            .arg("extram")
            .env("PKG_CONFIG_LIBDIR", self.prefix.join("lib/pkgconfig"));
        Ok(command.read()?.split_whitespace().map(str::to_owned).collect())
    }

    /// Compiles a program and runs it: it ends well and prints this.
    fn program(&self, compiler: Command, name: &str, expected: &str) -> Result<()> {
        let path = self.out.join(name);
        compiler.arg("-o").arg(&path).run()?;
        // Found by a program that was linked against the shared library.
        let run = Command::new(&path).env("LD_LIBRARY_PATH", self.prefix.join("lib"));
        run.echo();
        let printed = run.read()?;
        if printed != expected {
            bail!("{run}: printed {printed:?}, not {expected:?}");
        }
        Ok(())
    }

    fn strict(&self) -> Result<()> {
        let include = format!("-I{}", self.prefix.join("include").display());
        let strict = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wstrict-prototypes", "-fsyntax-only"];
        let alone = self.out.join("alone.c");
        std::fs::write(&alone, "#include <extram.h>\nextern int nothing;\n")?;
        Command::new("cc").args(strict).args(["-std=c99", &include]).arg(&alone).run()?;
        Command::new("cc").args(strict).args(["-std=c11", &include]).arg(source("interface.c")).run()?;
        // The kernel's header is not installed here.
        let port = format!("-I{}", header::directory().join("include").display());
        let both = self.out.join("both.c");
        std::fs::write(&both, "#include <extram_port.h>\n#include <extram.h>\nextern int nothing;\n")?;
        Command::new("cc").args(strict).args(["-std=c99", &port]).arg(&both).run()?;
        let strict =
            &strict.map(|flag| if flag == "-Wstrict-prototypes" { "-Wold-style-cast" } else { flag });
        for standard in ["-std=c++11", "-std=c++20"] {
            let compiler = Command::new("c++").args(strict).args([standard, "-x", "c++", &include]);
            compiler.arg(source("interface.c")).run()?;
            Command::new("c++").args(strict).args([standard, "-x", "c++", &port]).arg(&both).run()?;
        }
        Ok(())
    }

    fn exports(&self) -> Result<()> {
        let header = std::fs::read_to_string(self.prefix.join("include/extram.h"))?;
        let declared = declared(&header);
        if declared.len() < 15 {
            bail!("only {declared:?} are declared");
        }
        let lib = self.prefix.join("lib");
        let nm = Command::new("nm").args(["-D", "--defined-only"]).arg(lib.join("libextram.so"));
        let exported = exported(&nm.read()?);
        let wanted = declared.iter().map(|name| format!("{name}@@EXTRAM_0.1")).collect();
        same("libextram.so", &exported, &wanted)?;
        let nm = Command::new("nm").args(["-g", "--defined-only", "--quiet"]).arg(lib.join("libextram.a"));
        let mut exported = exported_functions(&nm.read()?);
        exported.retain(|name| name.starts_with("extram_"));
        same("libextram.a", &exported, &declared)
    }

    fn shared(&self) -> Result<()> {
        let cc =
            Command::new("cc").args(["-std=c99", "-Wall", "-Wextra", "-Werror"]).arg(source("threads.c"));
        let cc = cc.args(self.pkg_config(&["--cflags", "--libs"])?).arg("-pthread");
        self.program(cc, "shared", "80000 calls\n")?;
        let needed =
            Command::new("nm").args(["-D", "--undefined-only"]).arg(self.out.join("shared")).read()?;
        if !needed.contains("extram_enter@EXTRAM_0.1") {
            bail!("not linked against the versioned library:\n{needed}");
        }
        Ok(())
    }

    fn archive(&self) -> Result<()> {
        let cc = Command::new("cc").arg(source("threads.c")).args(self.pkg_config(&["--cflags"])?);
        let cc = cc.args(["-pthread", "-Wl,-Bstatic"]);
        let mut libs = self.pkg_config(&["--libs", "--static"])?;
        let own = libs.iter().position(|flag| flag == "-lextram").context("no -lextram")?;
        libs.insert(own + 1, "-Wl,-Bdynamic".to_owned());
        self.program(cc.args(libs), "archive", "80000 calls\n")?;
        let needed =
            Command::new("nm").args(["-D", "--undefined-only"]).arg(self.out.join("archive")).read()?;
        if needed.contains("extram_") {
            bail!("linked against a shared library:\n{needed}");
        }
        Ok(())
    }

    fn fully_static(&self) -> Result<()> {
        let cc = Command::new("cc").args(["-static", "-pthread"]).arg(source("threads.c"));
        let cc = cc.args(self.pkg_config(&["--cflags", "--libs", "--static"])?);
        self.program(cc, "static", "80000 calls\n")
    }

    fn cplusplus(&self) -> Result<()> {
        let cc = Command::new("c++").args(["-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]);
        let cc =
            cc.arg(source("threads.cpp")).args(self.pkg_config(&["--cflags", "--libs"])?).arg("-pthread");
        self.program(cc, "cplusplus", "8000 calls\n")
    }

    fn guide_in_c(&self, program: &str, expected: &str) -> Result<()> {
        let cc = Command::new("cc").args(["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]);
        let cc = cc.arg(guide(program)).args(self.pkg_config(&["--cflags", "--libs"])?);
        self.program(cc.arg("-pthread"), &format!("guide-{program}.out"), expected)
    }

    fn guide_in_cplusplus(&self) -> Result<()> {
        let cc = Command::new("c++").args(["-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]);
        let cc = cc.arg(guide("calculator.cpp")).args(self.pkg_config(&["--cflags", "--libs"])?);
        self.program(cc.arg("-pthread"), "guide-cplusplus", "16000 calls\n")
    }

    /// The build without std, on this machine: its kernel is C as well.
    fn kernel(&self) -> Result<()> {
        let build =
            Command::new("cargo").args(["rustc", "--quiet", "--package=extram-capi", "--release", "--lib"]);
        let build =
            build.args(["--crate-type=staticlib", "--no-default-features", "--features=panic-handler"]);
        // Nothing that unwinds without std.
        let build = build.args(["--config", "profile.release.panic='abort'", "--target-dir"]);
        build.arg(self.out.join("kernel-target")).run()?;
        let cc =
            Command::new("cc").args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-DKERNEL", "-D_GNU_SOURCE"]);
        let cc = cc.args([source("threads.c"), source("pthread_port.c")]);
        let cc = cc.arg(format!("-I{}", header::directory().join("include").display()));
        let cc = cc.arg(self.out.join("kernel-target/release/libextram_capi.a")).arg("-pthread");
        self.program(cc, "kernel", "80000 calls\n")
    }

    /// The same for a processor without an operating system, installed.
    fn bare(&self, target: &str) -> Result<()> {
        let prefix = self.out.join(target);
        install::install(&Options::below(&prefix).target(target))?;
        let header = std::fs::read_to_string(prefix.join("include/extram_port.h"))?;
        // What the library does by itself on Cortex-M.
        let own = |name: &str| name.ends_with("mask") && target.starts_with("thumb");
        let supplied = |name: &String| name.starts_with("extram_port_") && !own(name);
        let wanted: BTreeSet<String> = declared(&header).into_iter().filter(supplied).collect();
        let (defined, referred) = symbols(&prefix.join("lib/libextram.a"))?;
        let lacking: BTreeSet<String> = referred.difference(&defined).cloned().collect();
        same("what the library needs", &lacking, &wanted)?;
        let face = std::fs::read_to_string(prefix.join("include/extram.h"))?;
        // There is no heap.
        let absent = declared(&face).into_iter().filter(|name| !defined.contains(name)).collect::<Vec<_>>();
        if absent != ["extram_pool_new"] {
            bail!("{absent:?} are not there");
        }
        Ok(())
    }

    fn empty(&self, name: &str) -> Result<PathBuf> {
        let folder = self.out.join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    fn plugins(&self) -> Summary {
        let build = || plugins::Plugins::build("cc", &self.prefix);
        let mut summary =
            Summary::of("60 plug-ins in one program", build().and_then(|all| all.loaded("cc", &self.prefix)));
        let what = "60 plug-ins in one Python";
        summary += match which("python3") {
            Some(_) => Summary::of(what, build().and_then(|all| all.by_python())),
            None => Summary::skipped(what, "no python3"),
        };
        summary
    }

    fn staged(&self) -> Result<()> {
        let stage = self.out.join("stage");
        install::install(&Options::below(Path::new("/opt/extram")).destdir(&stage))?;
        for file in ["include/extram.h", "lib/libextram.a", "lib/libextram.so"] {
            // Follows the links.
            std::fs::metadata(stage.join("opt/extram").join(file)).with_context(|| file.to_owned())?;
        }
        let text = std::fs::read_to_string(stage.join("opt/extram/lib/pkgconfig/extram.pc"))?;
        if !text.starts_with("prefix=/opt/extram\n") {
            bail!("{text}");
        }
        Ok(())
    }
}

/// A program of the guide, which has its text.
fn guide(name: &str) -> PathBuf {
    workspace().join("crates/extram/src/guide/programs").join(name)
}

fn source(name: &str) -> PathBuf {
    header::directory().join("tests/c").join(name)
}

/// The functions that a header declares.
fn declared(header: &str) -> BTreeSet<String> {
    let lines = header.lines().filter(|line| line.ends_with(");") && !line.starts_with([' ', '/', '#', '*']));
    let name = |line: &str| {
        let before = line.split('(').next()?;
        Some(before.rsplit([' ', '*']).next()?.to_owned())
    };
    lines.filter_map(name).collect()
}

/// The names, with their versions, in the listing of a shared library; the version itself is none.
fn exported(listing: &str) -> BTreeSet<String> {
    let symbols = listing.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        Some((words.next()?, words.next()?))
    });
    symbols.filter(|(kind, _)| *kind != "A").map(|(_, name)| name.to_owned()).collect()
}

/// The functions in the listing of an archive.
fn exported_functions(listing: &str) -> BTreeSet<String> {
    let symbols = listing.lines().filter_map(|line| line.split_once(" T "));
    symbols.map(|(_, name)| name.to_owned()).collect()
}

/// The global names that an archive's members define, and those that their code and data refer to.
fn symbols(archive: &Path) -> Result<(BTreeSet<String>, BTreeSet<String>)> {
    let data = std::fs::read(archive).with_context(|| archive.display().to_string())?;
    let (mut defined, mut referred) = (BTreeSet::new(), BTreeSet::new());
    for member in object::read::archive::ArchiveFile::parse(&*data)?.members() {
        let object = object::File::parse(member?.data(&*data)?)?;
        for symbol in object.symbols().filter(|symbol| symbol.is_global() && !symbol.is_undefined()) {
            defined.insert(symbol.name()?.to_owned());
        }
        // Not the list of undefined names: there is one that nothing refers to in each object.
        for (_, relocation) in object.sections().flat_map(|section| section.relocations()) {
            let RelocationTarget::Symbol(index) = relocation.target() else { continue };
            let symbol = object.symbol_by_index(index)?;
            if symbol.is_undefined() {
                referred.insert(symbol.name()?.to_owned());
            }
        }
    }
    // A relocation without a symbol refers to the first one, which has no name.
    referred.remove("");
    Ok((defined, referred))
}

fn same(what: &str, found: &BTreeSet<String>, wanted: &BTreeSet<String>) -> Result<()> {
    let lacking: Vec<_> = wanted.difference(found).collect();
    let surplus: Vec<_> = found.difference(wanted).collect();
    if !lacking.is_empty() || !surplus.is_empty() {
        bail!("{what}: lacks {lacking:?}, has {surplus:?} besides");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_are_found() {
        let header = "/**\n * Like f(x);\n */\nint extram_a(int x);\n\nconst char *extram_b(void);\n\
                      typedef struct {\n    int (*hook)(void *);\n} extram_c;\n";
        assert_eq!(declared(header), ["extram_a".to_owned(), "extram_b".to_owned()].into());
    }

    #[test]
    fn a_surplus_symbol_is_noticed() {
        let listing = "0000 A EXTRAM_0.1\n0010 T extram_a@@EXTRAM_0.1\n0020 T rust_panic@@EXTRAM_0.1\n";
        let wanted = ["extram_a@@EXTRAM_0.1".to_owned()].into();
        let error = same("it", &exported(listing), &wanted).unwrap_err().to_string();
        assert!(error.contains("rust_panic") && !error.contains("extram_a"), "{error}");
        assert!(same("it", &BTreeSet::new(), &wanted).is_err());
        assert!(same("it", &wanted, &wanted).is_ok());
    }
}
