//! Which release of FreeBSD a directory holds, by what it says of itself, and whether programs that are
//! linked for another one run on it.

use super::{build, elf, zig};
use anyhow::{Context as _, Result, ensure};
use std::fmt;
use std::path::Path;

/// `__FreeBSD_version`: 1302001 is release 13.2, and one patch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Release(pub(crate) u32);

impl Release {
    /// What counts when two are compared: the exact number is not always known, and a patch takes
    /// nothing away. `1302` for 13.2.
    pub(crate) fn minor(self) -> u32 {
        self.0 / 1000
    }

    /// The release that begins with `15.1`, as in `15.1-RELEASE-p2`.
    fn named(text: &str) -> Option<Release> {
        let (major, rest) = text.trim().split_once('.')?;
        let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let (major, minor): (u32, u32) = (major.parse().ok()?, minor.parse().ok()?);
        (major < 100 && minor < 100).then_some(Release(major * 100_000 + minor * 1000))
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 100_000, self.0 / 1000 % 100)
    }
}

/// What a base says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The release of its programs and libraries.
    pub(crate) userland: Release,
    /// The file that says so.
    pub(crate) told_by: &'static str,
    /// The release of its kernel, if the kernel tells.
    pub(crate) kernel: Option<Release>,
    /// Whether it was installed by packages (pkgbase), as FreeBSD 15 and later can be.
    pub(crate) packages: bool,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FreeBSD {} (by {}", self.userland, self.told_by)?;
        if let Some(kernel) = self.kernel.filter(|kernel| kernel.minor() != self.userland.minor()) {
            write!(f, "; kernel {kernel}")?;
        }
        f.write_str(if self.packages { "; installed by packages)" } else { ")" })
    }
}

/// Where the database of packages is.
const PACKAGES: &str = "var/db/pkg/local.sqlite";
/// The package that every installation by packages has.
const RUNTIME: &[u8] = b"FreeBSD-runtime";
/// What says the release exactly, then in words.
const HEADER: &str = "usr/include/sys/param.h";
const SCRIPT: &str = "bin/freebsd-version";
/// Files that may have the note of the release they were made for. Of `bin/sh` it is certain.
const NOTED: [&str; 3] = ["lib/libc.so.7", "bin/sh", "sbin/init"];
const KERNEL: &str = "boot/kernel/kernel";

impl Identity {
    /// Reads a base. A kernel that is older than the rest is refused: what runs on it would ask for what
    /// it has not.
    pub(crate) fn of(dir: &Path) -> Result<Identity> {
        let database = std::fs::read(dir.join(PACKAGES)).unwrap_or_default();
        let kernel = std::fs::read(dir.join(KERNEL)).ok().and_then(|kernel| of_kernel(&kernel));
        let noted = || NOTED.into_iter().find_map(|file| Some((of_note(&dir.join(file))?, file)));
        let (userland, told_by) = of_header(&dir.join(HEADER))
            .map(|release| (release, HEADER))
            .or_else(|| Some((of_script(&dir.join(SCRIPT))?, SCRIPT)))
            .or_else(noted)
            .or_else(|| Some((of_packages(&database)?, PACKAGES)))
            .or_else(|| Some((kernel?, KERNEL)))
            .with_context(|| {
                let asked = [HEADER, SCRIPT, NOTED[0], NOTED[1], PACKAGES, KERNEL].join(", ");
                format!("nothing in {} tells its release: {asked} were asked", dir.display())
            })?;
        if let Some(kernel) = kernel {
            ensure!(
                kernel.minor() >= userland.minor(),
                "the base in {} has the kernel of FreeBSD {kernel} and the programs of {userland}: \
                 programs do not run on an older kernel",
                dir.display()
            );
        }
        let packages = installed_by_packages(dir);
        Ok(Identity { userland, told_by, kernel, packages })
    }
}

/// Whether a base was installed by packages.
pub(crate) fn installed_by_packages(dir: &Path) -> bool {
    std::fs::read(dir.join(PACKAGES)).is_ok_and(|database| find(&database, RUNTIME).is_some())
}

fn of_header(header: &Path) -> Option<Release> {
    let text = std::fs::read_to_string(header).ok()?;
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("#define") && words.next() == Some("__FreeBSD_version"))
            .then(|| words.next()?.parse().ok().map(Release))?
    })
}

/// `USERLAND_VERSION="15.1-RELEASE-p2"`.
fn of_script(script: &Path) -> Option<Release> {
    let text = std::fs::read_to_string(script).ok()?;
    let name = text.lines().find_map(|line| line.strip_prefix("USERLAND_VERSION="))?;
    Release::named(name.trim_matches('"'))
}

fn of_note(program: &Path) -> Option<Release> {
    elf::facts(program).ok()?.version.map(Release)
}

/// The version of the package with the programs, which stands behind its name in the database:
/// SQLite writes the columns of a row one after the other.
fn of_packages(database: &[u8]) -> Option<Release> {
    let mut rest = database;
    while let Some(at) = find(rest, RUNTIME) {
        rest = &rest[at + RUNTIME.len()..];
        let version = rest.iter().take(16).take_while(|byte| byte.is_ascii_graphic());
        let version: String = version.map(|byte| char::from(*byte)).collect();
        if let Some(release) = Release::named(&version) {
            return Some(release);
        }
    }
    None
}

/// `@(#)FreeBSD 15.1-RELEASE releng/15.1-n1 GENERIC`, which every kernel has in it.
fn of_kernel(kernel: &[u8]) -> Option<Release> {
    const MARK: &[u8] = b"@(#)FreeBSD ";
    let at = find(kernel, MARK)? + MARK.len();
    Release::named(&String::from_utf8_lossy(&kernel[at..kernel.len().min(at + 16)]))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    // Most bytes are not its first one.
    let mut from = 0;
    while let Some(at) = bytes.get(from..)?.iter().position(|byte| *byte == wanted[0]) {
        if bytes[from + at..].starts_with(wanted) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

/// The release that programs are linked for, given a base, and by whom; an error if it is newer than
/// the base.
pub(crate) fn linked_for(dir: &Path, userland: Release) -> Result<(Release, &'static str)> {
    if build::serves_as_sysroot(dir) {
        return Ok((userland, "against the base itself"));
    }
    let linked = Release::named(zig::RELEASE).context("zig's release is no release")?;
    ensure!(
        linked.minor() <= userland.minor(),
        "the base in {} is FreeBSD {userland}, and zig links for {linked}, which does not run on an older \
         release; with usr/lib/Scrt1.o and what else links in it, programs are linked against the base itself",
        dir.display()
    );
    Ok((linked, "by zig; a newer release runs what was linked for an older one"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf::fake;

    /// A tree with these files.
    fn tree(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (file, contents) in files {
            let file = dir.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, contents).unwrap();
        }
        dir
    }

    fn told(files: &[(&str, &[u8])]) -> String {
        match Identity::of(tree(files).path()) {
            Ok(identity) => identity.to_string(),
            Err(error) => format!("{error:#}"),
        }
    }

    const VERSION: &[u8] = b"#!/bin/sh\nset -e\nUSERLAND_VERSION=\"15.1-RELEASE-p2\"\n";
    const DATABASE: &[u8] =
        b"SQLite format 3\0\x07base/FreeBSD-runtime-devFreeBSD-runtime-dev15.0\x07base/FreeBSD-runtimeFreeBSD-runtime15.0p1FreeBSD Base";

    #[test]
    fn each_file_that_tells_the_release_is_asked_the_exact_one_first() {
        let note = fake::elf(&[], Some(1_302_001));
        let header: &[u8] = b"#undef __FreeBSD_version\n#define __FreeBSD_version 1403000\t/* Master */\n";
        let kernel: &[u8] = b"\0@(#)FreeBSD 15.1-RELEASE releng/15.1-n1 GENERIC\0";
        let all =
            [(HEADER, header), (SCRIPT, VERSION), ("bin/sh", &note), (PACKAGES, DATABASE), (KERNEL, kernel)];
        let due = [
            "FreeBSD 14.3 (by usr/include/sys/param.h; kernel 15.1; installed by packages)",
            "FreeBSD 15.1 (by bin/freebsd-version; installed by packages)",
            "FreeBSD 13.2 (by bin/sh; kernel 15.1; installed by packages)",
            "FreeBSD 15.0 (by var/db/pkg/local.sqlite; kernel 15.1; installed by packages)",
            "FreeBSD 15.1 (by boot/kernel/kernel)",
        ];
        for (from, due) in due.iter().enumerate() {
            assert_eq!(told(&all[from..]), *due);
        }
        assert!(told(&[]).contains("nothing in"), "{}", told(&[]));
    }

    #[test]
    fn other_packages_than_freebsds_make_no_installation_by_packages() {
        assert_eq!(
            told(&[(SCRIPT, VERSION), (PACKAGES, b"SQLite format 3\0curl8.1")]),
            "FreeBSD 15.1 (by bin/freebsd-version)"
        );
        assert_eq!(of_packages(b"FreeBSD-runtime"), None);
        assert_eq!(of_packages(b"FreeBSD-runtime15.snap20250801"), None);
    }

    #[test]
    fn a_kernel_older_than_its_programs_is_refused() {
        let kernel: &[u8] = b"@(#)FreeBSD 14.3-RELEASE releng/14.3 GENERIC\0";
        let error = told(&[(SCRIPT, VERSION), (KERNEL, kernel)]);
        assert!(error.contains("the kernel of FreeBSD 14.3 and the programs of 15.1"), "{error}");
        // The same release with another patch level is the same.
        let kernel: &[u8] = b"@(#)FreeBSD 15.1-RELEASE-p1 releng/15.1 GENERIC\0";
        assert_eq!(told(&[(SCRIPT, VERSION), (KERNEL, kernel)]), "FreeBSD 15.1 (by bin/freebsd-version)");
    }

    #[test]
    fn names_of_releases_are_read_and_other_words_are_not() {
        for (name, due) in [
            ("15.1-RELEASE-p2", Some(1_501_000)),
            ("13.2", Some(1_302_000)),
            ("16.0-CURRENT", Some(1_600_000)),
            ("15.snap20250801", None),
            ("-dev15.0", None),
            ("15", None),
            ("", None),
        ] {
            assert_eq!(Release::named(name), due.map(Release), "{name}");
        }
    }

    #[test]
    fn a_base_older_than_what_is_linked_for_is_refused_in_one_sentence() {
        let dir = tree(&[]);
        let error = linked_for(dir.path(), Release(1_302_001)).unwrap_err().to_string();
        assert!(
            error.contains("is FreeBSD 13.2, and zig links for 14.0") && !error.contains('\n'),
            "{error}"
        );
        let (linked, _) = linked_for(dir.path(), Release(1_501_000)).unwrap();
        assert_eq!(linked.to_string(), "14.0");
        let dir = tree(&[("usr/lib/Scrt1.o", b"")]);
        let (linked, how) = linked_for(dir.path(), Release(1_302_001)).unwrap();
        assert_eq!((linked.to_string().as_str(), how), ("13.2", "against the base itself"));
    }
}
