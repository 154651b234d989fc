use super::*;
use crate::elf::fake;

impl Base {
    /// A base whose directory nobody looks at.
    pub(crate) fn of_tests(dir: &Path, version: u32) -> Base {
        let userland = Release(version);
        let identity = Identity { userland, told_by: "a test", kernel: None, packages: false };
        Base { dir: dir.to_owned(), identity }
    }
}

const TARGET: &str = "x86_64-unknown-freebsd";
const START: &str = "usr/lib/Scrt1.o";

fn tree(at: &Path, version: u32) {
    for (path, contents) in [
        (KERNEL, [&fake::elf(&[], None)[..], b"\0tmpfs mount\0"].concat()),
        (LOADERS[1], b"MZ".to_vec()),
        (LINKER, fake::elf(&[], None)),
        (START, Vec::new()),
        ("lib/libc.so.7", fake::elf(&[], Some(version))),
        ("lib/libthr.so.3", fake::elf(&["libc.so.7"], None)),
    ] {
        std::fs::create_dir_all(at.join(path).parent().unwrap()).unwrap();
        std::fs::write(at.join(path), contents).unwrap();
    }
}

#[test]
fn a_tree_is_a_base_and_tells_its_release() {
    let dir = tempfile::tempdir().unwrap();
    tree(dir.path(), 1_302_001);
    let base = open(dir.path(), TARGET, dir.path()).unwrap();
    assert_eq!(base.identity.userland, Release(1_302_001));
    // The headers are asked first.
    std::fs::create_dir_all(dir.path().join("usr/include/sys")).unwrap();
    let header = "#undef __FreeBSD_version\n#define __FreeBSD_version 1403000\t/* Master */\n";
    std::fs::write(dir.path().join("usr/include/sys/param.h"), header).unwrap();
    let base = open(dir.path(), TARGET, dir.path()).unwrap();
    assert_eq!(base.identity.userland, Release(1_403_000));
}

#[test]
fn a_base_that_is_older_than_what_zig_links_for_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    tree(dir.path(), 1_302_001);
    std::fs::remove_file(dir.path().join(START)).unwrap();
    let error = open(dir.path(), TARGET, dir.path()).unwrap_err().to_string();
    assert!(error.contains("is FreeBSD 13.2, and zig links for 14.0"), "{error}");
}

#[test]
fn a_base_for_another_machine_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    tree(dir.path(), 1_302_001);
    let error = open(dir.path(), "aarch64-unknown-freebsd", dir.path()).unwrap_err().to_string();
    assert!(error.contains("not for aarch64"), "{error}");
}

#[test]
fn all_that_a_base_lacks_is_named_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let open = || open(dir.path(), "aarch64-unknown-freebsd", dir.path()).unwrap_err().to_string();
    let names = ["the kernel", "a loader", "ld-elf.so.1", "libc.so.7", "libthr.so.3", "tmpfs in its kernel"];
    let named = || {
        let error = open();
        names.map(|name| error.contains(name))
    };
    assert_eq!(named(), [true, true, true, true, true, false], "nothing is there");
    tree(dir.path(), 1_302_001);
    for gone in [LINKER, "lib/libthr.so.3"] {
        std::fs::remove_file(dir.path().join(gone)).unwrap();
    }
    assert_eq!(named(), [false, false, true, false, true, false], "two files are gone");
    std::fs::write(dir.path().join(KERNEL), fake::elf(&[], None)).unwrap();
    assert_eq!(named(), [false, false, true, false, true, true], "and tmpfs");
    // A library may be in the other directory.
    std::fs::create_dir_all(dir.path().join("usr/lib")).unwrap();
    std::fs::write(dir.path().join("usr/lib/libthr.so.3"), "").unwrap();
    assert_eq!(named(), [false, false, true, false, false, true]);
}

#[test]
fn an_installation_by_packages_is_a_base_without_headers() {
    let dir = tempfile::tempdir().unwrap();
    tree(dir.path(), 1_500_068);
    for (file, contents) in [
        ("var/db/pkg/local.sqlite", "SQLite format 3\0base/FreeBSD-runtimeFreeBSD-runtime15.0"),
        ("bin/freebsd-version", "USERLAND_VERSION=\"15.0-RELEASE-p3\"\n"),
    ] {
        std::fs::create_dir_all(dir.path().join(file).parent().unwrap()).unwrap();
        std::fs::write(dir.path().join(file), contents).unwrap();
    }
    std::fs::remove_file(dir.path().join(START)).unwrap();
    let open = || open(dir.path(), TARGET, dir.path());
    let releases = open().unwrap().releases().unwrap();
    let due = "linked for FreeBSD 14.0 by zig; a newer release runs what was linked for an older one, on \
               FreeBSD 15.0 (by bin/freebsd-version; installed by packages) from ";
    assert!(releases.starts_with(due), "{releases}");
    std::fs::remove_file(dir.path().join(LOADERS[1])).unwrap();
    std::fs::remove_file(dir.path().join("lib/libthr.so.3")).unwrap();
    let error = open().unwrap_err().to_string();
    assert!(error.contains("libthr.so.3") && error.contains("FreeBSD-clibs"), "{error}");
}

#[test]
fn one_set_alone_is_no_base() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(SETS[0]), "").unwrap();
    let error = open(dir.path(), TARGET, dir.path()).unwrap_err().to_string();
    assert!(error.ends_with("lack kernel.txz"), "{error}");
}

#[test]
fn a_kernel_that_only_speaks_of_tmpfs_has_none() {
    for (words, has) in [
        ("tmpfs mount", true),
        ("tmpfs_vfsops", true),
        ("allow.mount.tmpfs", false),
        ("object is not tmpfs mount", false),
    ] {
        assert_eq!(has_tmpfs(format!("a\0{words}\0b").as_bytes()), has, "{words}");
    }
}

#[test]
fn sets_are_unpacked_once() {
    let dir = tempfile::tempdir().unwrap();
    let (sets, system, into) = (dir.path().join("sets"), dir.path().join("s"), dir.path().join("into"));
    tree(&system, 1_302_001);
    std::fs::create_dir_all(system.join("rescue")).unwrap();
    std::fs::create_dir_all(&sets).unwrap();
    for (set, members) in
        [("base.txz", ["./lib", "./libexec", "./rescue", "./usr"].as_slice()), ("kernel.txz", &["./boot"])]
    {
        let tar = Command::new("tar").arg("-cJf").arg(sets.join(set)).arg("-C").arg(&system);
        tar.args(members).read().unwrap();
    }
    let base = open(&sets, TARGET, &into).unwrap();
    assert_eq!(base.identity.userland, Release(1_302_001));
    assert!(!base.dir.join("rescue").exists());
    std::fs::write(base.dir.join("mark"), "").unwrap();
    assert!(open(&sets, TARGET, &into).unwrap().dir.join("mark").exists(), "unpacked again");
}

#[test]
fn of_what_was_fetched_the_newest_release_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(newest(&dir.path().join("nothing")), None);
    for (release, sets) in [
        ("9.3-RELEASE", SETS.as_slice()),
        ("14.4-RELEASE", SETS.as_slice()),
        ("14.10-RELEASE", SETS.as_slice()),
        // Not whole.
        ("15.1-RELEASE", &SETS[..1]),
    ] {
        std::fs::create_dir(dir.path().join(release)).unwrap();
        for set in sets {
            std::fs::write(dir.path().join(release).join(set), "").unwrap();
        }
    }
    assert_eq!(newest(dir.path()), Some(dir.path().join("14.10-RELEASE")));
}

#[test]
fn a_program_newer_than_the_base_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    tree(dir.path(), 1_302_001);
    let base = open(dir.path(), TARGET, dir.path()).unwrap();
    let program = dir.path().join("pool");
    for (version, good) in [(1_300_139, true), (1_302_001, true), (1_400_097, false)] {
        std::fs::write(&program, fake::elf(&["libc.so.7"], Some(version))).unwrap();
        let verdict = base.accepts(&program, TARGET);
        assert_eq!(verdict.is_ok(), good, "{version}");
        if let Err(error) = verdict {
            assert!(error.to_string().contains("pool was linked for FreeBSD 14.0"), "{error}");
        }
    }
    assert!(base.accepts(&program, "aarch64-unknown-freebsd").is_err());
}
