//! `cargo xtask freebsd fetch`: brings the pinned release's sets.
//!
//! The lock file names the release and where it is. A release's `MANIFEST` has the SHA-256 of its
//! sets; the first fetch writes those into the lock file, and from then on a file with another sum
//! is refused, whatever a MANIFEST says.

use super::base::{self, SETS};
use super::build;
use crate::command::Command;
use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The lock file, seen from the workspace's root.
const LOCK: &str = "xtask/freebsd.lock.json";

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Download the sets of the pinned release and check their sums.
    Fetch(FetchArgs),
}

#[derive(clap::Args)]
struct FetchArgs {
    /// For which target.
    #[arg(long, value_name = "TRIPLE", default_value = "x86_64-unknown-freebsd")]
    target: String,
    /// Another place that has MANIFEST and the sets, as a URL.
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// Another place to put them than the user's cache.
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
}

/// What the lock file says of one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Pinned {
    release: String,
    /// Where it may be, tried in this order: releases move to the archive when they grow old.
    urls: Vec<String>,
    /// SHA-256 by set, in hexadecimal. Empty until the first fetch.
    sha256: BTreeMap<String, String>,
}

type Lock = BTreeMap<String, Pinned>;

pub(crate) fn freebsd(args: &Args) -> Result<()> {
    let Verb::Fetch(args) = &args.verb;
    let lock = build::root().join(LOCK);
    let into = args.into.clone().unwrap_or_else(|| base::cache(&args.target));
    fetch(&lock, &args.target, args.from.as_deref(), &into)
}

fn fetch(lock_file: &Path, target: &str, from: Option<&str>, into: &Path) -> Result<()> {
    let text = std::fs::read_to_string(lock_file).with_context(|| lock_file.display().to_string())?;
    let mut lock: Lock = serde_json::from_str(&text).with_context(|| lock_file.display().to_string())?;
    let pinned =
        lock.get_mut(target).with_context(|| format!("the lock file has no release for {target}"))?;
    std::fs::create_dir_all(into).with_context(|| into.display().to_string())?;
    let mut urls = from.map_or_else(|| pinned.urls.clone(), |url| vec![url.to_owned()]);
    // Sums are taken only from a place that says who it is; to hold files to them, any place will do.
    urls.retain(|url| !(pinned.sha256.is_empty() && url.starts_with("http://")));
    println!("FreeBSD {} for {target} into {}", pinned.release, into.display());
    let (url, manifest) = manifest(&urls, into)?;
    let newly_pinned = pinned.sha256.is_empty();
    for set in SETS {
        let sum = manifest.get(set).with_context(|| format!("the MANIFEST at {url} has no {set}"))?;
        let pin = pinned.sha256.entry(set.to_owned()).or_insert_with(|| sum.clone());
        if pin != sum {
            bail!("{set}: the MANIFEST at {url} says {sum}, the lock file {pin}: refused");
        }
        bring(&format!("{url}/{set}"), &into.join(set), pin)?;
    }
    if newly_pinned {
        // Only now: the sums are those of files that came whole.
        std::fs::write(lock_file, serde_json::to_string_pretty(&lock)? + "\n")?;
        println!("the sums of this release are now in {}; commit it", lock_file.display());
    }
    Ok(())
}

/// The sums of the first place that has them.
fn manifest(urls: &[String], into: &Path) -> Result<(String, BTreeMap<String, String>)> {
    let file = into.join("MANIFEST");
    let mut errors = String::new();
    for url in urls {
        let url = url.trim_end_matches('/');
        let get = Command::new("curl").args(["-fsSL", "--retry", "2", "--connect-timeout", "30", "-o"]);
        match get.arg(&file).arg(format!("{url}/MANIFEST")).run() {
            Ok(()) => return Ok((url.to_owned(), sums(&std::fs::read_to_string(&file)?))),
            Err(error) => errors += &format!("\n  {error:#}"),
        }
    }
    bail!("no MANIFEST to be had:{errors}")
}

/// Reads a MANIFEST: lines of file, SHA-256, and more, between tabs.
fn sums(manifest: &str) -> BTreeMap<String, String> {
    manifest
        .lines()
        .filter_map(|line| {
            let mut fields = line.split('\t');
            let (file, sum) = (fields.next()?, fields.next()?);
            let good = sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
            good.then(|| (file.to_owned(), sum.to_lowercase()))
        })
        .collect()
}

/// Brings one file, going on where an earlier try broke off. It has its name only with the right
/// sum; with a wrong one it is kept aside.
fn bring(url: &str, to: &Path, sum: &str) -> Result<()> {
    if to.is_file() && sha256(to)? == sum {
        println!("ok: {} is there", to.display());
        return Ok(());
    }
    let part = to.with_extension("txz.part");
    let get = |resume: bool| {
        let curl =
            Command::new("curl").args(["-fL", "--retry", "3", "--connect-timeout", "30", "--progress-bar"]);
        let curl = if resume { curl.args(["-C", "-"]) } else { curl };
        curl.arg("-o").arg(&part).arg(url).run()
    };
    // A part that is whole already, or a server that cannot go on: the sum tells.
    let resumed = if part.is_file() { get(true).is_ok() } else { false };
    if !(resumed || part.is_file() && sha256(&part)? == sum) {
        get(false)?;
    }
    let got = sha256(&part)?;
    if got != sum {
        let aside = to.with_extension("txz.wrong");
        std::fs::rename(&part, &aside)?;
        bail!("{url}: its SHA-256 is {got}, and {sum} is due: refused, and kept as {}", aside.display());
    }
    std::fs::rename(&part, to)?;
    println!("ok: {}", to.display());
    Ok(())
}

fn sha256(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| path.display().to_string())?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => hash.update(&buffer[..count]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::which;

    const TARGET: &str = "x86_64-unknown-freebsd";

    /// A mirror in a directory, with a made-up release, and a lock file that knows no sums yet.
    struct Mirror(tempfile::TempDir);

    impl Mirror {
        fn new() -> Option<Mirror> {
            if which("curl").is_none() {
                println!("skipped: no curl");
                return None;
            }
            let mirror = Mirror(tempfile::tempdir().unwrap());
            std::fs::create_dir(mirror.path("m")).unwrap();
            std::fs::create_dir(mirror.path("into")).unwrap();
            mirror.publish(b"base", b"kernel");
            let pinned = Pinned {
                release: "0.0-FAKE".into(),
                urls: vec![mirror.url("gone"), mirror.url("m")],
                sha256: BTreeMap::new(),
            };
            let lock = Lock::from([(TARGET.to_owned(), pinned)]);
            std::fs::write(mirror.path("lock"), serde_json::to_string(&lock).unwrap()).unwrap();
            Some(mirror)
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn url(&self, name: &str) -> String {
            format!("file://{}", self.path(name).display())
        }

        fn publish(&self, base: &[u8], kernel: &[u8]) {
            let mut manifest = String::new();
            for (set, contents) in [("base.txz", base), ("kernel.txz", kernel)] {
                let file = self.path("m").join(set);
                std::fs::write(&file, contents).unwrap();
                manifest += &format!("{set}\t{}\t1\tset\t\"A set\"\ton\n", sha256(&file).unwrap());
            }
            std::fs::write(self.path("m/MANIFEST"), manifest).unwrap();
        }

        fn fetch(&self) -> Result<()> {
            fetch(&self.path("lock"), TARGET, None, &self.path("into"))
        }
    }

    #[test]
    fn the_first_fetch_pins_the_sums_and_later_ones_hold_to_them() {
        let Some(mirror) = Mirror::new() else { return };
        mirror.fetch().unwrap();
        assert_eq!(std::fs::read(mirror.path("into/base.txz")).unwrap(), b"base");
        let lock: Lock = serde_json::from_slice(&std::fs::read(mirror.path("lock")).unwrap()).unwrap();
        assert_eq!(lock[TARGET].sha256["base.txz"], sha256(&mirror.path("m/base.txz")).unwrap());
        mirror.fetch().unwrap();
        // A mirror that has other files and a MANIFEST to match them.
        mirror.publish(b"evil", b"kernel");
        let error = mirror.fetch().unwrap_err().to_string();
        assert!(error.contains("the lock file") && error.contains("refused"), "{error}");
        assert_eq!(std::fs::read(mirror.path("into/base.txz")).unwrap(), b"base");
    }

    #[test]
    fn a_wrong_sum_is_refused_and_kept_aside_and_nothing_is_pinned() {
        let Some(mirror) = Mirror::new() else { return };
        std::fs::write(mirror.path("m/kernel.txz"), "damaged").unwrap();
        let error = mirror.fetch().unwrap_err().to_string();
        assert!(error.contains("kernel.txz") && error.contains("refused"), "{error}");
        assert!(!mirror.path("into/kernel.txz").exists());
        assert_eq!(std::fs::read(mirror.path("into/kernel.txz.wrong")).unwrap(), b"damaged");
        let lock: Lock = serde_json::from_slice(&std::fs::read(mirror.path("lock")).unwrap()).unwrap();
        assert!(lock[TARGET].sha256.is_empty());
    }

    #[test]
    fn a_download_goes_on_where_it_broke_off() {
        let Some(mirror) = Mirror::new() else { return };
        let whole: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        mirror.publish(&whole, b"kernel");
        std::fs::write(mirror.path("into/base.txz.part"), &whole[..123_457]).unwrap();
        mirror.fetch().unwrap();
        assert_eq!(std::fs::read(mirror.path("into/base.txz")).unwrap(), whole);
        // What had come whole but was not renamed is not refused.
        std::fs::rename(mirror.path("into/base.txz"), mirror.path("into/base.txz.part")).unwrap();
        mirror.fetch().unwrap();
        assert_eq!(std::fs::read(mirror.path("into/base.txz")).unwrap(), whole);
    }

    #[test]
    fn sums_are_not_taken_over_plain_http() {
        let Some(mirror) = Mirror::new() else { return };
        let plain = Some("http://127.0.0.1:9/");
        let error = fetch(&mirror.path("lock"), TARGET, plain, &mirror.path("into")).unwrap_err();
        assert!(!error.to_string().contains("127.0.0.1"), "it was asked: {error:#}");
        mirror.fetch().unwrap();
        let error = fetch(&mirror.path("lock"), TARGET, plain, &mirror.path("into")).unwrap_err();
        assert!(error.to_string().contains("127.0.0.1"), "it was not asked: {error:#}");
    }

    #[test]
    fn no_mirror_at_all_is_told() {
        let Some(mirror) = Mirror::new() else { return };
        std::fs::remove_dir_all(mirror.path("m")).unwrap();
        let error = mirror.fetch().unwrap_err().to_string();
        assert!(error.contains("no MANIFEST"), "{error}");
    }

    #[test]
    fn the_lock_file_of_the_project_is_one() {
        let text = std::fs::read_to_string(build::root().join(LOCK)).unwrap();
        let lock: Lock = serde_json::from_str(&text).unwrap();
        for target in [TARGET, "aarch64-unknown-freebsd"] {
            assert!(!lock[target].urls.is_empty());
        }
    }
}
