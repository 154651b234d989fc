//! `cargo xtask api`: the public items of the crates that others depend on, listed beside each crate
//! (`public-api.txt`), so that no change to them goes unnoticed.

use anyhow::{Context as _, Result, bail};
use clap::Args as ClapArgs;
use std::path::{Path, PathBuf};
use toolchain::command::Command;
use toolchain::workspace;

/// The options.
#[derive(ClapArgs)]
pub struct Args {
    /// Write the lists. Without this they are compared with the code.
    #[arg(long)]
    bless: bool,
}

impl Args {
    pub(crate) fn compare() -> Self {
        Args { bless: false }
    }
}

/// The crates that the semver promise is about, with their folders.
const CRATES: &[(&str, &str)] =
    &[("extram", "crates/extram"), ("extram-capi", "crates/capi"), ("extram-core", "crates/core")];

/// Compares the lists with the code, or writes them.
pub fn api(args: &Args) -> Result<()> {
    for (name, folder) in CRATES {
        let path = workspace().join(folder).join("public-api.txt");
        let list = list(name)?;
        if args.bless {
            std::fs::write(&path, list)?;
            println!("wrote {}", path.display());
        } else {
            compare(&path, &list)?;
        }
    }
    Ok(())
}

fn compare(path: &Path, now: &str) -> Result<()> {
    let listed = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let lacks = |list: &str, line: &str| !list.lines().any(|other| other == line);
    let gone: Vec<_> = listed.lines().filter(|line| lacks(now, line)).collect();
    let new: Vec<_> = now.lines().filter(|line| lacks(&listed, line)).collect();
    if listed != now {
        bail!(
            "{} is not what the code says (cargo xtask api --bless)\n- {}\n+ {}",
            path.display(),
            gone.join("\n- "),
            new.join("\n+ ")
        );
    }
    Ok(())
}

fn list(name: &str) -> Result<String> {
    let json = json(name)?;
    let api = public_api::Builder::from_rustdoc_json(&json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .with_context(|| format!("{}: another format than this program knows", json.display()))?;
    let mut lines: Vec<String> = api.items().map(|item| format!("{item}\n")).collect();
    lines.sort();
    lines.dedup();
    Ok(lines.concat())
}

/// rustdoc's description of a crate. Unstable, so a stable compiler is told not to mind.
fn json(name: &str) -> Result<PathBuf> {
    let target = std::path::absolute("target/api")?;
    Command::new("cargo")
        .args(["rustdoc", "--quiet", "--lib", "--package", name, "--target-dir"])
        .arg(&target)
        .args(["--", "-Zunstable-options", "--output-format=json"])
        .env("RUSTC_BOOTSTRAP", "1")
        .run()?;
    Ok(target.join("doc").join(format!("{}.json", name.replace('-', "_"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("public-api.txt");
        std::fs::write(&path, "pub fn a()\npub fn b()\n").unwrap();
        assert!(compare(&path, "pub fn a()\npub fn b()\n").is_ok());
        let error = compare(&path, "pub fn a()\npub fn b(u32)\n").unwrap_err().to_string();
        assert!(error.contains("- pub fn b()\n+ pub fn b(u32)"), "{error}");
    }
}
