//! `cargo xtask freebsd fetch`: brings the pinned release's sets.
//!
//! The lock file names the release and where it is, and has the SHA-256 of its sets. A release whose
//! sums it does not have is trusted on first use: its `MANIFEST`, which lists them, is taken over
//! https (or from a directory) only, never over plain http, and when all sets have come whole the
//! sums are written into the lock file, for a person to compare with the release's announcement
//! and to commit. From then on a file with another sum is refused, whatever a MANIFEST says, and
//! any place may serve it.
//!
//! A download that breaks off is gone on with, at once as long as that brings more, and by the next
//! fetch. A server that only sends whole files sends a whole file. A file with a wrong sum is kept
//! aside, so that nothing is ever added to it.

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
    let urls = from.map_or_else(|| pinned.urls.clone(), |url| vec![url.to_owned()]);
    println!("FreeBSD {} for {target} into {}", pinned.release, into.display());
    let newly_pinned = pinned.sha256.is_empty();
    if newly_pinned {
        println!("its sums are not in {} yet: they are taken from its MANIFEST", lock_file.display());
    }
    let (url, manifest) = manifest(&urls, into, newly_pinned)?;
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
        std::fs::write(lock_file, serde_json::to_string_pretty(&lock)? + "\n")
            .with_context(|| format!("the sums cannot be pinned in {}", lock_file.display()))?;
        println!(
            "pinned on first use: the sums that {url}/MANIFEST gives are now in {}; compare them with the \
             release's announcement and commit the file",
            lock_file.display()
        );
    }
    Ok(())
}

/// The sums of the first place that has them. To be trusted, a place has to say who it is; to be
/// compared with what is pinned, it need not.
fn manifest(urls: &[String], into: &Path, to_trust: bool) -> Result<(String, BTreeMap<String, String>)> {
    let file = into.join("MANIFEST");
    let mut errors = String::new();
    for url in urls {
        let url = url.trim_end_matches('/');
        if to_trust && url.starts_with("http://") {
            errors +=
                &format!("\n  {url}: not asked, anybody could answer for it and no sums are pinned yet");
            continue;
        }
        let get = curl().args(["-fsSL", "--retry", "2", "-o"]);
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
    // A part that is whole already, or a server that cannot go on: the sum tells.
    let resumed = part.is_file() && go_on(url, &part).is_ok();
    if !(resumed || part.is_file() && sha256(&part)? == sum) {
        if part.is_file() {
            std::fs::remove_file(&part)?;
        }
        go_on(url, &part)?;
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

/// Brings what is missing of a file, in as many tries as bring something.
fn go_on(url: &str, part: &Path) -> Result<()> {
    let length = || part.metadata().map_or(0, |facts| facts.len());
    loop {
        let had = length();
        let get = curl().args(["-fL", "--retry", "3", "--progress-bar"]);
        let get = if had == 0 { get } else { get.args(["-C", "-"]) };
        match get.arg("-o").arg(part).arg(url).run() {
            Err(_) if length() > had => println!("it broke off after {} bytes; going on", length()),
            done => return done,
        }
    }
}

fn curl() -> Command {
    let curl = Command::new("curl").args(["--connect-timeout", "30"]);
    // A proxy cannot reach the servers of the tests.
    if cfg!(test) { curl.env("no_proxy", "127.0.0.1") } else { curl }
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

        /// With a large set, whose sum is pinned; that set.
        fn pinned() -> Option<(Mirror, Vec<u8>)> {
            let (mirror, whole) = (Mirror::new()?, numbers());
            mirror.publish(&whole, b"kernel");
            mirror.pin();
            Some((mirror, whole))
        }

        /// Pins what is published, as a first fetch does.
        fn pin(&self) {
            fetch(&self.path("lock"), TARGET, None, &self.path("first")).unwrap();
        }

        /// Fetches from a server; what it was asked for.
        fn fetch_from(&self, manner: Manner) -> (Result<()>, Vec<String>) {
            let server = Server::start(self.path("m"), manner);
            let done = fetch(&self.path("lock"), TARGET, Some(&server.url), &self.path("into"));
            (done, server.stop())
        }

        fn has(&self, file: &str, contents: &[u8]) {
            let got = std::fs::read(self.path("into").join(file)).unwrap();
            assert!(got == contents, "{file}: {} bytes, {} are due", got.len(), contents.len());
        }
    }

    /// How a server answers.
    #[derive(Clone, Copy)]
    enum Manner {
        /// A part where a part is asked for.
        Ranges,
        /// The whole file, whatever is asked for.
        Whole,
        /// A part where a part is asked for, and so many bytes of it at most: then the connection ends.
        Cut(usize),
        /// The same without parts.
        WholeCut(usize),
    }

    /// An HTTP server for this machine, whose files are in a directory.
    struct Server {
        url: String,
        address: std::net::SocketAddr,
        thread: std::thread::JoinHandle<Vec<String>>,
    }

    impl Server {
        fn start(dir: PathBuf, manner: Manner) -> Server {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let thread = std::thread::spawn(move || {
                let mut asked = Vec::new();
                for connection in listener.incoming() {
                    match answer(connection.unwrap(), &dir, manner) {
                        Some(request) => asked.push(request),
                        None => break,
                    }
                }
                asked
            });
            Server { url: format!("http://{address}"), address, thread }
        }

        /// Each request: the file, and from which byte on.
        fn stop(self) -> Vec<String> {
            // A connection without a request.
            drop(std::net::TcpStream::connect(self.address).unwrap());
            self.thread.join().unwrap()
        }
    }

    /// Answers one request; `None` if there is none.
    fn answer(mut connection: std::net::TcpStream, dir: &Path, manner: Manner) -> Option<String> {
        use std::io::{BufRead as _, BufReader, Write as _};
        let mut lines = BufReader::new(connection.try_clone().unwrap()).lines().map_while(Result::ok);
        let request = lines.next()?;
        let file = request.split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
        let mut from = None;
        for line in lines.take_while(|line| !line.is_empty()) {
            if let Some(range) = line.to_lowercase().strip_prefix("range: bytes=") {
                from = Some(range.trim_end_matches('-').parse::<usize>().unwrap());
            }
        }
        let asked = format!("{file} from {}", from.unwrap_or(0));
        let whole = std::fs::read(dir.join(&file)).unwrap();
        let from = from.filter(|_| matches!(manner, Manner::Ranges | Manner::Cut(_)));
        let (head, body) = match from {
            Some(from) if from >= whole.len() => ("416 Range Not Satisfiable".to_owned(), [].as_slice()),
            Some(from) => {
                let range = format!("Content-Range: bytes {from}-{}/{}", whole.len() - 1, whole.len());
                (format!("206 Partial Content\r\n{range}"), &whole[from..])
            }
            None => ("200 OK".to_owned(), whole.as_slice()),
        };
        let most = match manner {
            Manner::Cut(most) | Manner::WholeCut(most) => most,
            _ => usize::MAX,
        };
        let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        // A client that goes away is not this server's concern.
        let _ = connection.write_all(head.as_bytes());
        let _ = connection.write_all(&body[..body.len().min(most)]);
        Some(asked)
    }

    fn numbers() -> Vec<u8> {
        (0..100_000_u32).flat_map(u32::to_le_bytes).collect()
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
        let whole = numbers();
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
    fn a_server_is_asked_for_the_rest_only() {
        let Some((mirror, whole)) = Mirror::pinned() else { return };
        std::fs::write(mirror.path("into/base.txz.part"), &whole[..123_457]).unwrap();
        // Whole already, and only not renamed yet.
        std::fs::write(mirror.path("into/kernel.txz.part"), b"kernel").unwrap();
        let (done, asked) = mirror.fetch_from(Manner::Ranges);
        done.unwrap();
        assert_eq!(asked, ["MANIFEST from 0", "base.txz from 123457", "kernel.txz from 6"]);
        mirror.has("base.txz", &whole);
        mirror.has("kernel.txz", b"kernel");
        // What is there is not asked for again.
        let (done, asked) = mirror.fetch_from(Manner::Ranges);
        done.unwrap();
        assert_eq!(asked, ["MANIFEST from 0"]);
    }

    #[test]
    fn a_server_that_has_no_parts_sends_the_whole_file() {
        let Some((mirror, whole)) = Mirror::pinned() else { return };
        std::fs::write(mirror.path("into/base.txz.part"), &whole[..123_457]).unwrap();
        let (done, asked) = mirror.fetch_from(Manner::Whole);
        done.unwrap();
        let due = ["MANIFEST from 0", "base.txz from 123457", "base.txz from 0", "kernel.txz from 0"];
        assert_eq!(asked, due);
        mirror.has("base.txz", &whole);
    }

    #[test]
    fn a_connection_that_ends_too_soon_is_made_again_while_it_brings_something() {
        let Some((mirror, whole)) = Mirror::pinned() else { return };
        let (done, asked) = mirror.fetch_from(Manner::Cut(150_000));
        done.unwrap();
        let from = |bytes| format!("base.txz from {bytes}");
        let base = [from(0), from(150_000), from(300_000)];
        assert_eq!(asked[1..4], base);
        mirror.has("base.txz", &whole);
    }

    #[test]
    fn a_download_that_cannot_go_on_fails_and_its_part_serves_the_next_fetch() {
        let Some((mirror, whole)) = Mirror::pinned() else { return };
        let (done, _) = mirror.fetch_from(Manner::WholeCut(150_000));
        assert!(done.unwrap_err().to_string().contains("base.txz"));
        assert!(!mirror.path("into/base.txz").exists());
        mirror.has("base.txz.part", &whole[..150_000]);
        let (done, asked) = mirror.fetch_from(Manner::Ranges);
        done.unwrap();
        assert_eq!(asked[1], "base.txz from 150000");
        mirror.has("base.txz", &whole);
    }

    #[test]
    fn a_file_from_a_server_with_a_wrong_sum_is_kept_aside_and_not_gone_on_with() {
        let Some((mirror, whole)) = Mirror::pinned() else { return };
        let mut damaged = whole.clone();
        damaged[200_000] ^= 1;
        std::fs::write(mirror.path("m/base.txz"), &damaged).unwrap();
        let (done, _) = mirror.fetch_from(Manner::Ranges);
        let error = done.unwrap_err().to_string();
        assert!(error.contains("base.txz.wrong") && error.contains("refused"), "{error}");
        assert!(!mirror.path("into/base.txz").exists());
        mirror.has("base.txz.wrong", &damaged);
        // A part of something else comes to the same, and the next fetch begins anew.
        std::fs::write(mirror.path("into/base.txz.part"), &damaged[..300_000]).unwrap();
        std::fs::write(mirror.path("m/base.txz"), &whole).unwrap();
        mirror.fetch_from(Manner::Ranges).0.unwrap_err();
        let (done, asked) = mirror.fetch_from(Manner::Ranges);
        done.unwrap();
        assert_eq!(asked[1], "base.txz from 0");
        mirror.has("base.txz", &whole);
    }

    #[test]
    fn what_is_published_anew_does_not_match_what_is_pinned() {
        let Some(mirror) = Mirror::new() else { return };
        mirror.pin();
        mirror.publish(b"evil", b"kernel");
        let (done, asked) = mirror.fetch_from(Manner::Ranges);
        let error = done.unwrap_err().to_string();
        assert!(error.contains("the lock file") && error.contains("refused"), "{error}");
        assert_eq!(asked, ["MANIFEST from 0"]);
    }

    #[test]
    fn sums_are_not_taken_over_plain_http() {
        let Some(mirror) = Mirror::new() else { return };
        let plain = Some("http://127.0.0.1:9/");
        let error = fetch(&mirror.path("lock"), TARGET, plain, &mirror.path("into")).unwrap_err();
        assert!(error.to_string().contains("http://127.0.0.1:9: not asked"), "{error:#}");
        mirror.fetch().unwrap();
        let error = fetch(&mirror.path("lock"), TARGET, plain, &mirror.path("into")).unwrap_err();
        assert!(!error.to_string().contains("not asked"), "{error:#}");
        assert!(error.to_string().contains("http://127.0.0.1:9/MANIFEST"), "{error:#}");
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
