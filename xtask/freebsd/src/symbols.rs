//! Imported symbols: whether the oldest supported FreeBSD has every one, in the same version.
//!
//! Zig's linker knows the symbol lists of FreeBSD's libraries release by release. A small library
//! that refers to everything that the programs import is linked against the oldest release, and
//! bound to the versions that release has; the programs have to be bound to the same.

use super::zig;
use anyhow::{Context as _, Result, bail};
use object::read::elf::{FileHeader as _, Sym as _};
use object::{Endianness, elf};
use std::collections::BTreeMap;
use std::path::PathBuf;
use toolchain::workspace;

/// The oldest release that the port supports.
const OLDEST: &str = "13.0";

/// A name and its version (`FBSD_1.0`; empty without one).
type Symbols = BTreeMap<String, String>;

/// Resolves what `programs` import against the oldest release; how many symbols, and the release.
/// With `versions`, the programs have to be bound to the versions of that release, too.
pub(super) fn resolve(target: &str, programs: &[PathBuf], versions: bool) -> Result<(usize, &'static str)> {
    let mut imported = Symbols::new();
    for program in programs {
        let data = std::fs::read(program).with_context(|| program.display().to_string())?;
        imported.extend(imports(&data).with_context(|| program.display().to_string())?);
    }
    // Zig's start-up code, which programs for an older base do not have: they are linked with the
    // base's own.
    imported.remove("__libc_start1");
    // The unwinder's: zig has one of its own for every program, a base has libgcc_s, whose versions
    // count by GCC's releases and are older than FreeBSD 13.
    imported.retain(|_, version| !version.starts_with("GCC_"));
    if imported.is_empty() {
        bail!("the programs import nothing, so nothing is checked");
    }
    let there = bind(target, OLDEST, imported.keys().map(String::as_str))?;
    let newer = if versions { newer(&imported, &there) } else { Vec::new() };
    if !newer.is_empty() {
        bail!("FreeBSD {OLDEST} has these in another version: {}", newer.join(", "));
    }
    Ok((imported.len(), OLDEST))
}

/// Symbols that are bound to another version than the release has.
fn newer(imported: &Symbols, there: &Symbols) -> Vec<String> {
    imported
        .iter()
        .filter(|&(name, version)| there.get(name) != Some(version))
        .map(|(name, version)| match there.get(name) {
            Some(there) => format!("{name}@{version} ({there} there)"),
            None => format!("{name}@{version} (not there)"),
        })
        .collect()
}

/// Links a library that refers to `names` against `release`, and returns what they are bound to.
fn bind<'a>(target: &str, release: &str, names: impl Iterator<Item = &'a str>) -> Result<Symbols> {
    let zig = zig::find().with_context(|| format!("no zig; run cargo xtask setup --target {target}"))?;
    let dir = workspace().join("target/freebsd/abi");
    std::fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
    let source = dir.join(format!("imports-{target}.s"));
    let library = dir.join(format!("imports-{target}-{release}.so"));
    std::fs::write(&source, assembly(names)).with_context(|| source.display().to_string())?;
    let link = ["-shared", "-Wl,-z,defs", "-Wno-unused-command-line-argument", "-o"];
    let libraries = ["-lthr", "-lm", "-lrt", "-lutil", "-lexecinfo"];
    let command = zig::cc_for(&zig, target, release).args(link).arg(&library).arg(&source).args(libraries);
    let (linked, said) = zig::run(&command)?;
    if !linked {
        bail!("FreeBSD {release} does not have everything:\n{said}");
    }
    let data = std::fs::read(&library).with_context(|| library.display().to_string())?;
    imports(&data)
}

/// A word for each name, in data that the linker has to fill in.
fn assembly<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut text = ".data\n.globl extram_imports\n.p2align 3\nextram_imports:\n".to_owned();
    for name in names {
        text += &format!(".quad {name}\n");
    }
    text + ".section .note.GNU-stack,\"\",@progbits\n"
}

/// What a program or a library asks of shared libraries. Weak references may stay unresolved and
/// are left out.
fn imports(data: &[u8]) -> Result<Symbols> {
    let header = elf::FileHeader64::<Endianness>::parse(data).context("no 64-bit ELF file")?;
    let endian = header.endian()?;
    let sections = header.sections(endian, data)?;
    let symbols = sections.symbols(endian, data, elf::SHT_DYNSYM)?;
    let versions = sections.versions(endian, data)?;
    let mut imported = Symbols::new();
    for (index, symbol) in symbols.enumerate() {
        if !symbol.is_undefined(endian) || symbol.is_weak() || symbol.st_name(endian) == 0 {
            continue;
        }
        let name = String::from_utf8_lossy(symbol.name(endian, symbols.strings())?).into_owned();
        let mut version = String::new();
        if let Some(versions) = &versions {
            let index = versions.version_index(endian, index).index();
            if let Some(found) = versions.version(index)? {
                version = String::from_utf8_lossy(found.name()).into_owned();
            }
        }
        imported.insert(name, version);
    }
    Ok(imported)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols(pairs: &[(&str, &str)]) -> Symbols {
        pairs.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect()
    }

    #[test]
    fn a_version_that_the_release_does_not_have_is_named() {
        let there = symbols(&[("a", "FBSD_1.0"), ("b", "FBSD_1.0"), ("more", "FBSD_1.2")]);
        assert!(newer(&symbols(&[("a", "FBSD_1.0")]), &there).is_empty());
        let imported = symbols(&[("a", "FBSD_1.0"), ("b", "FBSD_1.7"), ("c", "FBSD_1.7")]);
        assert_eq!(newer(&imported, &there), ["b@FBSD_1.7 (FBSD_1.0 there)", "c@FBSD_1.7 (not there)"]);
    }

    #[test]
    fn this_test_imports_from_the_c_library() {
        let data = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let imported = imports(&data).unwrap();
        assert!(imported.contains_key("pthread_create") || imported.contains_key("malloc"), "{imported:?}");
        assert!(imports(b"#!/bin/sh\n").is_err());
    }

    /// With the symbol lists, where they are at hand (the lane itself fails without them).
    #[test]
    fn a_symbol_of_a_newer_release_is_refused() {
        if zig::find().is_none() {
            return;
        }
        let target = "x86_64-unknown-freebsd";
        let known = bind(target, OLDEST, ["_umtx_op", "pthread_getthreadid_np"].into_iter()).unwrap();
        let expected = symbols(&[("_umtx_op", "FBSD_1.0"), ("pthread_getthreadid_np", "FBSD_1.2")]);
        assert_eq!(known, expected);
        let error = bind(target, OLDEST, ["membarrier"].into_iter()).unwrap_err().to_string();
        assert!(error.contains("undefined symbol: membarrier"), "{error}");
    }
}
