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

#[cfg(test)]
mod tests {
    use super::*;

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
