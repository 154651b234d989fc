//! An installation is whole, lies where it is asked for, links beside another Rust's library, and goes.

use super::{Installed, source};
use anyhow::{Context as _, Result, bail, ensure};
use install::Options;
use judge::Summary;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use toolchain::command::{Command, which};
use toolchain::workspace;

impl Installed {
    pub(super) fn whole(&self) -> Result<Summary> {
        let mut summary = Summary::default();
        summary += Summary::of("an installation is whole", whole(&self.prefix, "so"));
        summary += Summary::of("cargo cinstall is told the same names", self.cinstall());
        summary += Summary::of("libextram.a beside another Rust's archive, and its panics", self.two_rusts());
        summary += Summary::of("an exception of C++ ends the process with a message", self.exceptions());
        summary += match which("mandoc").or_else(|| which("man")) {
            Some(reader) => Summary::of("extram(3) is read without a warning", self.man_page(&reader)),
            None => Summary::skipped("extram(3)", "neither mandoc nor man (cargo xtask setup)"),
        };
        summary += Summary::of("LDFLAGS are respected", self.ldflags());
        summary += Summary::of("uninstall removes what install put there", self.uninstalled());
        summary += Summary::of("install says what it cannot do", self.refused());
        Ok(summary)
    }

    /// What `crates/capi/Cargo.toml` says to it, beside what is installed.
    fn cinstall(&self) -> Result<()> {
        let text = std::fs::read_to_string(crate::header::directory().join("Cargo.toml"))?;
        let manifest: toml_edit::DocumentMut = text.parse()?;
        let told = &manifest["package"]["metadata"]["capi"];
        let said = |part: &str, key: &str| told[part][key].as_str().unwrap_or_default().to_owned();
        let pc = std::fs::read_to_string(self.prefix.join("lib/pkgconfig/extram.pc"))?;
        for (key, field) in [("name", "Name"), ("description", "Description")] {
            let line = format!("\n{field}: {}\n", said("pkg_config", key));
            ensure!(pc.contains(&line), "extram.pc does not say {line:?}");
        }
        ensure!(pc.contains(&format!("-l{}\n", said("library", "name"))), "it links another library");
        ensure!(said("pkg_config", "filename") == "extram" && said("header", "name") == "extram", "{told}");
        for (folder, file) in [("include", "include/extram.h"), ("data", "extram.supp")] {
            ensure!(
                told["install"][folder].to_string().contains(&format!("\"{file}\"")),
                "no {file}: {told}"
            );
        }
        Ok(())
    }

    fn two_rusts(&self) -> Result<()> {
        let other = self.out.join("libanother.a");
        let rustc = Command::new("rustc").args(["--edition=2024", "--crate-type=staticlib", "-O", "-o"]);
        rustc.args([&other, &source("another_rust.rs")]).run()?;
        let own = self.prefix.join("lib/libextram.a");
        // In either order: who comes second must not be served by the first.
        for (name, archives) in [("two-rusts", [&own, &other]), ("two-rusts-turned", [&other, &own])] {
            let cc = Command::new("cc").args(["-std=c99", "-pthread"]).arg(source("two_rusts.c"));
            let cc = cc.args(self.pkg_config(&["--cflags"])?);
            // All of both: not one name may be in both.
            let cc = cc.arg("-Wl,--whole-archive").args(archives).arg("-Wl,--no-whole-archive");
            // C lets a panic through where it is told that there are such.
            let cc = cc.args(["-fexceptions", "-ldl", "-lm"]);
            self.program(cc, name, "13 from another Rust\n")?;
            for function in ["new_context", "free_context", "admit", "retire", "observe"] {
                self.ends_with_a_message(Command::new(self.out.join(name)).arg(function))?;
            }
        }
        let nm = Command::new("nm").args(["-g", "--defined-only"]).arg(own).read()?;
        let names: BTreeSet<&str> = nm.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
        let strange: Vec<_> = names.iter().filter(|name| !name.starts_with("extram_")).collect();
        ensure!(strange.is_empty() && !names.is_empty(), "libextram.a has global {strange:?}");
        Ok(())
    }

    /// What a function of the configuration may not let out in C++.
    fn exceptions(&self) -> Result<()> {
        let cc = Command::new("c++").args(["-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]);
        let cc = cc.arg(source("throws.cpp")).args(self.pkg_config(&["--cflags", "--libs"])?);
        self.program(cc.arg("-pthread"), "throws", "nothing was thrown\n")?;
        for function in ["new_context", "free_context", "admit", "retire", "observe"] {
            self.ends_with_a_message(Command::new(self.out.join("throws")).arg(function))?;
        }
        Ok(())
    }

    /// By `abort`, after Rust has said why: it does not go on as if nothing were, and nothing unwinds further.
    fn ends_with_a_message(&self, program: Command) -> Result<()> {
        let program = program.env("LD_LIBRARY_PATH", self.prefix.join("lib"));
        program.echo();
        let Err(error) = program.read() else { bail!("{program}: went on") };
        let said = error.to_string();
        ensure!(said.contains("SIGABRT") && said.contains("Rust cannot catch foreign exceptions"), "{said}");
        Ok(())
    }

    fn man_page(&self, reader: &Path) -> Result<()> {
        let page = self.prefix.join("share/man/man3/extram.3");
        if reader.ends_with("mandoc") {
            Command::new(reader).args(["-Tlint", "-W", "warning"]).arg(&page).run()?;
        }
        let (first, words) = match reader.ends_with("mandoc") {
            true => (Command::new(reader), ["-Tascii"].as_slice()),
            false => (Command::new(reader).env("MANWIDTH", "80"), ["-l", "-E", "ascii"].as_slice()),
        };
        let text = first.args(words).arg(&page).read()?;
        // Without what a terminal makes bold.
        let mut plain: Vec<char> = Vec::new();
        for c in text.chars() {
            match c {
                '\u{8}' => plain.truncate(plain.len().saturating_sub(1)),
                c => plain.push(c),
            }
        }
        let plain: String = plain.into_iter().collect();
        for wanted in ["extram_pool_new(const extram_config *config", "EXTRAM_TOO_MANY", "SEE ALSO"] {
            ensure!(plain.contains(wanted), "no {wanted:?} in\n{plain}");
        }
        let function = std::fs::read_to_string(page.with_file_name("extram_enter.3"))?;
        ensure!(function == ".so man3/extram.3\n", "{function}");
        Ok(())
    }

    fn ldflags(&self) -> Result<()> {
        let there = self.out.join("flags");
        install_command(&["--prefix", &there.display().to_string()])
            .env("LDFLAGS", "-Wl,-rpath,/opt/of/ldflags -Wl,--no-undefined")
            .run()?;
        let library = std::fs::read(there.join("lib/libextram.so"))?;
        let wanted = b"/opt/of/ldflags\0";
        ensure!(library.windows(wanted.len()).any(|part| part == wanted), "the flag is not in the library");
        Ok(())
    }

    fn uninstalled(&self) -> Result<()> {
        let stage = self.out.join("uninstalled");
        std::fs::create_dir_all(stage.join("usr/lib/pkgconfig"))?;
        std::fs::write(stage.join("usr/lib/pkgconfig/other.pc"), "")?;
        let before = all(&stage)?;
        let options = Options::below(Path::new("/usr")).destdir(&stage);
        install::install(&options)?;
        let first = all(&stage)?;
        install::install(&options)?;
        ensure!(all(&stage)? == first, "a second installation has other files");
        install::uninstall(&options)?;
        let after = all(&stage)?;
        ensure!(after == before, "left {:?}", after.difference(&before).collect::<Vec<_>>());
        Ok(())
    }

    /// One sentence, and nothing is put anywhere.
    fn refused(&self) -> Result<()> {
        let there = self.out.join("refused");
        let prefix = format!("--prefix={}", there.display());
        let wrong: [(&[&str], &str, &str); 6] = [
            (&["--target", "no-such-target"], "cc", "does not know the libraries of no-such-target"),
            (&["--target", "no-such-linux-target"], "cc", "rustc knows no target no-such-linux-target"),
            (&["--target", "s390x-unknown-linux-gnu"], "cc", "not for s390x-unknown-linux-gnu"),
            (&["--probes", "--target", "thumbv7m-none-eabi"], "cc", "not for thumbv7m-none-eabi"),
            (&[], "no-such-compiler", "there is no no-such-compiler to link"),
            (&["--where", "x"], "cc", "there is no option --where"),
        ];
        for (words, compiler, wanted) in wrong {
            let command = install_command(&[&[&*prefix], words].concat()).env("CC", compiler);
            command.echo();
            let Err(error) = command.read() else { bail!("{command}: succeeded") };
            let said = error.to_string();
            let ours: Vec<_> = said.lines().filter(|line| line.starts_with("xtask: ")).collect();
            ensure!(ours.len() == 1 && ours[0].contains(wanted), "{said}");
            ensure!(!there.exists(), "{command}: left {}", there.display());
        }
        let again = install::uninstall(&Options::below(&there)).err().context("it was not there")?;
        ensure!(again.to_string().contains("is not installed"), "{again}");
        Ok(())
    }
}

fn install_command(words: &[&str]) -> Command {
    Command::new("cargo")
        .args(["run", "--quiet", "--package=xtask-install", "--", "install"])
        .args(words)
        .dir(workspace())
}

/// Every file that a package of it has. What a shared library is called differs.
pub(super) fn whole(prefix: &Path, shared: &str) -> Result<()> {
    let libraries: &[&str] = match shared {
        "so" => &["lib/libextram.so", "lib/libextram.so.0.1", "lib/libextram.so.0.1.0"],
        _ => &[],
    };
    let files = [
        "include/extram.h",
        "lib/libextram.a",
        "lib/pkgconfig/extram.pc",
        "lib/cmake/extram/extramConfig.cmake",
        "lib/cmake/extram/extramConfigVersion.cmake",
        "share/man/man3/extram.3",
        "share/man/man3/extram_enter.3",
        "share/licenses/extram/LICENSE-APACHE",
        "share/licenses/extram/LICENSE-MIT",
        "share/extram/extram.supp",
        "share/extram/extram-gdb.py",
        "share/extram/installed.txt",
    ];
    for file in files.iter().chain(libraries) {
        // Follows the links.
        let found = std::fs::metadata(prefix.join(file)).with_context(|| (*file).to_owned())?;
        ensure!(found.len() > 0, "{file} is empty");
    }
    Ok(())
}

/// All that lies below a folder.
pub(crate) fn all(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(next) = todo.pop() {
        for entry in next.read_dir().with_context(|| next.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() && !path.is_symlink() {
                todo.push(path.clone());
            }
            found.insert(path.strip_prefix(folder)?.to_owned());
        }
    }
    Ok(found)
}
