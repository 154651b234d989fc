//! `cargo xtask install`: the C face where C compilers look for it, and all that a package of it has.
//!
//! | file | for |
//! |---|---|
//! | `include/extram.h` | C and C++ |
//! | `lib/libextram.a` | one object, whose only global names are those of the header |
//! | `lib/libextram.so.X.Y.Z` and its links | linked from that object, with versions of symbols |
//! | `lib/pkgconfig/extram.pc`, `lib/cmake/extram/` | make, meson, CMake |
//! | `share/man/man3/extram.3`, one for each function | people |
//! | `share/licenses/extram/`, `share/extram/extram.supp`, `share/extram/extram-gdb.py` | lawyers, valgrind, gdb |
//! | `share/extram/installed.txt` | `cargo xtask uninstall` |
//!
//! Nothing is put anywhere before all of it has been made: an installation is whole or fails.
//!
//! The shared library is linked here, because rustc's own version script for a `cdylib` leaves no
//! room for versioned symbols. Windows has `bin/extram.dll` in its place, and an archive that is as rustc
//! made it; machines without an operating system have the archive alone.

mod archive;
mod cmake;
mod dll;
mod header;
mod local;
mod man;
mod manifest;
mod options;
mod pkg_config;
mod places;
mod shared;
mod tools;

pub use dll::{CC as WINDOWS_CC, I686 as WINDOWS_32, X86_64 as WINDOWS_64};
pub use options::{INSTALL_HELP, Options, UNINSTALL_HELP};

use anyhow::{Result, bail};
use archive::Built;
use places::{Places, Source, Tree};
use std::path::PathBuf;
use tools::{Exchanges, System, Tools};

/// The version of the workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The part of a version within which programs need not be linked again.
fn abi(version: &str) -> String {
    let parts: Vec<&str> = version.split('.').collect();
    let significant = parts.iter().take_while(|part| **part == "0").count() + 1;
    parts[..significant.min(parts.len())].join(".")
}

/// The folder of the C face.
fn face() -> PathBuf {
    toolchain::workspace().join("crates/capi")
}

/// Builds the C face and puts it where it is asked for.
pub fn install(options: &Options) -> Result<()> {
    let options = &Options { prefix: std::path::absolute(&options.prefix)?, ..options.clone() };
    let host = toolchain::host()?;
    let target = options.target.as_deref().unwrap_or(&host);
    let system = System::of(target)?;
    if options.probes && system != System::Elf {
        bail!("--probes are notes in a shared library of Linux or a BSD, not for {target}");
    }
    // What is missing is said before anything is built.
    let exchanges = Exchanges::of(target, options.single_core)?;
    let tools = Tools::find(target, &host, system)?;
    let built = Built::staticlib(target, &host, system, exchanges, options)?;
    let tree = tree(options, system, &tools, &built)?;
    manifest::put(&tree, &Places::new(options), system)
}

/// Removes what [`install`] put there.
pub fn uninstall(options: &Options) -> Result<()> {
    let options = &Options { prefix: std::path::absolute(&options.prefix)?, ..options.clone() };
    manifest::remove(&Places::new(options))
}

/// Makes all of it, beside what cargo has built.
fn tree(options: &Options, system: System, tools: &Tools, built: &Built) -> Result<Tree> {
    let names = header::functions(&std::fs::read_to_string(face().join("include/extram.h"))?);
    let mut tree = Tree::default();
    let places = Places::new(options);
    tree.add(&places.include, "extram.h", Source::File(face().join("include/extram.h")));
    let made = built.folder()?;
    match system {
        System::Elf => {
            let object = local::object(tools, built, &names, &made)?;
            tree.add(&places.lib, "libextram.a", Source::File(local::archive(tools, &object, &made)?));
            shared::shared(tools, &object, &built.private, &made)?.add(&mut tree, &places);
        }
        System::Windows => {
            tree.add(&places.lib, "libextram.a", Source::File(built.archive.clone()));
            dll::dll(tools, built, &names, &made)?.add(&mut tree, &places);
        }
        System::Bare => {
            let port = face().join("include/extram_port.h");
            let names = [names.clone(), header::functions(&std::fs::read_to_string(&port)?)].concat();
            let object = local::object(tools, built, &names, &made)?;
            tree.add(&places.lib, "libextram.a", Source::File(local::archive(tools, &object, &made)?));
            tree.add(&places.include, "extram_port.h", Source::File(port));
        }
    }
    let pc = pkg_config::text(options, &built.private, system != System::Bare);
    tree.add(&places.lib.join("pkgconfig"), "extram.pc", Source::Text(pc));
    let cmake = places.lib.join("cmake/extram");
    tree.add(&cmake, "extramConfig.cmake", Source::Text(cmake::config(&places, system, &built.private)));
    tree.add(&cmake, "extramConfigVersion.cmake", Source::Text(cmake::version(tools.pointer_bytes)));
    let man = places.share.join("man/man3");
    tree.add(&man, "extram.3", Source::Text(man::page(&man::Sources::read()?)));
    for name in &names {
        // What man(1) shows for each function is the one page.
        tree.add(&man, &format!("{name}.3"), Source::Text(".so man3/extram.3\n".to_owned()));
    }
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        let text = toolchain::workspace().join(licence);
        tree.add(&places.share.join("licenses/extram"), licence, Source::File(text));
    }
    let share = places.share.join("extram");
    tree.add(&share, "extram.supp", Source::File(face().join("extram.supp")));
    // That of the facade, which rustc puts into a program in Rust.
    let script = toolchain::workspace().join("crates/extram/src/gdb.py");
    tree.add(&share, "extram-gdb.py", Source::File(script));
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_linked_against_the_part_of_the_version_that_matters() {
        assert_eq!([abi("0.1.7"), abi("0.0.3"), abi("2.4.1")], ["0.1", "0.0.3", "2"]);
        let map = std::fs::read_to_string(face().join("extram.map")).unwrap();
        assert!(map.contains(&format!("\nEXTRAM_{} {{", abi(VERSION))), "{map}");
    }
}
