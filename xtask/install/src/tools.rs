//! What links, renames and packs for a target, found before anything is built.

use crate::dll;
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use toolchain::command::{Command, which};

/// What kind of libraries a target has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    /// A static one, and a shared one with versions of symbols.
    Elf,
    /// A static one, a DLL and its import library.
    Windows,
    /// A static one: no operating system, no C library to count on.
    Bare,
}

impl System {
    pub(crate) fn of(target: &str) -> Result<Self> {
        let elf = ["-linux-", "-android", "-freebsd", "-netbsd", "-openbsd", "-dragonfly"];
        match () {
            () if target.contains("-none") => Ok(System::Bare),
            () if target.ends_with("-windows-gnu") => Ok(System::Windows),
            () if elf.iter().any(|system| target.contains(system)) => Ok(System::Elf),
            () => bail!(
                "install does not know the libraries of {target}, but those of Linux, Android, the BSDs, \
                 Windows (…-windows-gnu) and machines without an operating system"
            ),
        }
    }
}

/// Who makes an exchange of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exchanges {
    /// The processor.
    Processor,
    /// One core, which masks interrupts for it.
    Masked,
}

impl Exchanges {
    /// Which it is, or why it cannot be that.
    pub(crate) fn of(target: &str, single_core: bool) -> Result<Self> {
        let has = cfg(target)?.lines().any(|line| line == "target_has_atomic=\"ptr\"");
        match (has, single_core) {
            (true, false) => Ok(Exchanges::Processor),
            (false, true) => Ok(Exchanges::Masked),
            (true, true) => {
                bail!("--single-core is for processors without compare-exchange; {target} has one")
            }
            (false, false) => bail!(
                "{target} has no compare-exchange: if there is one core, and the program may mask interrupts, \
                 say --single-core"
            ),
        }
    }

    /// For the compiler.
    pub(crate) fn flags(self) -> &'static [&'static str] {
        match self {
            Exchanges::Processor => &[],
            Exchanges::Masked => &["--cfg=portable_atomic_unsafe_assume_single_core"],
        }
    }
}

/// Who links several objects into one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Linker {
    Gnu,
    Lld,
}

/// The programs, and what has to be known of them.
#[derive(Debug)]
pub(crate) struct Tools {
    /// A compiler with its first arguments; without an operating system a linker.
    compiler: Vec<String>,
    pub(crate) linker: Linker,
    objcopy: PathBuf,
    ar: PathBuf,
    pub(crate) pointer_bytes: u32,
    /// What the compiler is short of: with musl the unwinder of a C compiler may be for another library.
    pub(crate) lacks_unwinder: bool,
}

impl Tools {
    pub(crate) fn find(target: &str, host: &str, system: System) -> Result<Self> {
        let pointer_bytes = pointer_bytes(target)?;
        if system == System::Bare {
            return Tools::llvm(target, pointer_bytes);
        }
        let named = std::env::var("CC").ok().filter(|named| !named.trim().is_empty());
        let usual = named.or_else(|| usual_compiler(target, host));
        let Some(named) = usual else { bail!("CC has to name a C compiler that links for {target}") };
        let compiler: Vec<String> = named.split_whitespace().map(str::to_owned).collect();
        if !is_there(&compiler[0]) {
            bail!(
                "there is no {} to link for {target} with: install it, or let CC name another",
                compiler[0]
            );
        }
        let linker = is_for(target, &compiler)?;
        let tool = |name: &str| match std::env::var_os(name.to_uppercase()) {
            Some(named) => Ok(PathBuf::from(named)),
            None => beside(&compiler, name),
        };
        let (objcopy, ar) = (tool("objcopy")?, tool("ar")?);
        let lacks_unwinder = target.ends_with("-musl") && !unwinds(&compiler)?;
        Ok(Tools { compiler, linker, objcopy, ar, pointer_bytes, lacks_unwinder })
    }

    /// For any processor.
    fn llvm(target: &str, pointer_bytes: u32) -> Result<Self> {
        let tool = |name: &str| {
            let found = toolchain::llvm(name);
            found.with_context(|| format!("there is no {name} (cargo xtask setup --target {target})"))
        };
        let compiler = vec![tool("ld.lld")?.display().to_string()];
        let (objcopy, ar) = (tool("llvm-objcopy")?, tool("llvm-ar")?);
        Ok(Tools { compiler, linker: Linker::Lld, objcopy, ar, pointer_bytes, lacks_unwinder: false })
    }

    /// The compiler, or the linker by itself.
    pub(crate) fn compiler(&self) -> Command {
        start(&self.compiler)
    }

    /// A word for the linker, as the compiler takes it.
    pub(crate) fn to_linker(&self, word: &str) -> String {
        if self.compiler[0].contains("ld.lld") { word.to_owned() } else { format!("-Wl,{word}") }
    }

    pub(crate) fn objcopy(&self) -> Command {
        Command::new(&self.objcopy)
    }

    pub(crate) fn ar(&self) -> Command {
        Command::new(&self.ar)
    }
}

fn start(compiler: &[String]) -> Command {
    Command::new(&compiler[0]).args(&compiler[1..])
}

fn is_there(program: &str) -> bool {
    which(program).is_some() || Path::new(program).is_file()
}

/// As Debian names its cross compilers, and others theirs.
fn usual_compiler(target: &str, host: &str) -> Option<String> {
    if target == host {
        return Some("cc".to_owned());
    }
    if let Some(compiler) = dll::compiler(target) {
        return Some(compiler.to_owned());
    }
    let (arch, environment) = target.split_once("-unknown-linux-")?;
    let arch = match arch {
        "armv7" => "arm",
        "riscv64gc" => "riscv64",
        "i586" => "i686",
        other => other,
    };
    let cross = format!("{arch}-linux-{environment}-gcc");
    let wrapper = environment == "musl" && target.split('-').next() == host.split('-').next();
    Some(if wrapper && !is_there(&cross) { "musl-gcc".to_owned() } else { cross })
}

/// That the compiler's programs are for the target; and who links them.
fn is_for(target: &str, compiler: &[String]) -> Result<Linker> {
    let named = compiler.join(" ");
    let ask = |word: &str| start(compiler).arg(word).read();
    let machine = ask("-dumpmachine").unwrap_or_default();
    if machine.trim().is_empty() {
        bail!("{named} is no C compiler: it does not answer -dumpmachine");
    }
    if !same_processor(target, machine.trim()) {
        bail!("{named} links for {}, not for {target}: CC has to name another compiler", machine.trim());
    }
    if target.ends_with("-musl") && glibc(compiler)? {
        bail!("{named} compiles for glibc, not for {target}: CC has to name another compiler");
    }
    let linker = ask("-Wl,--version").unwrap_or_default();
    Ok(if linker.contains("GNU ld") || linker.contains("GNU Binutils") { Linker::Gnu } else { Linker::Lld })
}

/// Of the two names of a target.
fn same_processor(target: &str, machine: &str) -> bool {
    let family = |name: &str| {
        let name = name.split('-').next().unwrap_or_default().to_owned();
        let is = |begin: &str| name.starts_with(begin);
        match () {
            () if is("arm") || is("thumb") => "arm".to_owned(),
            () if is("riscv64") => "riscv64".to_owned(),
            () if ["amd64", "x86_64"].contains(&&*name) => "x86_64".to_owned(),
            () if ["arm64", "aarch64"].contains(&&*name) => "aarch64".to_owned(),
            () if name.len() == 4 && is("i") && name.ends_with("86") => "x86".to_owned(),
            () if is("powerpc64le") || is("ppc64le") => "powerpc64le".to_owned(),
            () => name,
        }
    };
    // `arm64` is aarch64, and `arm` is not.
    let (ours, theirs) =
        (family(&target.replace("arm64", "aarch64")), family(&machine.replace("arm64", "aarch64")));
    ours == theirs
}

fn glibc(compiler: &[String]) -> Result<bool> {
    let source = probe("features.c", "#include <features.h>\nis __GLIBC__\n")?;
    let expanded = start(compiler).args(["-E", "-P"]).arg(source.path()).read()?;
    Ok(!expanded.contains("is __GLIBC__"))
}

fn unwinds(compiler: &[String]) -> Result<bool> {
    let text = "int _Unwind_Backtrace(void *, void *);\nint main(void) { return _Unwind_Backtrace(0, 0); }\n";
    let source = probe("unwinds.c", text)?;
    Ok(start(compiler).arg(source.path()).arg("-o").arg(source.beside("unwinds")).read().is_ok())
}

/// A source to try the compiler with, in a folder that goes with it.
struct Probe(PathBuf, &'static str);

fn probe(name: &'static str, text: &str) -> Result<Probe> {
    let folder = std::env::temp_dir().join(format!("extram-install-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let probe = Probe(folder, name);
    std::fs::write(probe.path(), text)?;
    Ok(probe)
}

impl Probe {
    fn path(&self) -> PathBuf {
        self.0.join(self.1)
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // Left behind, it disturbs nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The tool that belongs to the compiler, or LLVM's, which takes every target.
fn beside(compiler: &[String], name: &str) -> Result<PathBuf> {
    let said = start(compiler).arg(format!("-print-prog-name={name}")).read().unwrap_or_default();
    let said = said.trim();
    let own = (!said.is_empty() && is_there(said)).then(|| PathBuf::from(said));
    own.or_else(|| toolchain::llvm(&format!("llvm-{name}")))
        .with_context(|| format!("there is no {name}: {} has to name one", name.to_uppercase()))
}

/// Also says whether the target exists.
/// What the compiler says of a target.
fn cfg(target: &str) -> Result<String> {
    let said = Command::new("rustc").args(["--print", "cfg", "--target", target]).read();
    said.or_else(|_| bail!("rustc knows no target {target}"))
}

fn pointer_bytes(target: &str) -> Result<u32> {
    let said = cfg(target)?;
    let width = said.lines().find_map(|line| line.strip_prefix("target_pointer_width=\"")?.strip_suffix('"'));
    Ok(width.context("rustc tells no target_pointer_width")?.parse::<u32>()? / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_makes_exchanges_is_asked_where_the_processor_does_not() {
        assert_eq!(Exchanges::of("thumbv7m-none-eabi", false).unwrap(), Exchanges::Processor);
        assert!(Exchanges::of("thumbv7m-none-eabi", true).is_err());
        assert_eq!(Exchanges::of("thumbv6m-none-eabi", true).unwrap(), Exchanges::Masked);
        let refused = Exchanges::of("riscv32imc-unknown-none-elf", false).unwrap_err().to_string();
        assert!(refused.contains("--single-core"), "{refused}");
    }

    #[test]
    fn each_target_has_its_compiler_or_none() {
        let host = "x86_64-unknown-linux-gnu";
        let of = |target| usual_compiler(target, host);
        assert_eq!(of(host).as_deref(), Some("cc"));
        assert_eq!(of("aarch64-unknown-linux-gnu").as_deref(), Some("aarch64-linux-gnu-gcc"));
        assert_eq!(of("armv7-unknown-linux-gnueabihf").as_deref(), Some("arm-linux-gnueabihf-gcc"));
        assert_eq!(of("aarch64-unknown-linux-musl").as_deref(), Some("aarch64-linux-musl-gcc"));
        assert_eq!(of("x86_64-unknown-freebsd"), None);
    }

    #[test]
    fn a_compiler_for_another_processor_is_told_apart() {
        assert!(same_processor("x86_64-unknown-linux-musl", "x86_64-linux-gnu"));
        assert!(same_processor("i686-pc-windows-gnu", "i586-w64-mingw32"));
        assert!(same_processor("x86_64-unknown-freebsd", "amd64-unknown-freebsd14.2"));
        assert!(same_processor("armv7-unknown-linux-gnueabihf", "arm-linux-gnueabihf"));
        assert!(!same_processor("aarch64-unknown-linux-gnu", "x86_64-linux-gnu"));
        assert!(!same_processor("aarch64-unknown-linux-gnu", "arm-linux-gnueabihf"));
    }

    #[test]
    fn what_install_does_not_know_it_says() {
        assert_eq!(System::of("thumbv7m-none-eabi").unwrap(), System::Bare);
        assert_eq!(System::of("x86_64-pc-windows-gnu").unwrap(), System::Windows);
        assert_eq!(System::of("aarch64-unknown-linux-musl").unwrap(), System::Elf);
        let error = System::of("aarch64-apple-darwin").unwrap_err().to_string();
        assert!(error.contains("aarch64-apple-darwin") && !error.contains('\n'), "{error}");
        assert_eq!(
            pointer_bytes("no-such-linux-target").unwrap_err().to_string(),
            "rustc knows no target no-such-linux-target"
        );
        assert_eq!(pointer_bytes("thumbv7m-none-eabi").unwrap(), 4);
    }
}
