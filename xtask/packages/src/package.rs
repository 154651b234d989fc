//! The lane `--package`: the crates as others get them, from a registry or vendored.

use crate::api;
use crate::vendor;
use anyhow::{Context as _, Result, bail};
use judge::Summary;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use toolchain::command::{Command, which};
use toolchain::workspace;

mod as_written;
mod recipes;
mod tested;

/// The lane.
pub fn lane() -> Result<Summary> {
    let mut summary = Summary::default();
    let crates = publishable()?;
    summary += Summary::of("metadata of the crates to publish", complete(&crates));
    match package(&crates) {
        Ok(()) => {
            summary += Summary::of("cargo package", Ok(()));
            summary += tested::tested(&crates);
        }
        failed => summary += Summary::of("cargo package", failed),
    }
    summary += Summary::of("the public items are as listed", api::api(&api::Args::compare()));
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("project/third_party/extram");
    let refused = Refused::find().unwrap_or_else(|| {
        let reason = "unshare(1) may not make a network namespace here; CARGO_NET_OFFLINE alone";
        summary += Summary::skipped("the network refused to the vendored build", reason);
        Refused(Vec::new())
    });
    let compilers: Vec<_> = ["cc", "pkg-config"].into_iter().filter(|tool| which(tool).is_none()).collect();
    let what = "a vendored copy is used as VENDORED.md says, without a network";
    summary += Summary::of("vendored copies are complete", vendored(folder.path(), &copy, &refused));
    if compilers.is_empty() {
        let project = folder.path().join("project");
        summary += Summary::of(what, as_written::follow(&project, &copy, &refused));
        summary += c_program(which("cc"), folder.path(), &copy);
        summary += recipes::recipes(folder.path(), &copy, &refused);
    } else {
        let reason = format!("missing: {} (cargo xtask setup)", compilers.join(", "));
        summary += Summary::skipped(what, &reason);
    }
    Ok(summary)
}

/// A crate, as `cargo metadata` tells.
#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    publish: Option<Vec<String>>,
    description: Option<String>,
    license: Option<String>,
    documentation: Option<String>,
    readme: Option<PathBuf>,
    rust_version: Option<String>,
    keywords: Vec<String>,
    categories: Vec<String>,
    manifest_path: PathBuf,
}

impl Package {
    /// As it is called in a file for a registry, and once it is unpacked.
    fn folder(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }
}

fn publishable() -> Result<Vec<Package>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    let json = Command::new("cargo").args(["metadata", "--no-deps", "--format-version=1"]).read()?;
    let all: Metadata = serde_json::from_str(&json)?;
    Ok(all.packages.into_iter().filter(|package| package.publish.is_none()).collect())
}

fn complete(crates: &[Package]) -> Result<()> {
    if crates.len() < 6 {
        bail!("only {} crates are for publishing", crates.len());
    }
    for package in crates {
        let folder = package.manifest_path.parent().context("a manifest in a folder")?;
        let readme = package.readme.as_ref().is_some_and(|readme| folder.join(readme).is_file());
        // Beside one from elsewhere it would be hidden, of which `cargo package` warns.
        let own =
            !folder.join("README.md").exists() || package.readme.as_deref() == Some("README.md".as_ref());
        let docs = format!("https://docs.rs/{}", package.name);
        let has = [
            ("a description", package.description.as_ref().is_some_and(|text| text.len() > 20)),
            ("a licence", package.license.as_deref() == Some("MIT OR Apache-2.0")),
            ("its page on docs.rs", package.documentation.as_ref() == Some(&docs)),
            ("a readme that exists", readme),
            ("its own readme, which it has", own),
            ("a rust-version", package.rust_version.is_some()),
            ("keywords", (1..=5).contains(&package.keywords.len())),
            ("categories", (1..=5).contains(&package.categories.len())),
        ];
        let lacking: Vec<_> = has.iter().filter(|(_, has)| !has).map(|(what, _)| *what).collect();
        if !lacking.is_empty() {
            bail!("{} lacks {}", package.name, lacking.join(", "));
        }
        let tested =
            folder.starts_with(workspace().join("tests")) || folder.starts_with(workspace().join("xtask"));
        if tested {
            bail!("{} is a test and is not for publishing", package.name);
        }
    }
    Ok(())
}

/// Packs every crate. Not built by this: cargo keeps what it has unpacked of a sibling by its version, which
/// does not change from one commit to the next, so a build would be of old files. `tested` unpacks them anew.
fn package(crates: &[Package]) -> Result<()> {
    let packages = crates.iter().flat_map(|package| ["--package", &package.name]);
    Command::new("cargo").args(["package", "--quiet", "--allow-dirty", "--no-verify"]).args(packages).run()
}

/// How a command is run without a network.
struct Refused(Vec<&'static str>);

impl Refused {
    fn find() -> Option<Self> {
        let ways: [&[&str]; 2] = [&["unshare", "--net"], &["unshare", "--map-root-user", "--net"]];
        which("unshare")?;
        let works = |way: &&[&'static str]| Command::new(way[0]).args(&way[1..]).arg("true").read().is_ok();
        ways.into_iter().find(works).map(|way| Refused(way.to_vec()))
    }

    fn command(&self, program: &str) -> Command {
        match self.0.split_first() {
            None => Command::new(program),
            Some((first, rest)) => Command::new(first).args(rest).arg(program),
        }
    }
}

fn vendored(folder: &Path, copy: &Path, refused: &Refused) -> Result<()> {
    vendor::vendor(&vendor::Args::new(copy, "linux"))?;
    let named = ["crates/extram/examples/slow_calls.rs", "crates/tracing/README.md"];
    let own = ["VENDORED.md", "LICENSE-MIT", "LICENSE-APACHE", "vendor/cfg-if/Cargo.toml"];
    for file in own.into_iter().chain(named) {
        if !copy.join(file).is_file() {
            bail!("no {file}");
        }
    }
    // That of another port is as complete. An empty CARGO_HOME: nothing that was downloaded before helps.
    let other = folder.join("other");
    vendor::vendor(&vendor::Args::new(&other, "bare-metal"))?;
    let cargo = refused.command("cargo").dir(&other).env("CARGO_HOME", folder.join("home"));
    let cargo = cargo.env_remove("CARGO_TARGET_DIR").env("CARGO_NET_OFFLINE", "true");
    cargo.args(["build", "--release", "--offline"]).run()
}

/// A C program with the archive that the copy has installed.
fn c_program(compiler: Option<PathBuf>, folder: &Path, copy: &Path) -> Summary {
    let what = "a C program with the vendored copy";
    match compiler {
        Some(compiler) => Summary::of(what, calls(&compiler, folder, copy)),
        None => Summary::skipped(what, "no cc (cargo xtask setup)"),
    }
}

fn calls(compiler: &Path, folder: &Path, copy: &Path) -> Result<()> {
    let installed = copy.join("installed");
    let program = folder.join("program");
    Command::new(compiler)
        .arg(crate::header::directory().join("tests/c/threads.c"))
        .arg(format!("-I{}", installed.join("include").display()))
        .args([Path::new("-o"), &program, &installed.join("lib/libextram.a")])
        .args(["-pthread", "-ldl", "-lm"])
        .run()?;
    let printed = Command::new(&program).read()?;
    if printed != "80000 calls\n" {
        bail!("{printed:?}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_c_program_without_a_compiler_is_skipped_and_one_that_does_not_build_has_failed() {
        let nothing = tempfile::tempdir().unwrap();
        let of = |compiler: Option<&str>| {
            c_program(compiler.map(PathBuf::from), nothing.path(), nothing.path()).to_string()
        };
        assert_eq!(of(None), "0 passed, 0 failed, 1 skipped");
        assert_eq!(of(Some("false")), "0 passed, 1 failed, 0 skipped");
    }
}
