//! Brings one file whose sum is known.
//!
//! A download that breaks off is gone on with, at once as long as that brings more, and by the next
//! fetch. A server that only sends whole files sends a whole file. The file has its name only with
//! the right sum; one with a wrong sum is kept aside, so that nothing is ever added to it.

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use toolchain::command::Command;

/// What curl ends with if the server does not send the rest of a file only.
const NO_PARTS: [i32; 2] = [33, 36];

/// Brings a file from the first place that has it, unless it is there.
pub(super) fn bring(urls: &[String], to: &Path, sum: &str) -> Result<()> {
    let aside = to.with_extension("txz.wrong");
    if to.is_file() {
        if sha256(to)? == sum {
            println!("ok: {} is there", to.display());
            return Ok(());
        }
        std::fs::rename(to, &aside)?;
        println!("{} does not have the SHA-256 {sum}: kept as {}", to.display(), aside.display());
    }
    let part = to.with_extension("txz.part");
    load(urls, &part)?;
    let got = sha256(&part)?;
    if got != sum {
        std::fs::rename(&part, &aside)?;
        bail!(
            "{}: the SHA-256 of what came is {got}, and {sum} is due: refused, and kept as {}",
            name(to),
            aside.display()
        );
    }
    std::fs::rename(&part, to)?;
    println!("ok: {}", to.display());
    Ok(())
}

/// Brings what is missing of a file from the first place that can.
fn load(urls: &[String], part: &Path) -> Result<()> {
    let mut errors = String::new();
    for url in urls {
        match size(url).and_then(|size| go_on(url, part, size)) {
            Ok(()) => return Ok(()),
            Err(error) => errors += &format!("\n  {error:#}"),
        }
    }
    let here = length(part);
    bail!("{here} bytes of {} are here, and the rest cannot be downloaded:{errors}", name(part))
}

/// How large a file is there, if the place says so.
fn size(url: &str) -> Result<Option<u64>> {
    let head = curl().args(["-sSfIL"]).arg(url).read()?;
    // After redirections the last one counts.
    let mut sizes = head.lines().filter_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    Ok(sizes.next_back().filter(|size| *size > 0))
}

/// Brings what is missing of a file, in as many tries as bring something.
fn go_on(url: &str, part: &Path, size: Option<u64>) -> Result<()> {
    let mut may_begin_anew = true;
    loop {
        let had = length(part);
        if size == Some(had) {
            return Ok(());
        }
        println!("{}: {}", name(part), left(had, size));
        // Nothing for a minute is the end of a connection, too.
        let get = curl().args(["-fL", "--retry", "3", "--speed-limit", "1", "--speed-time", "60"]);
        let get = if had == 0 { get } else { get.args(["-C", "-"]) };
        let get = get.args(["--progress-bar", "-o"]).arg(part).arg(url);
        let status = get.status()?;
        if status.success() {
            return Ok(());
        } else if length(part) > had {
            println!("the connection broke; resuming");
        } else if may_begin_anew
            && had > 0
            && (no_parts(status.code()) || size.is_some_and(|size| had > size))
        {
            println!("the server cannot resume; starting over");
            may_begin_anew = false;
            std::fs::remove_file(part)?;
        } else {
            bail!("{status}: {get}");
        }
    }
}

fn no_parts(code: Option<i32>) -> bool {
    code.is_some_and(|code| NO_PARTS.contains(&code))
}

/// How much of a file is here and how much is left, in words.
fn left(here: u64, size: Option<u64>) -> String {
    let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    match size {
        Some(size) => {
            format!("{} of {} are here, {} left", mb(here), mb(size), mb(size.saturating_sub(here)))
        }
        None => format!("{} are here; the server does not say how much is left", mb(here)),
    }
}

fn length(file: &Path) -> u64 {
    file.metadata().map_or(0, |facts| facts.len())
}

/// `base.txz` for `…/base.txz` and `…/base.txz.part`.
fn name(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.trim_end_matches(".part").to_owned()
}

fn curl() -> Command {
    let curl = Command::new("curl").args(["--connect-timeout", "30"]);
    // A proxy cannot reach the servers of the tests.
    if cfg!(test) { curl.env("no_proxy", "127.0.0.1") } else { curl }
}

pub(super) fn sha256(path: &Path) -> Result<String> {
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

    #[test]
    fn what_is_left_is_told() {
        assert_eq!(left(50_000_000, Some(205_500_000)), "50.0 MB of 205.5 MB are here, 155.5 MB left");
        assert_eq!(left(0, None), "0.0 MB are here; the server does not say how much is left");
    }
}
