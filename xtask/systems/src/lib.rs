//! Operating systems besides FreeBSD, and Linux on other machines than this one: what runs, links and
//! builds for them from here.
//!
//! One row is all there is to know of a system. Those of Linux are built by a cross compiler and run by
//! QEMU's emulator of a process, or as they are. The others are named in the manifests of their ports; a
//! program that has the conformance suite in it is linked by zig, or the crates are compiled.

pub mod new_port;
mod wasi;

use anyhow::{Context as _, Result};
use judge::{Summary, cargo_test};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use toolchain::command::{Command, which};
use toolchain::targets::{TARGETS, Tier};
use toolchain::workspace;

/// A system, or Linux on a machine.
#[derive(Clone, Debug)]
pub struct System {
    /// Rust's name of the target.
    pub triple: &'static str,
    what: &'static str,
    proof: Proof,
}

/// How far it is proved.
#[derive(Clone, Debug)]
enum Proof {
    Runs(Runs),
    /// In Node, which has threads for it.
    Workers,
    /// By zig, for its name of the target.
    Links(&'static str),
    Builds,
}

/// What it takes to run programs of it here.
#[derive(Clone, Debug)]
struct Runs {
    /// The C compiler, which links.
    compiler: &'static str,
    /// Where its C library is, for the emulator.
    root: &'static str,
    /// The emulator; none where this processor runs it.
    emulator: Option<&'static str>,
    flags: &'static [&'static str],
    /// Debian's packages.
    packages: &'static [&'static str],
}

const NATIVE: Runs = Runs { compiler: "", root: "", emulator: None, flags: &[], packages: &[] };

const LINUX: &[System] = &[
    System {
        triple: "aarch64-unknown-linux-gnu",
        what: "Linux on ARM, in QEMU's user mode",
        proof: Proof::Runs(Runs {
            compiler: "aarch64-linux-gnu-gcc",
            root: "/usr/aarch64-linux-gnu",
            emulator: Some("qemu-aarch64"),
            packages: &["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross", "qemu-user"],
            ..NATIVE
        }),
    },
    System {
        triple: "riscv64gc-unknown-linux-gnu",
        what: "Linux on RISC-V, in QEMU's user mode",
        proof: Proof::Runs(Runs {
            compiler: "riscv64-linux-gnu-gcc",
            root: "/usr/riscv64-linux-gnu",
            emulator: Some("qemu-riscv64"),
            packages: &["gcc-riscv64-linux-gnu", "libc6-dev-riscv64-cross", "qemu-user"],
            ..NATIVE
        }),
    },
    System {
        triple: "armv7-unknown-linux-gnueabihf",
        what: "Linux on 32-bit ARM, in QEMU's user mode",
        proof: Proof::Runs(Runs {
            compiler: "arm-linux-gnueabihf-gcc",
            root: "/usr/arm-linux-gnueabihf",
            emulator: Some("qemu-arm"),
            packages: &["gcc-arm-linux-gnueabihf", "libc6-dev-armhf-cross", "qemu-user"],
            ..NATIVE
        }),
    },
    System {
        triple: "i686-unknown-linux-gnu",
        what: "Linux with 32-bit words, on this processor",
        proof: Proof::Runs(Runs {
            // Not gcc-multilib, which Debian does not install beside the cross compilers.
            compiler: "i686-linux-gnu-gcc",
            flags: &[
                "-Clink-arg=-Wl,--dynamic-linker=/usr/i686-linux-gnu/lib/ld-linux.so.2",
                "-Clink-arg=-Wl,-rpath=/usr/i686-linux-gnu/lib",
            ],
            packages: &["gcc-i686-linux-gnu", "libc6-dev-i386-cross"],
            ..NATIVE
        }),
    },
    System {
        triple: "x86_64-unknown-linux-musl",
        what: "Linux with musl, linked statically",
        // The target brings its own C library.
        proof: Proof::Runs(Runs { compiler: "cc", ..NATIVE }),
    },
];

const WASI: System = System {
    triple: "wasm32-wasip1-threads",
    what: "WebAssembly with threads, in Node",
    proof: Proof::Workers,
};

/// Built from the library's sources, where no toolchain has the target.
const STD: &str = "std,panic_abort";

/// The rows of the ports, as `[package.metadata.extram]` of their manifests has them.
#[derive(serde::Deserialize)]
struct Row {
    triple: String,
    what: String,
    /// Zig's name of the target, if it can link for it.
    zig: Option<String>,
}

/// Those above, and those that ports name.
pub fn systems() -> &'static [System] {
    static ALL: OnceLock<Vec<System>> = OnceLock::new();
    ALL.get_or_init(|| {
        let rows = rows(workspace()).expect("the manifests of ports/");
        let system = |row: Row| System {
            triple: row.triple.leak(),
            what: row.what.leak(),
            proof: row.zig.map_or(Proof::Builds, |zig| Proof::Links(zig.leak())),
        };
        LINUX.iter().cloned().chain([WASI]).chain(rows.into_iter().map(system)).collect()
    })
}

fn rows(root: &Path) -> Result<Vec<Row>> {
    let mut manifests: Vec<_> =
        root.join("ports").read_dir()?.flatten().map(|port| port.path().join("Cargo.toml")).collect();
    manifests.sort();
    let mut rows = Vec::new();
    for manifest in manifests.iter().filter(|manifest| manifest.is_file()) {
        let text = std::fs::read_to_string(manifest)?;
        let of = || -> Result<Vec<Row>> {
            let mut table: toml::Table = toml::from_str(&text)?;
            let mut find = || {
                let package = table.get_mut("package")?.as_table_mut()?;
                package.get_mut("metadata")?.get_mut("extram")?.as_table_mut()?.remove("targets")
            };
            Ok(find().map(toml::Value::try_into).transpose()?.unwrap_or_default())
        };
        rows.extend(of().with_context(|| manifest.display().to_string())?);
    }
    Ok(rows)
}

impl System {
    fn tier(&self) -> Tier {
        match self.proof {
            Proof::Runs(_) | Proof::Workers => Tier::Runs,
            Proof::Links(_) => Tier::Links,
            Proof::Builds => Tier::Builds,
        }
    }

    /// What is missing to prove it here.
    fn missing(&self) -> Option<String> {
        let install = "run cargo xtask setup --target";
        let missing = match &self.proof {
            Proof::Runs(runs) => {
                let tools = [Some(runs.compiler), runs.emulator];
                tools.into_iter().flatten().find(|tool| which(tool).is_none())
            }
            Proof::Workers => which("node").is_none().then_some("node"),
            Proof::Links(_) => freebsd::zig::find().is_none().then_some("zig"),
            Proof::Builds => None,
        };
        let toolchain = || toolchain::for_target(self.triple, STD).err().map(|error| error.to_string());
        missing.map(|tool| format!("no {tool}; {install} {}", self.triple)).or_else(toolchain)
    }

    /// Its lane.
    pub fn lane(&self) -> Result<Summary> {
        if let Some(missing) = self.missing() {
            return Ok(Summary::skipped(self.triple, &missing));
        }
        match &self.proof {
            Proof::Runs(runs) => self.run(runs),
            Proof::Workers => wasi::run(self.triple, self.cargo("build", &[])?),
            Proof::Links(zig) => Ok(Summary::of("a program with the suite links", self.link(zig))),
            Proof::Builds => {
                let crates = ["-p", "extram", "-p", "extram-capi", "-p", "extram-conformance"];
                let check = self.cargo("check", &[])?.args(crates);
                Ok(Summary::of("the crates compile", check.run()))
            }
        }
    }

    fn cargo(&self, verb: &str, flags: &[&str]) -> Result<Command> {
        let flags = [&["-Dwarnings"], flags].concat();
        let dir = workspace();
        let command = toolchain::for_target(self.triple, STD)?.cargo(verb, &flags).dir(dir);
        // Emulated, what is not optimised is slow. The checks of the debug profile stay on.
        Ok(command
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .arg("--target-dir")
            .arg(dir.join("target/systems")))
    }

    /// The conformance suite, the ports' tests, and those of the facade and the C face that neither start
    /// programs (an emulated one cannot) nor compile any.
    fn run(&self, runs: &Runs) -> Result<Summary> {
        let lower = self.triple.replace('-', "_");
        let upper = lower.to_uppercase();
        let mut test = self
            .cargo("test", runs.flags)?
            .env(format!("CARGO_TARGET_{upper}_LINKER"), runs.compiler)
            .env(format!("CC_{lower}"), runs.compiler)
            .env("EXTRAM_SCALE", "0.05")
            .args(["--no-fail-fast", "--lib", "--test", "native", "--test", "pool", "--test", "contexts"])
            .args(["-p", "extram-conformance", "-p", "extram", "-p", "extram-capi", "-p", "extram-posix"])
            .args(["-p", "extram-port-linux"]);
        if let Some(emulator) = runs.emulator {
            test = test.env(format!("CARGO_TARGET_{upper}_RUNNER"), format!("{emulator} -L {}", runs.root));
        }
        let Some(emulator) = runs.emulator else { return cargo_test(&test) };
        let why = format!("{emulator} knows no seccomp");
        let mut summary = Summary::skipped(SANDBOX, &why);
        summary += cargo_test(&test.args(["--", "--skip", SANDBOX]))?;
        Ok(summary)
    }

    fn link(&self, target: &str) -> Result<()> {
        let zig = freebsd::zig::find().context("no zig")?;
        let upper = self.triple.replace('-', "_").to_uppercase();
        let linker = write_linker(&workspace().join("target/systems"), &zig, target)?;
        let example = ["-p", "extram-conformance", "--example", "native"];
        let build = self.cargo("build", &[])?.env(format!("CARGO_TARGET_{upper}_LINKER"), linker);
        build.args(example).run()
    }
}

/// A test that puts itself into a sandbox.
const SANDBOX: &str = "giving_way_asks_the_system";

const WINDOWS: &str = "-windows-";

/// The system of that name.
#[cfg(test)]
fn find(triple: &str) -> Option<&'static System> {
    systems().iter().find(|system| system.triple == triple)
}

/// What Debian has of what a target needs; all, if none is named.
fn packages(target: Option<&str>) -> Vec<&'static str> {
    let of = |system: &System| match &system.proof {
        Proof::Runs(runs) => runs.packages,
        Proof::Workers => &["nodejs"],
        Proof::Links(_) | Proof::Builds => &[],
    };
    wanted(target).flat_map(of).copied().collect()
}

fn wanted(target: Option<&str>) -> impl Iterator<Item = &'static System> {
    systems().iter().filter(move |system| target.is_none_or(|target| target == system.triple))
}

/// Installs what one target needs, or all of them: packages, zig, FreeBSD's, and the targets where rustup
/// manages the toolchains.
pub fn setup(target: Option<&str>) -> Result<()> {
    if let Some(target) = target {
        anyhow::ensure!(
            tiers().any(|(triple, _)| triple == target),
            "no target {target}; cargo xtask targets lists them"
        );
    }
    toolchain::setup::packages(packages(target))?;
    if wanted(target).any(|system| matches!(system.proof, Proof::Links(_))) {
        freebsd::zig::install()?;
    }
    if which("rustup").is_some() {
        // Those of Windows have a lane of their own.
        let windows = TARGETS.iter().map(|row| row.triple).filter(|triple| triple.contains(WINDOWS));
        let windows = windows.filter(|_| target.is_none_or(|target| target.contains(WINDOWS)));
        for triple in wanted(target).map(|system| system.triple).chain(windows) {
            // Some are not there; then it has to be built from the sources.
            let _ = Command::new("rustup").args(["target", "add", triple]).status();
        }
    }
    for system in wanted(target) {
        if let Some(missing) = system.missing() {
            println!("missing for {}: {missing}", system.triple);
        }
    }
    if target.is_none_or(|target| target.ends_with("-freebsd")) {
        freebsd::setup(target)?;
    }
    Ok(())
}

/// Every target, and how far it is proved.
pub fn tiers() -> impl Iterator<Item = (&'static str, Tier)> {
    let rows = TARGETS.iter().map(|target| (target.triple, target.tier));
    rows.chain(systems().iter().map(|system| (system.triple, system.tier())))
}

/// Prints the table of all targets. With `require` it fails unless each can be proved as far as it says here.
pub fn targets(require: bool) -> Result<()> {
    let mut lacking = toolchain::targets::print();
    for system in systems() {
        println!("{:<30} {:<7} {}", system.triple, system.tier(), system.what);
        match system.missing() {
            Some(missing) => {
                println!("{:<30} not on this machine: {missing}", "");
                lacking.push(system.triple);
            }
            None => println!("{:<30} all of that works here", ""),
        }
    }
    lacking.dedup();
    if require && !lacking.is_empty() {
        anyhow::bail!("cannot be built or run here: {}", lacking.join(", "));
    }
    Ok(())
}

/// A script, because cargo takes one word for a linker. Zig has none of the libraries that the standard
/// library names and does not use.
fn write_linker(dir: &Path, zig: &Path, target: &str) -> Result<PathBuf> {
    let path = dir.join(format!("ld-{target}"));
    let zig = zig.display();
    let text = format!(
        "#!/bin/sh\nfor word do\n    shift\n    case $word in\n        -liconv|-lexecinfo|-lkvm) ;;\n        \
         *) set -- \"$@\" \"$word\" ;;\n    esac\ndone\nexec {zig} cc -target {target} \"$@\"\n"
    );
    std::fs::create_dir_all(dir)?;
    std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linker_leaves_the_unused_libraries_out_and_keeps_every_other_word() {
        let dir = tempfile::tempdir().unwrap();
        let linker = write_linker(dir.path(), Path::new("echo"), "t").unwrap();
        let said =
            Command::new(linker).args(["-lc", "-liconv", "a b", "-lexecinfo", "-lkvmx"]).read().unwrap();
        assert_eq!(said, "cc -target t -lc a b -lkvmx\n");
    }

    #[test]
    fn the_manifests_of_the_ports_name_systems() {
        for triple in ["x86_64-unknown-openbsd", "aarch64-apple-darwin", "aarch64-linux-android"] {
            assert!(find(triple).is_some(), "{triple}");
        }
        assert_eq!(find("x86_64-unknown-netbsd").unwrap().tier(), Tier::Links);
        let root = tempfile::tempdir().unwrap();
        let port = root.path().join("ports/demo");
        std::fs::create_dir_all(&port).unwrap();
        std::fs::write(port.join("Cargo.toml"), "[package.metadata.extram]\ntargets = [{ triple = 3 }]")
            .unwrap();
        assert!(format!("{:#}", rows(root.path()).err().unwrap()).contains("demo"));
    }

    #[test]
    fn each_system_is_found_by_its_name_and_says_what_it_needs() {
        assert!(find("aarch64-unknown-linux-gnu").is_some() && find("aarch64").is_none());
        assert!(packages(Some("i686-unknown-linux-gnu")).contains(&"gcc-i686-linux-gnu"));
        assert!(packages(Some("x86_64-apple-darwin")).is_empty());
        assert!(packages(None).contains(&"qemu-user"));
        let nowhere = Runs { compiler: "no-such-compiler", ..NATIVE };
        let system = System { triple: "t", what: "", proof: Proof::Runs(nowhere) };
        let missing = system.missing().unwrap();
        assert!(missing.contains("no-such-compiler") && missing.contains("setup --target t"), "{missing}");
        assert_eq!(system.lane().unwrap().skipped, 1);
    }
}
