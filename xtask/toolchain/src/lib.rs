//! Which toolchain can build for a target: one that has the target's libraries, or one that has
//! the sources of the standard library and can build them (`-Zbuild-std`).
//!
//! Looked at, in this order: rustup's active toolchain, its other ones, and the `rustc` that the
//! system's package manager installed. Nothing is installed and no default is changed.

pub mod closed_pipe;
pub mod command;
pub mod setup;
pub mod targets;

use command::{Command, which};
use std::fmt;
use std::path::{Path, PathBuf};

/// A toolchain that can build for the target it was looked up for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// Directory with `cargo` and `rustc`.
    bin: PathBuf,
    target: String,
    version: String,
    libraries: Libraries,
    /// The linker, where the toolchain brings none for this target.
    linker: Option<PathBuf>,
}

/// Where the target's `core` (and `alloc`, `std`) come from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Libraries {
    Installed,
    /// Built from the toolchain's sources: these crates, as `-Zbuild-std` takes them.
    Source(String),
}

/// No toolchain here can build for the target. `Display` says what is missing and how to get it.
#[derive(Debug, PartialEq, Eq)]
pub struct Missing {
    target: String,
    seen: Vec<String>,
    what: &'static str,
}

/// What a directory of a toolchain holds, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    bin: PathBuf,
    sysroot: PathBuf,
    version: String,
    has_target: bool,
    has_source: bool,
    has_rust_lld: bool,
}

/// The oldest compiler that builds the workspace (`rust-version` in Cargo.toml).
const OLDEST: (u32, u32) = (1, 88);

/// The toolchain that builds for `target`. `std` names what is needed of the standard library:
/// `core`, or `std,panic_abort`.
pub fn for_target(target: &str, std: &str) -> Result<Toolchain, Missing> {
    let candidates = candidates(target);
    choose(target, std, &candidates, lld())
}

/// The top of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("it lies in xtask/")
}

/// The target that programs of this machine are built for.
pub fn host() -> anyhow::Result<String> {
    let version = Command::new("rustc").arg("-vV").read()?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| anyhow::anyhow!("rustc -vV names no host: {version}"))
}

/// A cargo of another toolchain, without what the cargo that runs this xtask has set for its own.
pub fn without_toolchain(mut command: Command) -> Command {
    for name in ["RUSTUP_TOOLCHAIN", "CARGO", "LD_LIBRARY_PATH", "RUSTFLAGS"] {
        if std::env::var_os(name).is_some() {
            command = command.env_remove(name);
        }
    }
    command
}

impl Toolchain {
    /// `cargo VERB` for the target. The caller adds the package, the profile and `--target-dir`;
    /// `rustflags` take the place of those in the environment.
    pub fn cargo(&self, verb: &str, rustflags: &[&str]) -> Command {
        let mut command = without_toolchain(Command::new(self.bin.join("cargo")));
        command = command.env("RUSTC", self.bin.join("rustc"));
        let upper = self.target.to_uppercase().replace(['-', '.'], "_");
        if let Some(linker) = &self.linker {
            command = command.env(format!("CARGO_TARGET_{upper}_LINKER"), linker);
        }
        if !rustflags.is_empty() {
            command = command.env(format!("CARGO_TARGET_{upper}_RUSTFLAGS"), rustflags.join(" "));
        }
        if let Libraries::Source(_) = self.libraries {
            command = command.env("RUSTC_BOOTSTRAP", "1");
        }
        command = command.args([verb, "--target", &self.target]);
        if let Libraries::Source(crates) = &self.libraries {
            command = command.arg(format!("-Zbuild-std={crates}"));
        }
        command
    }

    /// Its compiler.
    pub fn rustc(&self) -> PathBuf {
        self.bin.join("rustc")
    }

    /// What the size of a program depends on: the compiler's version, and who built `core`.
    pub fn compiler(&self) -> String {
        let version: Vec<&str> = self.version.split(' ').take(2).collect();
        match &self.libraries {
            Libraries::Installed => format!("{}, target installed", version.join(" ")),
            Libraries::Source(crates) => format!("{}, -Zbuild-std={crates}", version.join(" ")),
        }
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.version, self.bin.display())?;
        match &self.libraries {
            Libraries::Installed => write!(f, ", target installed")?,
            Libraries::Source(crates) => write!(f, ", -Zbuild-std={crates}")?,
        }
        if let Some(linker) = &self.linker {
            write!(f, ", linked by {}", linker.display())?;
        }
        Ok(())
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "nothing here builds for {}: {}", self.target, self.what)?;
        for seen in &self.seen {
            writeln!(f, "  seen: {seen}")?;
        }
        write!(
            f,
            "  one of these helps:\n    \
             cargo xtask setup --target {target}\n    \
             rustup target add {target}\n    \
             rustup component add rust-src\n    \
             apt-get install rustc-web cargo-web rust-web-src lld   (Debian 12 and later)",
            target = self.target
        )
    }
}

impl std::error::Error for Missing {}

fn choose(
    target: &str,
    std: &str,
    candidates: &[Candidate],
    lld: Option<PathBuf>,
) -> Result<Toolchain, Missing> {
    // A target without an operating system is linked by rust-lld; any other by the system's own
    // linker, which is the caller's to set.
    let needs_lld = target.contains("-none");
    let usable = |candidate: &&Candidate| recent(&candidate.version);
    let installed = candidates
        .iter()
        .filter(usable)
        .find(|candidate| candidate.has_target)
        .map(|candidate| (candidate, Libraries::Installed));
    let from_source = || {
        candidates
            .iter()
            .filter(usable)
            .find(|candidate| candidate.has_source)
            .map(|candidate| (candidate, Libraries::Source(std.to_owned())))
    };
    let missing = |what| Missing {
        target: target.to_owned(),
        seen: candidates.iter().map(Candidate::to_string).collect(),
        what,
    };
    let (candidate, libraries) = installed
        .or_else(from_source)
        .ok_or_else(|| missing("no recent enough toolchain has the target installed or brings rust-src"))?;
    let linker = match (needs_lld && !candidate.has_rust_lld, lld) {
        (false, _) => None,
        (true, Some(lld)) => Some(lld),
        (true, None) => return Err(missing("no lld to link with")),
    };
    Ok(Toolchain {
        bin: candidate.bin.clone(),
        target: target.to_owned(),
        version: candidate.version.clone(),
        libraries,
        linker,
    })
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has = |yes, what| if yes { what } else { "" };
        write!(
            f,
            "{} in {}{}{}{}",
            self.version,
            self.bin.display(),
            has(!recent(&self.version), ", too old (1.88 is needed)"),
            has(self.has_target, ", target installed"),
            has(self.has_source, ", rust-src")
        )
    }
}

/// Whether `rustc 1.96.0 (…)` is new enough.
fn recent(version: &str) -> bool {
    let mut numbers = version
        .split(' ')
        .nth(1)
        .unwrap_or_default()
        .split(['.', '-'])
        .map(|number| number.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= OLDEST
}

fn candidates(target: &str) -> Vec<Candidate> {
    let mut bins: Vec<PathBuf> = Vec::new();
    if let Ok(active) = Command::new("rustup").args(["which", "rustc"]).read() {
        bins.extend(Path::new(active.trim()).parent().map(Path::to_owned));
    }
    let home = std::env::var_os("RUSTUP_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".rustup")));
    if let Some(entries) = home.and_then(|home| home.join("toolchains").read_dir().ok()) {
        let mut all: Vec<_> = entries.flatten().map(|e| e.path().join("bin")).collect();
        all.sort();
        bins.extend(all);
    }
    bins.extend(["/usr/bin", "/usr/local/bin"].map(PathBuf::from));
    if let Some(rustc) = which("rustc") {
        bins.extend(rustc.parent().map(Path::to_owned));
    }
    let mut found: Vec<Candidate> = Vec::new();
    for bin in bins {
        if let Some(candidate) = look(&bin, target)
            && !found.iter().any(|f| f.sysroot == candidate.sysroot)
        {
            found.push(candidate);
        }
    }
    found
}

fn look(bin: &Path, target: &str) -> Option<Candidate> {
    if !bin.join("cargo").is_file() || !bin.join("rustc").is_file() {
        return None;
    }
    let rustc = |flag: &[&str]| {
        Command::new(bin.join("rustc"))
            .env_remove("RUSTUP_TOOLCHAIN")
            .env_remove("LD_LIBRARY_PATH")
            .args(flag)
            .read()
            .ok()
    };
    let version = rustc(&["-V"])?.trim().to_owned();
    let sysroot = PathBuf::from(rustc(&["--print", "sysroot"])?.trim());
    let rustlib = sysroot.join("lib/rustlib");
    let has_target = rustlib.join(target).join("lib").read_dir().is_ok_and(|mut files| {
        files.any(|file| file.is_ok_and(|file| file.file_name().to_string_lossy().starts_with("libcore-")))
    });
    let has_source = rustlib.join("src/rust/library/core/Cargo.toml").is_file();
    let has_rust_lld = rustlib
        .read_dir()
        .is_ok_and(|mut dirs| dirs.any(|dir| dir.is_ok_and(|dir| dir.path().join("bin/rust-lld").is_file())));
    Some(Candidate { bin: bin.to_owned(), sysroot, version, has_target, has_source, has_rust_lld })
}

fn lld() -> Option<PathBuf> {
    llvm("ld.lld")
}

/// A tool of LLVM's that the system has, under its plain name or with a version in its name (newest
/// first).
pub fn llvm(tool: &str) -> Option<PathBuf> {
    which(tool).or_else(|| (14..40).rev().find_map(|n| which(&format!("{tool}-{n}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(bin: &str, version: &str) -> Candidate {
        Candidate {
            bin: bin.into(),
            sysroot: bin.into(),
            version: format!("rustc {version} (0 2026-01-01)"),
            has_target: false,
            has_source: false,
            has_rust_lld: true,
        }
    }

    #[test]
    fn an_installed_target_is_preferred_to_building_the_library() {
        let source = Candidate { has_source: true, ..candidate("/a", "1.95.0") };
        let target = Candidate { has_target: true, ..candidate("/b", "1.88.0-nightly") };
        let chosen = choose("thumbv7m-none-eabi", "core", &[source, target], None).unwrap();
        assert_eq!(chosen.libraries, Libraries::Installed);
        assert_eq!(
            chosen.cargo("build", &[]).to_string(),
            Toolchain { bin: "/b".into(), ..chosen }.cargo("build", &[]).to_string()
        );
    }

    #[test]
    fn an_old_compiler_is_passed_over() {
        let old = Candidate { has_target: true, ..candidate("/a", "1.63.0") };
        let missing = choose("thumbv7m-none-eabi", "core", &[old], None).unwrap_err();
        assert!(missing.to_string().contains("too old"), "{missing}");
        assert!(missing.to_string().contains("rustup target add thumbv7m-none-eabi"));
    }

    #[test]
    fn debian_builds_the_library_and_links_with_its_own_lld() {
        let debian = Candidate { has_source: true, has_rust_lld: false, ..candidate("/usr/bin", "1.96.0") };
        let lld = PathBuf::from("/usr/bin/ld.lld");
        let target = "thumbv8m.main-none-eabi";
        let chosen = choose(target, "core", std::slice::from_ref(&debian), Some(lld)).unwrap();
        let line = chosen.cargo("build", &["-Clink-arg=-Tlink.x"]).to_string();
        for part in [
            "RUSTC=/usr/bin/rustc",
            "RUSTC_BOOTSTRAP=1",
            "CARGO_TARGET_THUMBV8M_MAIN_NONE_EABI_LINKER=/usr/bin/ld.lld",
            "CARGO_TARGET_THUMBV8M_MAIN_NONE_EABI_RUSTFLAGS=-Clink-arg=-Tlink.x",
            "/usr/bin/cargo build --target thumbv8m.main-none-eabi -Zbuild-std=core",
        ] {
            assert!(line.contains(part), "{part} is not in {line}");
        }
        assert_eq!(chosen.compiler(), "rustc 1.96.0, -Zbuild-std=core");
        let missing = choose(target, "core", &[debian], None).unwrap_err();
        assert!(missing.to_string().contains("no lld"), "{missing}");
    }

    #[test]
    fn an_operating_system_has_a_linker_of_its_own() {
        let debian = Candidate { has_source: true, has_rust_lld: false, ..candidate("/usr/bin", "1.96.0") };
        let std = "std,panic_abort";
        let chosen = choose("x86_64-unknown-freebsd", std, &[debian], None).unwrap();
        assert_eq!(chosen.linker, None);
        assert!(chosen.to_string().contains("-Zbuild-std=std,panic_abort"));
    }

    #[test]
    fn the_compiler_that_builds_this_test_is_found() {
        let found = candidates("x86_64-unknown-linux-gnu");
        assert!(found.iter().any(|candidate| recent(&candidate.version)), "{found:?}");
    }
}
