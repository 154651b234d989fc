//! A FreeBSD *base*: the system that programs are linked against and run on.
//!
//! A directory that holds either an unpacked system, laid out as an installed one, or the two
//! distribution sets `base.txz` and `kernel.txz` of a release. Sets are unpacked once, into
//! `target/freebsd`.

use super::release::{Identity, Release, installed_by_packages, linked_for};
use super::{elf, grub};
use anyhow::{Context as _, Result, bail};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use toolchain::command::{Command, which};
use toolchain::workspace;

/// A base, unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) dir: PathBuf,
    /// Which release it is.
    pub(crate) identity: Identity,
}

/// What `--freebsd-base` names.
static CHOSEN: OnceLock<PathBuf> = OnceLock::new();

/// The kernel's place in a base.
const KERNEL: &str = "boot/kernel/kernel";
/// What a base is found or fetched for.
pub(super) const TARGETS: [&str; 2] = ["x86_64-unknown-freebsd", "aarch64-unknown-freebsd"];

/// The two sets of a release that make a base.
pub(crate) const SETS: [&str; 2] = ["base.txz", "kernel.txz"];

/// What may start the kernel, the better one first.
pub(super) const LOADERS: [&str; 2] = ["boot/loader_simp.efi", "boot/loader.efi"];
/// What starts every program.
const LINKER: &str = "libexec/ld-elf.so.1";
/// What every program loads.
const LIBRARIES: [&str; 2] = ["libc.so.7", "libthr.so.3"];
/// Where the runtime linker looks for libraries.
pub(super) const LIBRARY_DIRS: [&str; 2] = ["lib", "usr/lib"];

/// What to say of a base that was installed by packages, where it lacks something.
const PACKAGES: &str = "; its packages FreeBSD-kernel-generic, FreeBSD-bootloader and FreeBSD-clibs have the \
                        kernel, the loader and the libraries";

/// What is taken out of the sets. The rest is not needed and would be 1 GB more.
const MEMBERS: &[&str] = &[
    "./bin/freebsd-version",
    "./bin/sh",
    "./boot/kernel/kernel",
    "./boot/loader.efi",
    "./boot/loader_simp.efi",
    "./lib",
    "./libexec/ld-elf.so.1",
    "./usr/include",
    "./usr/lib",
];

/// Has every later run take this directory for its base.
pub fn choose(dir: &Path) {
    // A second directory cannot be given: there is one option.
    let _ = CHOSEN.set(dir.to_owned());
}

/// The base for a target: the directory that `--freebsd-base` or `FREEBSD_BASE` names, else the
/// newest release that `cargo xtask freebsd fetch` has brought. `None` if there is none; an error if there is one that
/// will not do.
pub(crate) fn find(target: &str) -> Result<Option<Base>> {
    let named = CHOSEN.get().cloned();
    let named =
        named.or_else(|| std::env::var_os("FREEBSD_BASE").filter(|dir| !dir.is_empty()).map(Into::into));
    let dir = named.or_else(|| newest(&cache(target)));
    dir.map(|dir| open(&dir, target, &unpacked())).transpose()
}

/// The newest release that has come whole.
fn newest(cache: &Path) -> Option<PathBuf> {
    let releases = std::fs::read_dir(cache).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    releases.filter(|dir| has_sets(dir)).max_by_key(|dir| {
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        let numbers = name.split(|c: char| !c.is_ascii_digit()).take(2);
        numbers.map(|number| number.parse().unwrap_or(0)).collect::<Vec<u32>>()
    })
}

fn has_sets(dir: &Path) -> bool {
    SETS.iter().all(|set| dir.join(set).is_file())
}

/// Where fetched sets are kept, a directory for each release: they serve every checkout of this
/// user.
pub(crate) fn cache(target: &str) -> PathBuf {
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    cache.unwrap_or_else(|| workspace().join("target")).join("extram/freebsd").join(target)
}

fn unpacked() -> PathBuf {
    workspace().join("target/freebsd/bases")
}

/// Takes a directory as a base; sets are unpacked below `into`.
fn open(dir: &Path, target: &str, into: &Path) -> Result<Base> {
    let dir = dir.canonicalize().with_context(|| format!("no FreeBSD base at {}", dir.display()))?;
    let missing: Vec<&str> = SETS.into_iter().filter(|set| !dir.join(set).is_file()).collect();
    let dir = match missing[..] {
        _ if dir.join(KERNEL).is_file() => dir,
        [] => unpack(&dir, into)?,
        [set] => bail!("the sets in {} lack {set}", dir.display()),
        _ => dir,
    };
    let lacks = lacks(&dir, target);
    if !lacks.is_empty() {
        let packages = if installed_by_packages(&dir) { PACKAGES } else { "" };
        bail!("the FreeBSD base in {} lacks {}{packages}", dir.display(), lacks.join(", "));
    }
    if elf::facts(&dir.join(KERNEL))?.machine != elf::machine(target) {
        bail!("the kernel of the base in {} is not for {target}", dir.display());
    }
    let identity = Identity::of(&dir)?;
    let base = Base { dir, identity };
    // What is linked for a newer release is refused before it is built.
    base.releases()?;
    Ok(base)
}

/// All that every run needs and that is not in an unpacked system.
fn lacks(dir: &Path, target: &str) -> Vec<String> {
    let there = |file: &str| dir.join(file).is_file();
    let mut lacks = Vec::new();
    match std::fs::read(dir.join(KERNEL)) {
        Ok(kernel) if has_tmpfs(&kernel) => {}
        Ok(_) => lacks.push("tmpfs in its kernel (options TMPFS)".to_owned()),
        Err(_) => lacks.push(format!("the kernel ({KERNEL})")),
    }
    let grub_will_do = || target.starts_with("x86_64") && grub::find().is_some();
    if !LOADERS.into_iter().any(there) && !grub_will_do() {
        lacks.push(format!("a loader ({})", LOADERS.join(" or ")));
    }
    if !there(LINKER) {
        lacks.push(format!("ld-elf.so.1 ({LINKER})"));
    }
    for library in LIBRARIES {
        let places = LIBRARY_DIRS.map(|dir| format!("{dir}/{library}"));
        if !places.iter().any(|place| there(place)) {
            lacks.push(format!("{library} ({})", places.join(" or ")));
        }
    }
    lacks
}

/// Whether tmpfs is built into a kernel: its kind of memory has the name `tmpfs mount`, its functions
/// have names with `tmpfs_`. Where other parts of the kernel speak of tmpfs, it is not at the
/// beginning of a string.
fn has_tmpfs(kernel: &[u8]) -> bool {
    kernel.split(|byte| *byte == 0).any(|word| word == b"tmpfs mount" || word.starts_with(b"tmpfs_"))
}

/// Unpacks what is needed of the sets, unless that has been done.
fn unpack(sets: &Path, into: &Path) -> Result<PathBuf> {
    let mut name = String::new();
    for set in SETS {
        let facts = std::fs::metadata(sets.join(set))?;
        let modified = facts.modified()?.duration_since(std::time::UNIX_EPOCH)?;
        name += &format!("{}-{}-", facts.len(), modified.as_secs());
    }
    let dir = into.join(name.trim_end_matches('-'));
    let done = dir.with_extension("done");
    if done.is_file() {
        return Ok(dir);
    }
    // bsdtar reads whatever FreeBSD packs; GNU tar does for these sets.
    let tar = which("bsdtar").or_else(|| which("tar")).context("no tar to unpack the base with")?;
    if dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    std::fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
    for set in SETS {
        let set = sets.join(set);
        let list = Command::new(&tar).arg("-tf").arg(&set).read()?;
        let there = |member: &&&str| {
            let below = format!("{member}/");
            list.lines().any(|line| line == **member || line.starts_with(&below))
        };
        let members: Vec<&str> = MEMBERS.iter().filter(there).copied().collect();
        if !members.is_empty() {
            let unpack = Command::new(&tar).args(["--no-same-owner", "-xf"]).arg(&set).arg("-C").arg(&dir);
            unpack.args(members).run()?;
        }
    }
    std::fs::write(done, "")?;
    Ok(dir)
}

impl Base {
    /// Refuses a program that this base cannot run, with the reason.
    pub(crate) fn accepts(&self, program: &Path, target: &str) -> Result<()> {
        let facts = elf::facts(program)?;
        let name = program.file_name().unwrap_or(OsStr::new("")).to_string_lossy();
        if facts.machine != elf::machine(target) {
            bail!("{name} is not a program for {target}");
        }
        match facts.version {
            Some(version) if Release(version).minor() > self.identity.userland.minor() => bail!(
                "{name} was linked for FreeBSD {} and the base is FreeBSD {}: a program does not run on an \
                 older release; a base with usr/lib/Scrt1.o is linked against itself",
                Release(version),
                self.identity.userland
            ),
            _ => Ok(()),
        }
    }

    /// Both releases, for people: that of the base, and that which programs are linked for.
    pub(crate) fn releases(&self) -> Result<String> {
        let (linked, how) = linked_for(&self.dir, self.identity.userland)?;
        Ok(format!("linked for FreeBSD {linked} {how}, on {} from {}", self.identity, self.dir.display()))
    }
}

#[cfg(test)]
mod tests;
