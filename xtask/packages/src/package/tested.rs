//! The tests that each package has in it, run in it: it is unpacked, and has its siblings as they were packed.

use super::Package;
use anyhow::{Context as _, Result, ensure};
use judge::Summary;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use toolchain::command::Command;
use toolchain::workspace;

/// Unpacks all, and runs the tests of each: of its code, its programs and its documentation. A package for itself,
/// so that none is built with a feature that another one asked for.
pub(super) fn tested(crates: &[Package]) -> Summary {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    let place = target.join("package/unpacked");
    if let Err(error) = unpack(crates, &target.join("package"), &place) {
        return Summary::of("the packages are unpacked", Err(error));
    }
    let mut summary = Summary::default();
    for package in crates {
        let test = Command::new("cargo").args(["test", "--quiet", "--offline", "--package", &package.name]);
        // Those of others are kept from one time to the next.
        let test = test.dir(&place).env("CARGO_TARGET_DIR", target.join("package/tested"));
        summary += Summary::of(&format!("cargo test in the package {}", package.name), test.run());
    }
    summary
}

fn unpack(crates: &[Package], packed: &Path, place: &Path) -> Result<()> {
    if place.exists() {
        std::fs::remove_dir_all(place).with_context(|| place.display().to_string())?;
    }
    std::fs::create_dir_all(place)?;
    for package in crates {
        let folder = package.folder();
        // As new: cargo would take a file that is as old as it was packed for the one that it has built.
        let tar = Command::new("tar").args(["-xmf".into(), packed.join(format!("{folder}.crate"))]);
        tar.arg("-C").arg(place).run()?;
        ensure!(place.join(&folder).join("README.md").is_file(), "{folder} has no README.md");
    }
    std::fs::write(place.join("Cargo.toml"), manifest(crates))?;
    // The versions that are there already, so that nothing is fetched.
    std::fs::copy(workspace().join("Cargo.lock"), place.join("Cargo.lock"))?;
    Ok(())
}

/// What makes one workspace of them, and puts them in the place of those that a registry would have.
fn manifest(crates: &[Package]) -> String {
    let folders: BTreeSet<String> =
        crates.iter().map(|package| format!("\"{}\"", package.folder())).collect();
    let members = folders.into_iter().collect::<Vec<_>>().join(", ");
    let patch = |package: &Package| format!("{} = {{ path = \"{}\" }}\n", package.name, package.folder());
    let patches: String = crates.iter().map(patch).collect();
    format!("[workspace]\nresolver = \"3\"\nmembers = [{members}]\n\n[patch.crates-io]\n{patches}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_package_stands_for_the_one_in_the_registry() {
        let text = manifest(&super::super::publishable().unwrap());
        let manifest: toml_edit::DocumentMut = text.parse().unwrap();
        let version = env!("CARGO_PKG_VERSION");
        for name in ["extram", "extram-capi", "extram-core", "extram-port-linux", "extram-tracing"] {
            let path = manifest["patch"]["crates-io"][name]["path"].as_str().unwrap();
            assert_eq!(path, format!("{name}-{version}"));
            let members = manifest["workspace"]["members"].as_array().unwrap();
            assert!(members.iter().any(|member| member.as_str() == Some(path)), "{text}");
        }
    }
}
