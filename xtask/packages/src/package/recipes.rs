//! The recipes in `crates/capi/packaging`: Debian's packages are built and used; of the others it is checked
//! that they name this version and these files.

use super::Refused;
use crate::embed::whole::all;
use crate::{header, vendor};
use anyhow::{Context as _, Result, bail, ensure};
use judge::Summary;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use toolchain::command::{Command, which};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// All of them.
pub(super) fn recipes(folder: &Path, copy: &Path, refused: &Refused) -> Summary {
    let mut summary = Summary::of("the recipes are of this version and these files", read(copy));
    let what = "Debian's packages, built and used";
    summary += match ["dpkg-buildpackage", "dh", "cc", "pkg-config"].iter().find(|tool| which(tool).is_none())
    {
        Some(tool) => Summary::skipped(what, &format!("no {tool} (cargo xtask setup)")),
        None => Summary::of(what, debian(&folder.join("debian"), refused)),
    };
    summary
}

fn recipe(file: &str) -> Result<String> {
    let path = header::directory().join("packaging").join(file);
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}

fn read(copy: &Path) -> Result<()> {
    for (file, wanted) in [
        ("debian/changelog", format!("extram ({VERSION}-1)")),
        ("freebsd/Makefile", format!("DISTVERSION=\t{VERSION}\n")),
        ("nix/default.nix", format!("version = \"{VERSION}\";")),
        ("vcpkg/extram/vcpkg.json", format!("\"version\": \"{VERSION}\"")),
    ] {
        ensure!(recipe(file)?.contains(&wanted), "{file} does not say {wanted}");
        let there = copy.join("crates/capi/packaging").join(file);
        ensure!(there.is_file(), "{} is not in the copy", there.display());
    }
    // What the copy has installed, where FreeBSD has it.
    let installed = all(&copy.join("installed"))?;
    let files = installed.iter().filter(|file| !copy.join("installed").join(file).is_dir());
    let names: BTreeSet<String> = files
        .map(|file| file.display().to_string())
        .filter(|file| !file.starts_with("share/licenses/") && !file.ends_with("/installed.txt"))
        .map(|file| file.replace("lib/pkgconfig/", "libdata/pkgconfig/").replace(".3", ".3.gz"))
        .collect();
    let listed: BTreeSet<String> = recipe("freebsd/pkg-plist")?.lines().map(str::to_owned).collect();
    let differ: Vec<_> = names.symmetric_difference(&listed).collect();
    ensure!(differ.is_empty(), "freebsd/pkg-plist and what is installed differ in {differ:?}");
    Ok(())
}

/// As `packaging/README.md` says.
fn debian(folder: &Path, refused: &Refused) -> Result<()> {
    let source = folder.join(format!("extram-{VERSION}"));
    vendor::vendor(&vendor::Args::new(&source, "linux"))?;
    Command::new("cp").arg("-r").args([&source.join("crates/capi/packaging/debian"), &source]).run()?;
    // `-d`: the compiler at hand need not be a package of Debian's.
    let build = refused.command("dpkg-buildpackage").args(["-b", "-us", "-uc", "-d"]).dir(&source);
    build.env_remove("CARGO_TARGET_DIR").run()?;
    let arch = Command::new("dpkg").arg("--print-architecture").read()?;
    let package = |name: &str| folder.join(format!("{name}_{VERSION}-1_{}.deb", arch.trim()));
    let triple = Command::new("dpkg-architecture").args(["-q", "DEB_HOST_MULTIARCH"]).read()?;
    let lib = format!("usr/lib/{}", triple.trim());
    let (library, development) = (folder.join("libextram0.1"), folder.join("libextram-dev"));
    for place in [&library, &development] {
        let name = place.file_name().and_then(|name| name.to_str()).context("a name")?;
        Command::new("dpkg-deb").arg("-x").args([&package(name), place]).run()?;
    }
    has(
        &library,
        &[
            &format!("{lib}/libextram.so.0.1"),
            &format!("{lib}/libextram.so.{VERSION}"),
            "usr/share/doc/libextram0.1/copyright",
        ],
        &["usr/include", &format!("{lib}/libextram.a")],
    )?;
    has(
        &development,
        &[
            "usr/include/extram.h",
            &format!("{lib}/libextram.a"),
            &format!("{lib}/libextram.so"),
            &format!("{lib}/pkgconfig/extram.pc"),
            &format!("{lib}/cmake/extram/extramConfig.cmake"),
            "usr/share/man/man3/extram.3.gz",
            "usr/share/man/man3/extram_enter.3.gz",
            "usr/share/extram/extram.supp",
            "usr/share/extram/extram-gdb.py",
        ],
        &[&format!("{lib}/libextram.so.0.1"), "usr/share/extram/installed.txt"],
    )?;
    let control =
        Command::new("dpkg-deb").args(["-f".into(), package("libextram-dev")]).arg("Depends").read()?;
    ensure!(control.trim() == format!("libextram0.1 (= {VERSION}-1)"), "{control}");
    let control =
        Command::new("dpkg-deb").arg("-I").args([&package("libextram0.1"), Path::new("symbols")]).read()?;
    ensure!(control.contains("EXTRAM_0.1@EXTRAM_0.1"), "{control}");
    used(folder, &library, &development, &lib)
}

fn has(package: &Path, wanted: &[&str], others: &[&str]) -> Result<()> {
    for file in wanted {
        // A link may lead into the other package.
        let path: PathBuf = package.join(file);
        path.symlink_metadata().with_context(|| path.display().to_string())?;
    }
    match others.iter().find(|file| package.join(file).symlink_metadata().is_ok()) {
        Some(file) => bail!("{} has {file}", package.display()),
        None => Ok(()),
    }
}

/// Both in one root, as on a system that has them.
fn used(folder: &Path, library: &Path, development: &Path, lib: &str) -> Result<()> {
    let root = folder.join("root");
    std::fs::create_dir_all(&root)?;
    for package in [library, development] {
        Command::new("cp").arg("-a").arg(package.join("usr")).arg(&root).run()?;
    }
    let flags = Command::new("pkg-config")
        .args(["--cflags", "--libs", "extram"])
        .env("PKG_CONFIG_LIBDIR", root.join(lib).join("pkgconfig"))
        .env("PKG_CONFIG_SYSROOT_DIR", &root)
        // Else a folder that every compiler looks into is left out.
        .env("PKG_CONFIG_ALLOW_SYSTEM_CFLAGS", "1")
        .env("PKG_CONFIG_ALLOW_SYSTEM_LIBS", "1")
        .read()?;
    let program = folder.join("calls");
    let cc = Command::new("cc").arg("-pthread").arg(header::directory().join("tests/c/threads.c"));
    cc.args(flags.split_whitespace()).arg("-o").arg(&program).run()?;
    let printed = Command::new(&program).env("LD_LIBRARY_PATH", root.join(lib)).read()?;
    ensure!(printed == "80000 calls\n", "{printed:?}");
    Ok(())
}
