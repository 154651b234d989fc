//! `cargo xtask freebsd fetch` brings a release's sets, and nothing but what is pinned: their sums
//! are in the project before the first byte comes, so any place may serve them. `cargo xtask freebsd
//! pin` adds the sums of another release.

use super::base::{self, TARGETS};
use super::download;
use super::sums::{self, Sums};
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};

/// What is fetched if nothing else is asked for.
pub(super) const DEFAULT_RELEASE: &str = "15.1";

/// The options.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Download the sets of a release and check their sums; continues a download that broke off.
    Fetch(FetchArgs),
    /// Add the sums of a release to those that the project trusts.
    Pin(PinArgs),
}

#[derive(clap::Args)]
struct Which {
    /// The release: 14.4 for 14.4-RELEASE.
    #[arg(long, value_name = "RELEASE", default_value = DEFAULT_RELEASE)]
    release: String,
    /// For which target.
    #[arg(long, value_name = "TRIPLE", default_value = TARGETS[0], value_parser = TARGETS)]
    target: String,
}

#[derive(clap::Args)]
struct FetchArgs {
    #[command(flatten)]
    which: Which,
    /// A URL to download the sets from, instead of FreeBSD's.
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// A folder to put them in, instead of the user's cache.
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
}

#[derive(clap::Args)]
struct PinArgs {
    #[command(flatten)]
    which: Which,
    /// A set and its sum in hexadecimal; once for each set.
    #[arg(long = "sum", value_name = "SET=SHA256", required = true)]
    sums: Vec<String>,
}

/// Fetches a release, or pins one.
pub fn freebsd(args: &Args) -> Result<()> {
    let file = sums::file();
    let mut sums = Sums::read(&file)?;
    match &args.verb {
        Verb::Fetch(FetchArgs { which, from, into }) => {
            let release = sums::full_name(&which.release)?;
            let into = into.clone().unwrap_or_else(|| base::cache(&which.target).join(&release));
            fetch(&sums, &which.target, &release, from.as_deref(), &into)
        }
        Verb::Pin(PinArgs { which, sums: given }) => {
            let release = sums::full_name(&which.release)?;
            for given in given {
                sums.pin(&which.target, &release, given)?;
            }
            sums.write(&file)?;
            println!("pinned in {}, to be committed", file.display());
            Ok(())
        }
    }
}

fn fetch(sums: &Sums, target: &str, release: &str, from: Option<&str>, into: &Path) -> Result<()> {
    let sums = sums.of(target, release)?;
    let places = from.map_or_else(|| places(target, release), |url| vec![url.to_owned()]);
    std::fs::create_dir_all(into).with_context(|| into.display().to_string())?;
    println!("FreeBSD {release} for {target} into {}", into.display());
    for (set, sum) in sums {
        let urls: Vec<String> =
            places.iter().map(|place| format!("{}/{set}", place.trim_end_matches('/'))).collect();
        download::bring(&urls, &into.join(set), sum)?;
    }
    println!("cargo xtask test --target {target} --freebsd-base {} runs on it", into.display());
    Ok(())
}

/// Where a release may be: it moves to the archive when it grows old.
fn places(target: &str, release: &str) -> Vec<String> {
    let machine = if target.starts_with("aarch64") { "arm64" } else { "amd64" };
    vec![
        format!("https://download.freebsd.org/releases/{machine}/{release}"),
        format!("http://ftp-archive.freebsd.org/pub/FreeBSD-Archive/old-releases/{machine}/{release}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::mirror::{Manner, Mirror, RELEASE, TARGET};
    use super::*;

    impl Mirror {
        /// Fetches from a server of this test's; what that was asked for.
        fn fetch(&self, manner: Manner) -> (Result<()>, Vec<String>) {
            self.serve(manner, |url| fetch(&self.sums, TARGET, RELEASE, Some(url), &self.fetched()))
        }

        fn has(&self, file: &str, contents: &[u8]) {
            let got = std::fs::read(self.fetched().join(file)).unwrap();
            assert!(got == contents, "{file}: {} bytes, {} are due", got.len(), contents.len());
        }

        fn lacks(&self, file: &str) {
            assert!(!self.fetched().join(file).exists(), "{file} is there");
        }

        /// As an earlier fetch has left it.
        fn put(&self, file: &str, contents: &[u8]) {
            std::fs::write(self.fetched().join(file), contents).unwrap();
        }
    }

    #[test]
    fn sets_with_the_right_sums_are_taken_and_not_asked_for_again() {
        let Some(mirror) = Mirror::new() else { return };
        let (done, asked) = mirror.fetch(Manner::Ranges);
        done.unwrap();
        assert_eq!(asked, ["base.txz from 0", "kernel.txz from 0"]);
        mirror.has("base.txz", &mirror.base);
        mirror.has("kernel.txz", b"kernel");
        let (done, asked) = mirror.fetch(Manner::Ranges);
        done.unwrap();
        assert_eq!(asked, [""; 0]);
    }

    #[test]
    fn one_wrong_byte_is_refused_and_kept_aside_and_not_gone_on_with() {
        let Some(mirror) = Mirror::new() else { return };
        let mut damaged = mirror.base.clone();
        damaged[200_000] ^= 1;
        mirror.publish("base.txz", &damaged);
        let error = mirror.fetch(Manner::Ranges).0.unwrap_err().to_string();
        assert!(error.contains("base.txz.wrong") && error.contains("refused"), "{error}");
        mirror.lacks("base.txz");
        mirror.has("base.txz.wrong", &damaged);
        // A part of something else comes to the same, and the next fetch begins anew.
        mirror.put("base.txz.part", &damaged[..300_000]);
        mirror.publish("base.txz", &mirror.base);
        mirror.fetch(Manner::Ranges).0.unwrap_err();
        mirror.lacks("base.txz");
        let (done, asked) = mirror.fetch(Manner::Ranges);
        done.unwrap();
        assert_eq!(asked[0], "base.txz from 0");
        mirror.has("base.txz", &mirror.base);
    }

    #[test]
    fn a_set_that_has_gone_bad_is_not_kept_as_good() {
        let Some(mirror) = Mirror::new() else { return };
        mirror.put("base.txz", b"rotten");
        mirror.gone("base.txz");
        mirror.fetch(Manner::Ranges).0.unwrap_err();
        mirror.lacks("base.txz");
        mirror.has("base.txz.wrong", b"rotten");
    }

    #[test]
    fn a_release_that_is_not_pinned_is_refused_before_anything_is_asked_for() {
        let Some(mirror) = Mirror::new() else { return };
        let (done, asked) = mirror.serve(Manner::Ranges, |url| {
            fetch(&mirror.sums, TARGET, "9.9-RELEASE", Some(url), &mirror.fetched())
        });
        let error = done.unwrap_err().to_string();
        assert!(error.contains("cargo xtask freebsd pin --release 9.9-RELEASE"), "{error}");
        assert_eq!(asked, [""; 0]);
        mirror.lacks("base.txz");
    }

    #[test]
    fn a_server_is_asked_for_the_rest_only() {
        let Some(mirror) = Mirror::new() else { return };
        mirror.put("base.txz.part", &mirror.base[..123_457]);
        // Whole already, and only not renamed yet.
        mirror.put("kernel.txz.part", b"kernel");
        let (done, asked) = mirror.fetch(Manner::Ranges);
        done.unwrap();
        assert_eq!(asked, ["base.txz from 123457"]);
        mirror.has("base.txz", &mirror.base);
        mirror.has("kernel.txz", b"kernel");
    }

    #[test]
    fn a_server_that_has_no_parts_sends_the_whole_file() {
        let Some(mirror) = Mirror::new() else { return };
        mirror.put("base.txz.part", &mirror.base[..123_457]);
        let (done, asked) = mirror.fetch(Manner::Whole);
        done.unwrap();
        assert_eq!(asked, ["base.txz from 123457", "base.txz from 0", "kernel.txz from 0"]);
        mirror.has("base.txz", &mirror.base);
    }

    #[test]
    fn a_connection_that_ends_too_soon_is_made_again_while_it_brings_something() {
        let Some(mirror) = Mirror::new() else { return };
        let (done, asked) = mirror.fetch(Manner::Cut(150_000));
        done.unwrap();
        let from = |bytes| format!("base.txz from {bytes}");
        assert_eq!(asked[..3], [from(0), from(150_000), from(300_000)]);
        mirror.has("base.txz", &mirror.base);
    }

    #[test]
    fn a_download_that_cannot_go_on_fails_and_its_part_serves_the_next_fetch() {
        let Some(mirror) = Mirror::new() else { return };
        let (done, _) = mirror.fetch(Manner::WholeCut(150_000));
        let error = done.unwrap_err().to_string();
        assert!(error.contains("150000 bytes of base.txz are here"), "{error}");
        mirror.lacks("base.txz");
        mirror.has("base.txz.part", &mirror.base[..150_000]);
        // A place that is gone does not cost what has come either.
        mirror.gone("base.txz");
        mirror.fetch(Manner::Ranges).0.unwrap_err();
        mirror.publish("base.txz", &mirror.base);
        let (done, asked) = mirror.fetch(Manner::Ranges);
        done.unwrap();
        assert_eq!(asked[0], "base.txz from 150000");
        mirror.has("base.txz", &mirror.base);
    }

    #[test]
    fn a_place_that_has_not_got_it_is_passed_over() {
        let Some(mirror) = Mirror::new() else { return };
        let to = mirror.fetched().join("base.txz");
        let sum = mirror.sums.of(TARGET, RELEASE).unwrap()[0].1;
        let (done, asked) = mirror.serve(Manner::Ranges, |url| {
            let urls = [format!("{url}/old/base.txz"), format!("{url}/base.txz")];
            download::bring(&urls, &to, sum)
        });
        done.unwrap();
        assert_eq!(asked, ["base.txz from 0"]);
    }

    #[test]
    fn a_release_is_looked_for_where_it_is_and_in_the_archive() {
        let arm = places(TARGETS[1], "14.4-RELEASE");
        assert_eq!(arm[0], "https://download.freebsd.org/releases/arm64/14.4-RELEASE");
        assert!(arm[1].ends_with("/old-releases/arm64/14.4-RELEASE"), "{arm:?}");
    }
}
