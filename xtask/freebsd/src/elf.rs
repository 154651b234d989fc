//! What an ELF file of FreeBSD says about itself: the libraries it asks for, its runtime linker,
//! and the release it was made for.

use anyhow::{Context as _, Result, bail};
use object::elf::{self, FileHeader64};
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _};
use object::{Endianness, FileKind};
use std::path::Path;

/// The facts of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// `EM_X86_64` or `EM_AARCH64`, and so on.
    pub(crate) machine: u16,
    /// The runtime linker; `None` in a library and in a static program.
    pub(crate) interpreter: Option<String>,
    /// The libraries it is linked against (`DT_NEEDED`).
    pub(crate) needed: Vec<String>,
    /// `__FreeBSD_version` of the headers and start-up files it was made with, from its ABI note.
    pub(crate) version: Option<u32>,
}

/// The note that FreeBSD's start-up files put into each program: `sys/elf_common.h`,
/// `NT_FREEBSD_ABI_TAG`. The owner's name ends with a zero byte in the file.
const OWNER: &[u8] = b"FreeBSD";
const ABI_TAG: elf::NoteType = elf::NoteType(1);

/// Reads the facts of a file.
pub(crate) fn facts(path: &Path) -> Result<Facts> {
    let data = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&data).with_context(|| format!("{} is not a FreeBSD program or library", path.display()))
}

fn parse(data: &[u8]) -> Result<Facts> {
    if FileKind::parse(data)? != FileKind::Elf64 {
        bail!("not a 64-bit ELF file");
    }
    let header = FileHeader64::<Endianness>::parse(data)?;
    let endian = header.endian()?;
    let segments = header.program_headers(endian, data)?;
    let mut facts = Facts { machine: header.e_machine(endian).0, ..Facts::default() };
    for segment in segments {
        if let Some(interpreter) = segment.interpreter(endian, data)? {
            facts.interpreter = Some(String::from_utf8_lossy(interpreter).into_owned());
        }
        if let Some(mut notes) = segment.notes(endian, data)? {
            while let Some(note) = notes.next()? {
                if note.name() == OWNER
                    && note.n_type(endian) == ABI_TAG
                    && let Some(version) = note.desc().first_chunk()
                {
                    facts.version = Some(u32::from_le_bytes(*version));
                }
            }
        }
    }
    let sections = header.sections(endian, data)?;
    if let Some((entries, strings)) = sections.dynamic(endian, data)? {
        let strings = sections.strings(endian, data, strings)?;
        for entry in entries.iter().filter(|entry| entry.tag(endian) == elf::DT_NEEDED) {
            let name = entry.string(endian, strings)?;
            facts.needed.push(String::from_utf8_lossy(name).into_owned());
        }
    }
    Ok(facts)
}

/// The machine of a target, as ELF files name it.
pub(crate) fn machine(target: &str) -> u16 {
    if target.starts_with("aarch64") { elf::EM_AARCH64.0 } else { elf::EM_X86_64.0 }
}

/// Made-up files for the tests of what reads real ones.
#[cfg(test)]
pub(crate) mod fake {
    /// The bytes of a 64-bit ELF file for x86-64 that asks for these libraries and has this ABI
    /// note. There is no code in it.
    pub(crate) fn elf(needed: &[&str], version: Option<u32>) -> Vec<u8> {
        const HEADER: usize = 64;
        const SEGMENT: usize = 56;
        const SECTION: usize = 64;
        let mut strings = vec![0];
        let mut dynamic = Vec::new();
        for name in needed {
            dynamic.extend(1u64.to_le_bytes()); // DT_NEEDED
            dynamic.extend((strings.len() as u64).to_le_bytes());
            strings.extend(name.as_bytes());
            strings.push(0);
        }
        dynamic.extend([0; 16]);
        strings.resize(strings.len().next_multiple_of(8), 0);
        let mut note = Vec::new();
        if let Some(version) = version {
            for word in [8u32, 4, 1] {
                note.extend(word.to_le_bytes());
            }
            note.extend(b"FreeBSD\0");
            note.extend(version.to_le_bytes());
        }
        let note_at = HEADER + SEGMENT;
        let dynamic_at = (note_at + note.len()).next_multiple_of(8);
        let strings_at = dynamic_at + dynamic.len();
        let sections_at = strings_at + strings.len();
        let u16s = |numbers: &[u16]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
        let u32s = |numbers: &[u32]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
        let u64s =
            |numbers: &[usize]| numbers.iter().flat_map(|n| (*n as u64).to_le_bytes()).collect::<Vec<u8>>();
        let mut file = b"\x7fELF\x02\x01\x01\x09\0\0\0\0\0\0\0\0".to_vec();
        file.extend(u16s(&[3, 62]));
        file.extend(u32s(&[1]));
        file.extend(u64s(&[0, HEADER, sections_at]));
        file.extend(u32s(&[0]));
        file.extend(u16s(&[HEADER as u16, SEGMENT as u16, 1, SECTION as u16, 3, 2]));
        file.extend(u32s(&[4, 4])); // PT_NOTE
        file.extend(u64s(&[note_at, note_at, note_at, note.len(), note.len(), 4]));
        file.extend(note);
        file.resize(dynamic_at, 0);
        file.extend(dynamic);
        file.extend(strings);
        let section = |kind: u32, at: usize, size: usize, link: u32, entry: usize| {
            [u32s(&[0, kind]), u64s(&[0, 0, at, size]), u32s(&[link, 0]), u64s(&[8, entry])].concat()
        };
        file.extend(section(0, 0, 0, 0, 0));
        file.extend(section(6, dynamic_at, strings_at - dynamic_at, 2, 16)); // SHT_DYNAMIC
        file.extend(section(3, strings_at, sections_at - strings_at, 0, 0)); // SHT_STRTAB
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fake_is_read_as_a_real_file_is() {
        let facts = parse(&fake::elf(&["libc.so.7", "libthr.so.3"], Some(1_302_001))).unwrap();
        assert_eq!(facts.machine, machine("x86_64-unknown-freebsd"));
        assert_eq!(facts.needed, ["libc.so.7", "libthr.so.3"]);
        assert_eq!(facts.version, Some(1_302_001));
        assert_eq!(parse(&fake::elf(&[], None)).unwrap().version, None);
    }

    #[test]
    fn this_test_is_an_elf_program_that_asks_for_libc() {
        let facts = facts(&std::env::current_exe().unwrap()).unwrap();
        assert!(facts.needed.iter().any(|name| name.starts_with("libc.so")), "{facts:?}");
        assert!(facts.interpreter.is_some());
        // Made for this machine, which is not FreeBSD's start-up files' business.
        #[cfg(not(target_os = "freebsd"))]
        assert_eq!(facts.version, None);
    }

    #[test]
    fn what_is_no_elf_file_is_refused() {
        assert!(parse(b"#!/bin/sh\n").is_err());
        assert!(parse(b"\x7fELF").is_err());
        assert!(parse(b"").is_err());
    }
}
