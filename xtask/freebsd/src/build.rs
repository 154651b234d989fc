//! Building for FreeBSD on another system: the toolchain, the linker, the C compiler.
//!
//! Without a base, `zig cc` links, against the symbol lists of FreeBSD 14.0; its start-up code
//! needs a symbol of that release. With a base that has `usr/lib/Scrt1.o`, clang and lld link
//! against the base itself, so the program runs on that release. On FreeBSD everything is native.

use super::scripts::{Script, fingerprint};
use super::zig;
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toolchain::command::{Command, Ended, Stream, which};
use toolchain::workspace;

/// What of the standard library has to be built where no toolchain has the target.
pub(super) const STD: &str = "std,panic_unwind";

/// What is tested on FreeBSD, all crates that run there.
const PACKAGES: &[&str] = &[
    "extram",
    "extram-baselines",
    "extram-capi",
    "extram-conformance",
    "extram-core",
    "extram-elf-tls",
    "extram-faults",
    "extram-herd",
    "extram-hosted",
    "extram-port-freebsd",
    "extram-posix",
    "extram-soak",
];

/// How long one cargo may take before it is taken for hung.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// What there is to run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tests {
    /// The test programs.
    pub(crate) programs: Vec<PathBuf>,
    /// Programs that they start and libraries that they load: by the path that they have here,
    /// which is compiled in.
    pub(crate) companions: Vec<PathBuf>,
}

/// Builds and links every test program for `target`. `base` is FreeBSD itself, unpacked; it is
/// linked against if it has the files for that.
pub(crate) fn build_tests(target: &str, base: Option<&Path>) -> Result<Tests> {
    let cross = Cross::find(target, base)?;
    let packages = PACKAGES.iter().flat_map(|package| ["-p", package]);
    let mut tests = cross.build(cross.cargo("test")?.arg("--no-run").args(packages))?;
    // The suite as a port without an allocator builds it.
    let bare = ["--no-run", "-p", "extram-conformance", "--no-default-features", "--test", "no_heap"];
    tests.programs.extend(cross.build(cross.cargo("test")?.args(bare))?.programs);
    Ok(tests)
}

/// Builds one program of the workspace for `target`, optimised.
pub(crate) fn build_program(target: &str, base: Option<&Path>, package: &str, bin: &str) -> Result<PathBuf> {
    let cross = Cross::find(target, base)?;
    let built = cross.build(cross.cargo("build")?.args(["--release", "-p", package, "--bin", bin]))?;
    let mut programs = built.companions.into_iter();
    programs
        .find(|program| program.file_name() == Some(bin.as_ref()))
        .with_context(|| format!("cargo built no program {bin}"))
}

/// `pool` for `target/…/deps/pool-0123456789abcdef`.
pub(super) fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.rsplit_once('-').map_or(&*name, |(name, _)| name).to_owned()
}

/// What it takes to build for one target.
struct Cross {
    target: String,
    toolchain: toolchain::Toolchain,
    tools: Tools,
    /// Whether there is a system to run it on.
    runs: bool,
}

/// Who compiles C and who links.
enum Tools {
    /// This is FreeBSD.
    Native,
    /// Shell scripts, because cargo and the cc crate take one word for a program.
    Scripts { compiler: PathBuf, linker: PathBuf },
}

impl Cross {
    fn find(target: &str, base: Option<&Path>) -> Result<Self> {
        let toolchain = toolchain::for_target(target, STD)?;
        let tools = Tools::find(target, base)?;
        let runs = base.is_some() || matches!(tools, Tools::Native);
        Ok(Self { target: target.to_owned(), toolchain, tools, runs })
    }

    /// `cargo VERB` for the target, in a target directory of its own.
    fn cargo(&self, verb: &str) -> Result<Command> {
        // Clippy does not see this target; the compiler's own lints are as strict as elsewhere.
        let mut command = self.toolchain.cargo(verb, &["-Dwarnings"]).dir(workspace());
        if let Tools::Scripts { compiler, linker } = &self.tools {
            let lower = self.target.replace('-', "_");
            command = command
                .env(format!("CARGO_TARGET_{}_LINKER", lower.to_uppercase()), linker)
                .env(format!("CC_{lower}"), compiler)
                // Zig brings its own; the host's `ar` serves both.
                .env(format!("AR_{lower}"), "ar");
        }
        // Under emulation an unoptimised standard library is slow; the checks of the debug profile
        // stay on. What is only linked need not be fast. Without debug information the programs
        // are a tenth of the size.
        Ok(command
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", if self.runs { "1" } else { "0" })
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .args(["--message-format", "json-render-diagnostics", "--target-dir"])
            .arg(workspace().join("target/freebsd").join(self.tools.name())))
    }

    /// Runs cargo and returns what it says it made.
    fn build(&self, cargo: Command) -> Result<Tests> {
        let mut messages = Vec::new();
        let ended = cargo.stream(LIMIT, |stream, chunk| match stream {
            Stream::Out => messages.extend_from_slice(chunk),
            Stream::Err => {
                use std::io::Write as _;
                let _ = std::io::stderr().write_all(chunk);
            }
        })?;
        match ended {
            Ended::Exited(status) if status.success() => made(&messages),
            Ended::Exited(status) => bail!("{status}: {cargo}"),
            Ended::TimedOut(limit) => bail!("no end after {} s: {cargo}", limit.as_secs()),
        }
    }
}

/// The programs and libraries named in cargo's messages, one JSON object a line.
fn made(messages: &[u8]) -> Result<Tests> {
    let mut made = Tests::default();
    for line in messages.split(|&byte| byte == b'\n').filter(|line| line.starts_with(b"{")) {
        let message: serde_json::Value = serde_json::from_slice(line).context("a message of cargo")?;
        if let Some(program) = message["executable"].as_str() {
            let test = message["profile"]["test"].as_bool() == Some(true);
            let list = if test { &mut made.programs } else { &mut made.companions };
            list.push(PathBuf::from(program));
        }
        let files = message["filenames"].as_array().into_iter().flatten().filter_map(|file| file.as_str());
        if message["target"]["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "cdylib"))
        {
            made.companions.extend(files.filter(|file| file.ends_with(".so")).map(PathBuf::from));
        }
    }
    Ok(made)
}

/// Whether programs are linked against this base, and not by zig.
pub(crate) fn serves_as_sysroot(base: &Path) -> bool {
    base.join("usr/lib/Scrt1.o").is_file()
}

/// Whether C can be compiled with the base's own headers.
pub(crate) fn has_headers(base: &Path) -> bool {
    base.join("usr/include/stdio.h").is_file()
}

impl Tools {
    fn find(target: &str, base: Option<&Path>) -> Result<Self> {
        if cfg!(target_os = "freebsd") && target.starts_with(std::env::consts::ARCH) {
            return Ok(Tools::Native);
        }
        let zig = zig::find();
        let zig_cc = zig.as_deref().map(|zig| Script::of(&zig::cc(zig, target)));
        let sysroot = base.filter(|base| serves_as_sysroot(base));
        let clang =
            |base| Ok::<_, anyhow::Error>(Script::of(&clang(target, base)?).with(base, fingerprint(base)?));
        let linker = match (sysroot, &zig_cc) {
            (Some(base), _) => clang(base)?,
            (None, Some(zig_cc)) => zig_cc.clone(),
            (None, None) => bail!("no zig to link with; run cargo xtask setup --target {target}"),
        };
        let compiler = match (sysroot.filter(|base| has_headers(base)), zig_cc) {
            (Some(base), _) => clang(base)?,
            (None, Some(zig_cc)) => zig_cc,
            (None, None) => bail!("no headers in the base and no zig to compile C with"),
        };
        let scripts = workspace().join("target/freebsd/scripts");
        let name = if sysroot.is_some() { "base" } else { "zig" };
        Ok(Tools::Scripts {
            compiler: compiler.write(&scripts, &format!("{name}-cc-{target}"))?,
            linker: linker.write(&scripts, &format!("{name}-ld-{target}"))?,
        })
    }

    /// The name of the target directory: what is linked differently is kept apart.
    fn name(&self) -> &str {
        match self {
            Tools::Native => "native",
            Tools::Scripts { linker, .. } => {
                let file = linker.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                file.split('-').next().unwrap_or("zig")
            }
        }
    }
}

/// clang and lld with a base as their system. The number is the oldest release that is supported;
/// it only chooses clang's defaults, the symbols are those of the base.
pub(crate) fn clang(target: &str, base: &Path) -> Result<Command> {
    let clang = which("clang").context("no clang to link against the base with")?;
    let base = base.canonicalize().with_context(|| base.display().to_string())?;
    Ok(Command::new(clang)
        .arg(format!("--target={target}13.0"))
        .arg(format!("--sysroot={}", base.display()))
        .args(["-fuse-ld=lld", "-Wno-unused-command-line-argument"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_among_cargos_messages() {
        let messages = br#"{"reason":"compiler-artifact","executable":null}
not JSON
{"reason":"compiler-artifact","profile":{"test":true},"executable":"/t/pool-1"}
{"reason":"compiler-artifact","profile":{"test":false},"executable":"/t/forked"}
{"target":{"kind":["cdylib","rlib"]},"filenames":["/t/libp.so","/t/libp.rlib"],"executable":null}
{"target":{"kind":["proc-macro"]},"filenames":["/t/libq.so"],"executable":null}
{"reason":"build-finished","success":true}
"#;
        let made_of_it = made(messages).unwrap();
        assert_eq!(made_of_it.programs, [PathBuf::from("/t/pool-1")]);
        assert_eq!(made_of_it.companions, ["/t/forked", "/t/libp.so"].map(PathBuf::from));
        assert!(made(b"{half").is_err());
    }

    #[test]
    fn without_zig_and_base_the_missing_tool_is_named() {
        // A base without start files is none to link against.
        let nowhere = Path::new("/nonexistent");
        if zig::find().is_none() {
            let error = Tools::find("x86_64-unknown-freebsd", Some(nowhere)).err().unwrap();
            assert!(error.to_string().contains("cargo xtask setup"), "{error}");
        } else {
            let tools = Tools::find("x86_64-unknown-freebsd", Some(nowhere)).unwrap();
            assert_eq!(tools.name(), "zig");
        }
    }
}
