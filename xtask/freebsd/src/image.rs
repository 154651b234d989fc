//! The guest's disks: a root file system of just what is needed, and the disk that the firmware
//! boots from, which holds the loader, the kernel and the root file system.
//!
//! The root is UFS1, because FreeBSD 13 does not read the UFS2 that Debian's makefs writes. The
//! loader reads it into memory, so the guest needs no driver for a disk.

use super::base::{Base, LIBRARY_DIRS, LOADERS};
use super::{elf, grub};
use anyhow::{Context as _, Result, bail};
use freebsd_init::plan::{self, Plan};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use toolchain::command::{Command, which};

/// What goes into the root file system: path in the guest, without the first slash, and the file
/// here.
pub(crate) type Files = BTreeMap<PathBuf, PathBuf>;

/// Libraries that programs ask for and the base does not have, each with one that asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MissingLibraries(BTreeMap<String, String>);

impl fmt::Display for MissingLibraries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the base has in neither {}:", LIBRARY_DIRS.join(" nor "))?;
        for (at, (library, wanted_by)) in self.0.iter().enumerate() {
            write!(f, "{} {library}, which {wanted_by} asks for", if at == 0 { "" } else { ";" })?;
        }
        Ok(())
    }
}

impl std::error::Error for MissingLibraries {}

/// The disk of this machine has no room for what is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DiskFull(PathBuf);

impl fmt::Display for DiskFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "full disk on this machine: no room for {}", self.0.display())
    }
}

impl std::error::Error for DiskFull {}

/// The programs, their runtime linkers and all the libraries they ask for, directly or through
/// another library.
pub(crate) fn closure(base: &Base, mut files: Files) -> Result<Files> {
    let mut open: Vec<(PathBuf, PathBuf)> = files.clone().into_iter().collect();
    let own: Vec<PathBuf> = files.values().cloned().collect();
    let mut missing = BTreeMap::new();
    while let Some((_, file)) = open.pop() {
        let facts = elf::facts(&file)?;
        let mut wanted = Vec::new();
        if let Some(interpreter) = facts.interpreter {
            let inside = PathBuf::from(interpreter.trim_start_matches('/'));
            wanted.push((inside.clone(), base.dir.join(&inside), interpreter));
        }
        for library in facts.needed {
            // A library of ours is found by its path, and need not be in the base.
            if own.iter().any(|own| own.file_name() == Some(library.as_ref())) {
                continue;
            }
            let dir = LIBRARY_DIRS.into_iter().find(|dir| base.dir.join(dir).join(&library).is_file());
            let inside = Path::new(dir.unwrap_or(LIBRARY_DIRS[0])).join(&library);
            wanted.push((inside.clone(), base.dir.join(&inside), library));
        }
        for (inside, outside, name) in wanted {
            if !outside.is_file() {
                let wanted_by = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                missing.entry(name).or_insert(wanted_by);
            } else if !files.contains_key(&inside) {
                files.insert(inside.clone(), outside.clone());
                open.push((inside, outside));
            }
        }
    }
    if missing.is_empty() { Ok(files) } else { Err(MissingLibraries(missing).into()) }
}

/// Makes the root file system in `dir` and returns the image.
pub(crate) fn root(dir: &Path, files: &Files, plan: &Plan) -> Result<PathBuf> {
    let makefs = tool("makefs", "makefs")?;
    let tree = dir.join("root");
    let image = dir.join("root.img");
    if tree.exists() {
        std::fs::remove_dir_all(&tree)?;
    }
    for inside in ["dev", "etc", plan.scratch.trim_start_matches('/')] {
        create_dir(&tree.join(inside))?;
    }
    let strip = which("llvm-strip").or_else(|| which("strip"));
    for (inside, file) in files {
        let to = tree.join(inside);
        create_dir(to.parent().unwrap_or(&tree))?;
        copy(file, &to)?;
        // Line tables make most of a debug build; without a strip the image is only larger.
        if let Some(strip) = &strip {
            let _ = Command::new(strip).arg("--strip-debug").arg(&to).read();
        }
        std::fs::set_permissions(&to, PermissionsExt::from_mode(0o755))?;
    }
    let plan_file = tree.join(plan::PATH.trim_start_matches('/'));
    write(&plan_file, plan.to_text().as_bytes())?;
    std::fs::set_permissions(&plan_file, PermissionsExt::from_mode(0o400))?;
    let owners = dir.join("root.mtree");
    write(&owners, mtree(&tree)?.as_bytes())?;
    let _ = std::fs::remove_file(&image);
    // Makefs miscounts the blocks of an image that is small or full to the brim.
    let room = ["-M", "16m", "-b", "10%"];
    let make = Command::new(makefs).args(["-t", "ffs", "-o", "version=1", "-B", "le"]).args(room).arg("-F");
    wrote(make.arg(owners).arg(&image).arg(&tree).read(), &image)?;
    std::fs::remove_dir_all(&tree)?;
    Ok(image)
}

/// Everything belongs to root, whoever runs this: the plan must be read by nobody else.
fn mtree(tree: &Path) -> Result<String> {
    fn below(at: &Path, depth: usize, text: &mut String) -> Result<()> {
        let mut entries: Vec<_> = std::fs::read_dir(at)?.collect::<io::Result<_>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let mode = entry.metadata()?.permissions().mode() & 0o777;
            let (name, dir) = (entry.file_name(), entry.file_type()?.is_dir());
            let kind = if dir { "dir" } else { "file" };
            let name = name.to_string_lossy();
            *text += &format!("{:depth$}{name} type={kind} uid=0 gid=0 mode={mode:04o}\n", "");
            if dir {
                below(&entry.path(), depth + 1, text)?;
                *text += &format!("{:depth$}..\n", "");
            }
        }
        Ok(())
    }
    let mut text = "#mtree\n. type=dir uid=0 gid=0 mode=0755\n".to_owned();
    below(tree, 1, &mut text)?;
    Ok(text + "..\n")
}

/// What the loader is told to do.
const LOADER_SCRIPT: &str = "\
set console=comconsole
load /boot/kernel/kernel
load -t mfs_root /boot/root.img
set vfs.root.mountfrom=ufs:/dev/md0
set debug.debugger_on_panic=0
set kern.panic_reboot_wait_time=0
boot
";

/// The same for a loader that speaks Lua, as `loader.efi` does on most systems.
fn loader_script_in_lua() -> String {
    LOADER_SCRIPT.lines().map(|command| format!("loader.perform({command:?})\n")).collect()
}

/// Makes the disk that the firmware boots from: a FAT file system without partitions.
pub(crate) fn boot_disk(dir: &Path, base: &Base, target: &str, root: &Path) -> Result<PathBuf> {
    let (mformat, mmd, mcopy) =
        (tool("mformat", "mtools")?, tool("mmd", "mtools")?, tool("mcopy", "mtools")?);
    let loader = loader(dir, base, target)?;
    let kernel = base.dir.join("boot/kernel/kernel");
    let script = dir.join("loader.rc");
    write(&script, LOADER_SCRIPT.as_bytes())?;
    let lua = dir.join("loader.lua");
    write(&lua, loader_script_in_lua().as_bytes())?;
    let name = if target.starts_with("aarch64") { "BOOTAA64.EFI" } else { "BOOTX64.EFI" };
    let files = [
        (loader.as_path(), format!("::/EFI/BOOT/{name}")),
        (&kernel, "::/boot/kernel/kernel".to_owned()),
        (root, "::/boot/root.img".to_owned()),
        (&script, "::/boot/loader.rc".to_owned()),
        (&lua, "::/boot/lua/loader.lua".to_owned()),
    ];
    let mut bytes = 0;
    for (file, _) in &files {
        bytes += std::fs::metadata(file).with_context(|| file.display().to_string())?.len();
    }
    // Room for the allocation table and the ends of clusters. Less than this is no FAT32.
    let bytes = (bytes + bytes / 16 + (4 << 20)).max(64 << 20);
    let disk = dir.join("boot.img");
    let file = wrote(std::fs::File::create(&disk).map_err(Into::into), &disk)?;
    wrote(file.set_len(bytes).map_err(Into::into), &disk)?;
    let format = Command::new(mformat).arg("-i").arg(&disk).args(["-F", "-v", "EXTRAM", "::"]);
    wrote(format.read(), &disk)?;
    let dirs = ["::/EFI", "::/EFI/BOOT", "::/boot", "::/boot/kernel", "::/boot/lua"];
    wrote(Command::new(mmd).arg("-i").arg(&disk).args(dirs).read(), &disk)?;
    for (file, inside) in &files {
        let copy = Command::new(&mcopy).arg("-i").arg(&disk).arg(file).arg(inside);
        wrote(copy.read(), &disk)?;
    }
    Ok(disk)
}

/// What the firmware starts: the base's loader, or GRUB for a kernel that has none.
fn loader(dir: &Path, base: &Base, target: &str) -> Result<PathBuf> {
    let loaders = LOADERS.map(|loader| base.dir.join(loader));
    if let Some(loader) = loaders.into_iter().find(|loader| loader.is_file()) {
        return Ok(loader);
    }
    let none = format!("no loader in {}: neither {}", base.dir.display(), LOADERS.join(" nor "));
    if !target.starts_with("x86_64") {
        bail!(none);
    }
    grub::image(dir).context(none)
}

fn tool(name: &str, package: &str) -> Result<PathBuf> {
    let sbin = || Some(Path::new("/usr/sbin").join(name)).filter(|path| path.is_file());
    match which(name).or_else(sbin) {
        Some(path) => Ok(path),
        None => bail!("no {name} here (Debian's package {package}); cargo xtask setup installs it"),
    }
}

fn create_dir(dir: &Path) -> Result<()> {
    wrote(std::fs::create_dir_all(dir).map_err(Into::into), dir)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    wrote(std::fs::copy(from, to).map(|_| ()).with_context(|| from.display().to_string()), to)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    wrote(std::fs::write(path, bytes).map_err(Into::into), path)
}

/// A failure for lack of room, of ours or of a tool's, is told as such.
fn wrote<T>(result: Result<T>, path: &Path) -> Result<T> {
    result.map_err(|error| {
        let own = error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::StorageFull);
        if own || format!("{error:#}").contains("No space left on device") {
            DiskFull(path.to_owned()).into()
        } else {
            error.context(format!("cannot make {}", path.display()))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf::fake;
    use freebsd_init::plan::Program;

    fn base(at: &Path, files: &[(&str, &[&str])]) -> Base {
        for (path, needed) in files {
            let path = at.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, fake::elf(needed, None)).unwrap();
        }
        Base::of_tests(at, 1_302_001)
    }

    fn program(at: &Path, needed: &[&str]) -> Files {
        std::fs::write(at.join("pool"), fake::elf(needed, None)).unwrap();
        Files::from([("tests/pool".into(), at.join("pool"))])
    }

    #[test]
    fn libraries_of_libraries_are_taken_along() {
        let dir = tempfile::tempdir().unwrap();
        let base = base(
            dir.path(),
            &[
                ("lib/libc.so.7", &[]),
                ("lib/libthr.so.3", &["libc.so.7"]),
                ("lib/libm.so.5", &[]),
                ("usr/lib/libexecinfo.so.1", &["libelf.so.2", "libc.so.7"]),
                ("lib/libelf.so.2", &[]),
            ],
        );
        let files = closure(&base, program(dir.path(), &["libexecinfo.so.1", "libthr.so.3"])).unwrap();
        let inside: Vec<&str> = files.keys().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(
            inside,
            ["lib/libc.so.7", "lib/libelf.so.2", "lib/libthr.so.3", "tests/pool", "usr/lib/libexecinfo.so.1"]
        );
    }

    #[test]
    fn all_missing_libraries_are_named_with_who_wants_them() {
        let dir = tempfile::tempdir().unwrap();
        let base = base(dir.path(), &[("lib/libthr.so.3", &["libc.so.7"])]);
        let error = closure(&base, program(dir.path(), &["libthr.so.3", "libm.so.5"])).unwrap_err();
        let missing = [("libc.so.7", "libthr.so.3"), ("libm.so.5", "pool")];
        let missing = missing.map(|(library, wanted_by)| (library.to_owned(), wanted_by.to_owned()));
        assert_eq!(error.downcast_ref(), Some(&MissingLibraries(missing.into())), "{error:#}");
        assert_eq!(
            error.to_string(),
            "the base has in neither lib nor usr/lib: libc.so.7, which libthr.so.3 asks for; libm.so.5, \
             which pool asks for"
        );
    }

    #[test]
    fn a_full_disk_is_told_as_such() {
        // A device that is always full.
        let full = Path::new("/dev/full");
        let error = write(full, b"x").unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&DiskFull(full.to_owned())), "{error:#}");
        let tool = Command::new("dd").args(["if=/dev/zero", "of=/dev/full", "count=1"]).read();
        assert!(wrote(tool, full).unwrap_err().to_string().contains("full disk"));
        let other = wrote(Command::new("sh").args(["-c", "exit 1"]).read(), full).unwrap_err();
        assert!(!other.to_string().contains("full disk"), "{other:#}");
    }

    #[test]
    fn the_root_is_a_ufs1_of_roots_and_the_boot_disk_has_all_that_is_loaded() {
        if which("mcopy").is_none() || tool("makefs", "makefs").is_err() {
            println!("skipped: makefs or mtools is not installed");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let base = base(dir.path(), &[("lib/libc.so.7", &[]), ("boot/kernel/kernel", &[])]);
        let plan = Plan {
            nonce: [1; 16],
            scratch: "/scratch".into(),
            env: vec![],
            programs: vec![Program { limit_s: 1, args: vec![], files: false }],
        };
        let files = closure(&base, program(dir.path(), &["libc.so.7"])).unwrap();
        let image = root(dir.path(), &files, &plan).unwrap();
        let bytes = std::fs::read(&image).unwrap();
        // The magic number of UFS1, at its place in the superblock at 8 KiB.
        assert_eq!(bytes[8192 + 1372..][..4], 0x0001_1954_u32.to_le_bytes());
        let text = plan.to_text();
        assert!(bytes.windows(text.len()).any(|window| window == text.as_bytes()), "no plan in the root");

        // GRUB loads no kernel for arm64.
        let error = boot_disk(dir.path(), &base, "aarch64-unknown-freebsd", &image).unwrap_err();
        assert!(error.to_string().contains("no loader"), "{error:#}");
        let bare = boot_disk(dir.path(), &base, "x86_64-unknown-freebsd", &image);
        match (grub::find(), bare) {
            (None, bare) => {
                let error = format!("{:#}", bare.unwrap_err());
                assert!(error.contains("no loader") && error.contains("grub-efi-amd64-bin"), "{error}");
            }
            (Some(_), bare) => {
                let started = dir.path().join("started.efi");
                let copy = Command::new("mcopy").arg("-i").arg(bare.unwrap()).arg("::/EFI/BOOT/BOOTX64.EFI");
                copy.arg(&started).read().unwrap();
                let started = std::fs::read(started).unwrap();
                assert!(started.starts_with(b"MZ"), "no program for UEFI");
                let script = b"kfreebsd /boot/kernel/kernel";
                assert!(started.windows(script.len()).any(|window| window == script), "no script in it");
            }
        }
        std::fs::write(dir.path().join("boot/loader_simp.efi"), "loader").unwrap();
        let disk = boot_disk(dir.path(), &base, "x86_64-unknown-freebsd", &image).unwrap();
        let list = Command::new("mdir").args(["-b", "-/", "-i"]).arg(disk).arg("::").read().unwrap();
        for file in [
            "EFI/BOOT/BOOTX64.EFI",
            "boot/kernel/kernel",
            "boot/root.img",
            "boot/loader.rc",
            "boot/lua/loader.lua",
        ] {
            assert!(list.contains(file), "{file} is not in {list}");
        }
    }

    #[test]
    fn both_kinds_of_loaders_are_told_the_same() {
        let lua = loader_script_in_lua();
        assert!(lua.contains("loader.perform(\"load -t mfs_root /boot/root.img\")\n"), "{lua}");
        assert!(lua.ends_with("loader.perform(\"boot\")\n"), "{lua}");
    }

    #[test]
    fn the_list_of_owners_gives_everything_to_root() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("etc")).unwrap();
        std::fs::write(dir.path().join("etc/plan"), "x").unwrap();
        std::fs::set_permissions(dir.path().join("etc/plan"), PermissionsExt::from_mode(0o400)).unwrap();
        let text = mtree(dir.path()).unwrap();
        assert!(text.contains("plan type=file uid=0 gid=0 mode=0400\n"), "{text}");
    }
}
