//! The C face's DLL, for Windows.

use crate::archive::Built;
use crate::places::{Places, Source, Tree};
use crate::tools::Tools;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// The target whose programs run here.
pub const X86_64: &str = "x86_64-pc-windows-gnu";

/// The other one, which is only built.
pub const I686: &str = "i686-pc-windows-gnu";

/// The C compiler of the first.
pub const CC: &str = "x86_64-w64-mingw32-gcc";

/// The C compiler for a target with a DLL.
pub(crate) fn compiler(target: &str) -> Option<&'static str> {
    match target {
        X86_64 => Some(CC),
        I686 => Some("i686-w64-mingw32-gcc"),
        _ => None,
    }
}

/// The DLL and its import library.
pub(crate) struct Dll {
    file: PathBuf,
    import: PathBuf,
}

/// Links them from the static library. What is exported is a list of names, for a version script says
/// nothing to a linker for Windows.
pub(crate) fn dll(tools: &Tools, built: &Built, names: &[String], made: &Path) -> Result<Dll> {
    let dll = Dll { file: made.join("extram.dll"), import: made.join("libextram.dll.a") };
    let exports = made.join("extram.def");
    std::fs::write(&exports, definition(names))?;
    let flags = std::env::var("LDFLAGS").unwrap_or_default();
    tools
        .compiler()
        // A DLL of the compiler's would have to be installed beside it.
        .args(["-shared", "-static-libgcc", "-s"])
        .args(flags.split_whitespace())
        .arg("-o")
        .args([&dll.file, &exports])
        .args(["-Wl,--gc-sections".to_owned(), format!("-Wl,--out-implib,{}", dll.import.display())])
        .arg(&built.archive)
        .args(&built.private)
        .run()?;
    Ok(dll)
}

impl Dll {
    pub(crate) fn add(self, tree: &mut Tree, places: &Places) {
        tree.add(&places.bin, "extram.dll", Source::Program(self.file));
        tree.add(&places.lib, "libextram.dll.a", Source::File(self.import));
    }
}

/// A module definition.
fn definition(names: &[String]) -> String {
    let names = names.iter().map(|name| format!("{name}\n"));
    std::iter::once("EXPORTS\n".to_owned()).chain(names).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_targets_of_windows_have_a_dll() {
        assert_eq!(compiler(X86_64), Some(CC));
        assert!(compiler("x86_64-unknown-linux-gnu").is_none());
        assert_eq!(definition(&["extram_enter".into()]), "EXPORTS\nextram_enter\n");
    }
}
