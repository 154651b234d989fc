//! `cargo xtask vendor DIR`: extram as a project takes it that keeps all it needs in its own tree.
//!
//! The copy has the core, the facade, the C face and one port with what they depend on, no tests
//! and no development dependencies, and builds with `cargo build --offline` and nothing else. That of
//! an operating system also has what the guide names, `extram-tracing` and the facade's examples, and the program
//! that installs (`xtask-install`), under the name that it has here: `cargo xtask install`. `VENDORED.md` says
//! how to use it, and what is left out (`note`).

use anyhow::{Context as _, Result, bail};
use clap::Args as ClapArgs;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml_edit::{Array, DocumentMut, Item, Table, TableLike, value};
use toolchain::command::Command;
use toolchain::workspace;

mod note;

/// The options.
#[derive(ClapArgs)]
pub struct Args {
    /// The folder to create. If it exists, it has to be empty.
    dir: PathBuf,
    /// Which port, by the name of its folder in `ports`: linux, freebsd, bare-metal and so on.
    #[arg(long, default_value = "linux")]
    port: String,
}

impl Args {
    pub(crate) fn new(dir: &Path, port: &str) -> Self {
        Args { dir: dir.to_owned(), port: port.to_owned() }
    }
}

/// Writes a copy that has all it needs.
pub fn vendor(args: &Args) -> Result<()> {
    let dir = std::path::absolute(&args.dir)?;
    if dir.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{} is not empty", dir.display());
    }
    let root: DocumentMut = std::fs::read_to_string(workspace().join("Cargo.toml"))?.parse()?;
    let members = members(&root, &args.port)?;
    for (name, path) in &members {
        copy_tracked(path, &dir)?;
        let manifest = dir.join(path).join("Cargo.toml");
        let text = std::fs::read_to_string(&manifest)?;
        std::fs::write(&manifest, member(&text, name, &members, &args.port)?)?;
    }
    std::fs::write(dir.join("Cargo.toml"), workspace_manifest(root, &members))?;
    for file in ["Cargo.lock", "LICENSE-APACHE", "LICENSE-MIT"] {
        std::fs::copy(workspace().join(file), dir.join(file)).with_context(|| file.to_owned())?;
    }
    let readme = std::fs::read_to_string(workspace().join("README.md")).context("README.md")?;
    let readme = note::readme(&readme, &args.port, |file| dir.join(file).exists());
    std::fs::write(dir.join("README.md"), readme)?;
    std::fs::write(dir.join("VENDORED.md"), note::text(&members, &args.port)?)?;
    // Takes what is superfluous out of Cargo.lock, too; versions stay.
    let listing = Command::new("cargo").args(["vendor", "--quiet", "vendor"]).dir(&dir);
    listing.echo();
    listing.read()?;
    std::fs::create_dir_all(dir.join(".cargo"))?;
    let alias = if args.port == "bare-metal" { "" } else { INSTALLER };
    std::fs::write(dir.join(".cargo/config.toml"), format!("{CONFIG}{alias}"))?;
    println!("{} crates of extram's in {}", members.len(), dir.display());
    Ok(())
}

/// The folder of the facade.
const FACADE: &str = "crates/extram";

const BARE_METAL: &str = "extram-port-bare-metal";

/// Crates of ours that are for operating systems alone.
const HOSTED: &[&str] = &["extram", "extram-posix"];

const CONFIG: &str = "\
[source.crates-io]
replace-with = \"vendored\"

[source.vendored]
directory = \"vendor\"
";

const INSTALLER: &str = "
[alias]
xtask = \"run --quiet --package xtask-install --\"
";

/// The crates of ours that go along, by name, with their folders.
fn members(root: &DocumentMut, port: &str) -> Result<BTreeMap<String, String>> {
    let ours = ours(root);
    let port = format!("extram-port-{port}");
    if !ours.contains_key(&port) {
        let ports = ours.keys().filter_map(|name| name.strip_prefix("extram-port-"));
        bail!("there is no {port}; ports: {}", ports.collect::<Vec<_>>().join(", "));
    }
    let mut members = BTreeMap::new();
    let mut todo = vec![port.clone()];
    // The facade picks the port of an operating system.
    let facade = port != BARE_METAL;
    todo.extend(["extram", "install"].into_iter().filter(|_| facade).map(str::to_owned));
    // Not dependencies of anything, so perhaps not in the list. The facade's guide names the second.
    let named = facade.then_some(("extram-tracing", "crates/tracing"));
    for (name, path) in [("extram-capi", "crates/capi")].into_iter().chain(named) {
        members.insert(name.to_owned(), path.to_owned());
        todo.extend(dependencies(&workspace().join(path))?);
    }
    while let Some(name) = todo.pop() {
        let other_port = name.starts_with("extram-port-") && name != port;
        if other_port || HOSTED.contains(&&*name) && !facade {
            continue;
        }
        let Some(path) = ours.get(&name) else { continue };
        if members.insert(name, path.clone()).is_none() {
            todo.extend(dependencies(&workspace().join(path))?);
        }
    }
    Ok(members)
}

/// The crates of the workspace that can be depended on, with their folders.
fn ours(root: &DocumentMut) -> BTreeMap<String, String> {
    let all = root["workspace"]["dependencies"].as_table_like().into_iter().flat_map(TableLike::iter);
    let path = |item: &Item| item.as_table_like()?.get("path")?.as_str().map(str::to_owned);
    all.filter_map(|(name, item)| Some((name.to_owned(), path(item)?))).collect()
}

/// The names of a crate's dependencies on any target.
fn dependencies(krate: &Path) -> Result<Vec<String>> {
    let manifest: DocumentMut = std::fs::read_to_string(krate.join("Cargo.toml"))?.parse()?;
    let mut names = names(manifest.get("dependencies"));
    let targets = manifest.get("target").and_then(Item::as_table_like);
    for (_, target) in targets.into_iter().flat_map(TableLike::iter) {
        names.extend(self::names(target.get("dependencies")));
    }
    Ok(names)
}

fn names(table: Option<&Item>) -> Vec<String> {
    let table = table.and_then(Item::as_table_like);
    table.into_iter().flat_map(TableLike::iter).map(|(name, _)| name.to_owned()).collect()
}

/// Copies what git knows of a crate, but for its tests. The facade's examples are for its users.
fn copy_tracked(path: &str, to: &Path) -> Result<()> {
    let listing = Command::new("git").args(["ls-files", "-z", "--", path]).dir(workspace()).read()?;
    let wanted = |file: &&str| {
        let inside = file.strip_prefix(path).unwrap_or(file);
        let shown = path == FACADE && inside.starts_with("/examples/");
        shown || !["/tests/", "/benches/", "/examples/"].iter().any(|folder| inside.starts_with(folder))
    };
    for file in listing.split('\0').filter(|file| !file.is_empty()).filter(wanted) {
        let target = to.join(file);
        std::fs::create_dir_all(target.parent().expect("a file in a folder"))?;
        std::fs::copy(workspace().join(file), &target).with_context(|| file.to_owned())?;
    }
    Ok(())
}

/// A member's manifest without what is for development: its tests and models, logging by defmt; and
/// without the other ports.
fn member(text: &str, name: &str, members: &BTreeMap<String, String>, port: &str) -> Result<String> {
    let mut manifest: DocumentMut = text.parse()?;
    let stays = |name: &str| {
        let other_port = name.starts_with("extram-port-") && !members.contains_key(name);
        let hosted = (name == "libc" || HOSTED.contains(&name)) && members.contains_key(BARE_METAL);
        !other_port && !hosted && name != "defmt"
    };
    let clean = |table: &mut dyn TableLike| {
        table.remove("dev-dependencies");
        if let Some(dependencies) = table.get_mut("dependencies").and_then(Item::as_table_like_mut) {
            retain(dependencies, stays);
        }
    };
    clean(manifest.as_table_mut());
    for section in ["bench", "example", "test"] {
        if (name, section) != ("extram", "example") {
            manifest.remove(section);
        }
    }
    if let Some(targets) = manifest.get_mut("target").and_then(Item::as_table_like_mut) {
        let keys: Vec<String> = targets.iter().map(|(key, _)| key.to_owned()).collect();
        for key in keys {
            if let Some(target) = targets.get_mut(&key).and_then(Item::as_table_like_mut) {
                clean(target);
            }
        }
    }
    if let Some(features) = manifest.get_mut("features").and_then(Item::as_table_like_mut) {
        retain(features, |feature| feature != "defmt");
        if name == "extram-capi" && port == "bare-metal" {
            features.insert("default", value(Array::from_iter(["kernel"])));
            features.remove("std");
        } else {
            retain(features, |feature| feature != "kernel" && feature != "panic-handler");
        }
    }
    if name == "extram-capi" && port != "bare-metal" {
        // `cargo build` makes what C links.
        manifest["lib"]["crate-type"] = value(Array::from_iter(["lib", "staticlib"]));
    }
    Ok(manifest.to_string())
}

fn workspace_manifest(mut root: DocumentMut, members: &BTreeMap<String, String>) -> String {
    root["workspace"]["members"] = value(Array::from_iter(members.values()));
    // What `cargo build` makes: not the program that installs.
    let ours = members.values().filter(|path| !path.starts_with("xtask/"));
    root["workspace"]["default-members"] = value(Array::from_iter(ours));
    let workspace = root["workspace"].as_table_like_mut().expect("a table");
    retain(workspace, |key| {
        ["resolver", "members", "default-members", "package", "dependencies", "lints"].contains(&key)
    });
    let dependencies = workspace.get_mut("dependencies").and_then(Item::as_table_like_mut);
    if let Some(dependencies) = dependencies {
        let ours: Vec<String> = dependencies
            .iter()
            .filter(|(name, item)| item.get("path").is_some() && !members.contains_key(*name))
            .map(|(name, _)| name.to_owned())
            .collect();
        retain(dependencies, |name| !ours.iter().any(|other| other == name));
    }
    // A newer compiler finds more to say; that is no reason not to build.
    let mut lints = Table::new();
    lints["rust"]["unexpected_cfgs"] = value("allow");
    workspace.insert("lints", Item::Table(lints));
    root.to_string()
}

fn retain(table: &mut dyn TableLike, keep: impl Fn(&str) -> bool) {
    let gone: Vec<String> = table.iter().map(|(key, _)| key.to_owned()).filter(|key| !keep(key)).collect();
    for key in gone {
        table.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_development_stays_behind() {
        let members = [("extram-port-linux".to_owned(), "ports/linux".to_owned())].into();
        let manifest = r#"[package]
name = "x"
[features]
default = ["alloc"]
alloc = []
defmt = ["dep:defmt"]
[dependencies]
cfg-if.workspace = true
defmt = { version = "1", optional = true }
[target.'cfg(target_os = "linux")'.dependencies]
extram-port-linux.workspace = true
[target.'cfg(target_os = "freebsd")'.dependencies]
extram-port-freebsd.workspace = true
[target.'cfg(loom)'.dev-dependencies]
loom = "0.7"
[target.'cfg(unix)'.dev-dependencies]
tempfile = "3"
[dev-dependencies]
criterion = "0.5"
[[bench]]
name = "b"
"#;
        let out = member(manifest, "x", &members, "linux").unwrap();
        for gone in ["defmt", "freebsd.workspace", "loom", "tempfile", "criterion", "bench"] {
            assert!(!out.contains(gone), "{gone} in {out}");
        }
        for kept in ["cfg-if.workspace", "extram-port-linux.workspace", "alloc = []"] {
            assert!(out.contains(kept), "no {kept} in {out}");
        }
    }

    #[test]
    fn one_port_goes_along_and_what_it_needs() {
        let root = std::fs::read_to_string(workspace().join("Cargo.toml")).unwrap().parse().unwrap();
        let linux = members(&root, "linux").unwrap();
        for name in ["extram", "extram-capi", "extram-core", "extram-port-linux", "extram-elf-tls", "install"]
        {
            assert!(linux.contains_key(name), "{name} is not in {linux:?}");
        }
        assert!(!linux.contains_key("extram-port-freebsd") && !linux.contains_key("extram-conformance"));
        assert_eq!(linux["extram-tracing"], "crates/tracing");
        let bare = members(&root, "bare-metal").unwrap();
        assert!(!bare.contains_key("install") && !bare.contains_key("extram-tracing"));
        let error = members(&root, "plan9").unwrap_err().to_string();
        assert!(error.contains("plan9") && error.contains("linux"), "{error}");
    }
}
