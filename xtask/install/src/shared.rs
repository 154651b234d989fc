//! `libextram.so`, linked from the object that the archive has.

use crate::places::{Places, Source, Tree};
use crate::tools::Tools;
use crate::{VERSION, abi, face};
use anyhow::Result;
use std::path::{Path, PathBuf};

/// The library, and the names it goes by.
pub(crate) struct Shared {
    file: PathBuf,
}

/// The file itself.
pub(crate) fn real() -> String {
    format!("libextram.so.{VERSION}")
}

/// What programs ask for when they start.
pub(crate) fn soname() -> String {
    format!("libextram.so.{}", abi(VERSION))
}

/// Links it. LDFLAGS come first, as in a makefile.
pub(crate) fn shared(tools: &Tools, object: &Path, private: &[String], made: &Path) -> Result<Shared> {
    let file = made.join(real());
    let flags = std::env::var("LDFLAGS").unwrap_or_default();
    tools
        .compiler()
        .arg("-shared")
        .args(flags.split_whitespace())
        .arg(format!("-Wl,-soname,{}", soname()))
        .arg(format!("-Wl,--version-script,{}", face().join("extram.map").display()))
        .args(["-Wl,--gc-sections", "-Wl,-z,relro,-z,now", "-o"])
        .args([&file, object])
        .args(private)
        .run()?;
    Ok(Shared { file })
}

impl Shared {
    pub(crate) fn add(self, tree: &mut Tree, places: &Places) {
        tree.add(&places.lib, &real(), Source::Program(self.file));
        for link in [soname(), "libextram.so".to_owned()] {
            tree.add(&places.lib, &link, Source::Link(real()));
        }
    }
}
