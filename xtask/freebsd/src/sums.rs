//! The SHA-256 sums of FreeBSD's sets that the project trusts: `xtask/freebsd/sums.json`.
//!
//! Nothing that a server says gets into it. The official releases are in it from FreeBSD's own
//! record; another one gets there by a person, with `cargo xtask freebsd pin`.

use super::base::SETS;
use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toolchain::workspace;

/// The file, seen from the workspace's root.
const FILE: &str = "xtask/freebsd/sums.json";

/// The file of this checkout.
pub(super) fn file() -> PathBuf {
    workspace().join(FILE)
}

/// The release's full name: `15.1` is short for `15.1-RELEASE`.
pub(super) fn full_name(release: &str) -> Result<String> {
    // It becomes part of an address and of a path.
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
    ensure!(
        release.starts_with(|c: char| c.is_ascii_digit()) && release.bytes().all(fits),
        "{release} is no release of FreeBSD; 15.1 is one"
    );
    Ok(if release.contains('-') { release.to_owned() } else { format!("{release}-RELEASE") })
}

/// The sums of a release's sets, in hexadecimal, by set.
type Release = BTreeMap<String, String>;

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sums {
    /// Where the sums are from, in words.
    source: String,
    /// By target, release and set.
    sha256: BTreeMap<String, BTreeMap<String, Release>>,
}

impl Sums {
    pub(super) fn read(file: &Path) -> Result<Sums> {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        serde_json::from_str(&text).with_context(|| file.display().to_string())
    }

    pub(super) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(file, text).with_context(|| file.display().to_string())
    }

    /// Each set of a release with its sum, or how to pin those that are missing.
    pub(super) fn of(&self, target: &str, release: &str) -> Result<Vec<(&'static str, &str)>> {
        let known = self.sha256.get(target);
        let sums = known.and_then(|releases| releases.get(release));
        let sum = |set: &str| sums.and_then(|sums| sums.get(set)).map(String::as_str);
        let missing: Vec<&str> = SETS.into_iter().filter(|set| sum(set).is_none()).collect();
        if !missing.is_empty() {
            let words: Vec<String> = missing.iter().map(|set| format!("--sum {set}=SHA256")).collect();
            let releases: Vec<&str> = known.into_iter().flatten().map(|(name, _)| &**name).collect();
            bail!(
                "FreeBSD {release} for {target} is refused: {FILE} has no sum of {}; it has {}. This pins \
                 sums that you trust:\n    cargo xtask freebsd pin --release {release} --target {target} {}",
                missing.join(" and "),
                releases.join(", "),
                words.join(" ")
            );
        }
        Ok(SETS.into_iter().filter_map(|set| Some((set, sum(set)?))).collect())
    }

    /// Adds the sum of one set, given as `set=sum`. One that is pinned already stays.
    pub(super) fn pin(&mut self, target: &str, release: &str, given: &str) -> Result<()> {
        let Some((set, sum)) = given.split_once('=') else { bail!("{given} is not SET=SHA256") };
        ensure!(SETS.contains(&set), "{set} is none of the sets that are fetched: {}", SETS.join(", "));
        let good = sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
        ensure!(good, "{sum} is no SHA-256, which has 64 hexadecimal digits");
        let sum = sum.to_lowercase();
        let releases = self.sha256.entry(target.to_owned()).or_default();
        let sums = releases.entry(release.to_owned()).or_default();
        let pinned = sums.entry(set.to_owned()).or_insert_with(|| sum.clone());
        ensure!(
            *pinned == sum,
            "{set} of FreeBSD {release} for {target} is pinned already, with {pinned}; to change that, edit \
             {FILE}"
        );
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::base::TARGETS;
    use crate::fetch;

    const SUM: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    /// A file without a sum.
    pub(crate) fn none() -> Sums {
        Sums { source: "made up".into(), sha256: BTreeMap::new() }
    }

    #[test]
    fn the_official_releases_are_pinned_for_both_targets() {
        let sums = Sums::read(&file()).unwrap();
        for target in TARGETS {
            for release in [fetch::DEFAULT_RELEASE, "15.1", "14.4", "13.5"] {
                let of = sums.of(target, &full_name(release).unwrap()).unwrap();
                assert_eq!(of.iter().map(|(set, _)| *set).collect::<Vec<_>>(), SETS);
                for (set, sum) in of {
                    // As if it were given: it has the form of a sum, and is the one that is there.
                    sums.clone().pin(target, &full_name(release).unwrap(), &format!("{set}={sum}")).unwrap();
                }
            }
        }
        assert!(sums.source.contains("FreeBSD ports tree"), "{}", sums.source);
    }

    #[test]
    fn what_is_not_pinned_is_refused_with_the_command_that_pins_it() {
        let mut sums = Sums::read(&file()).unwrap();
        let (target, release) = (TARGETS[0], "12.4-RELEASE");
        let error = sums.of(target, release).unwrap_err().to_string();
        assert!(error.contains("15.1-RELEASE") && error.contains("refused"), "{error}");
        let command = "cargo xtask freebsd pin --release 12.4-RELEASE --target x86_64-unknown-freebsd \
                       --sum base.txz=SHA256 --sum kernel.txz=SHA256";
        assert!(error.contains(command), "{error}");
        // One set alone does not do, and only the other is asked for.
        sums.pin(target, release, &format!("base.txz={}", SUM.to_uppercase())).unwrap();
        let error = sums.of(target, release).unwrap_err().to_string();
        assert!(error.contains("freebsd --sum kernel.txz=SHA256"), "{error}");
        sums.pin(target, release, &format!("kernel.txz={SUM}")).unwrap();
        assert_eq!(sums.of(target, release).unwrap(), [("base.txz", SUM), ("kernel.txz", SUM)]);
    }

    #[test]
    fn a_sum_that_is_pinned_stays_and_what_is_no_sum_is_refused() {
        let mut sums = none();
        let mut pin = |given: &str| sums.pin(TARGETS[1], "12.4-RELEASE", given);
        pin(&format!("base.txz={SUM}")).unwrap();
        let other = SUM.replace('0', "1");
        for (given, why) in [
            (format!("base.txz={other}"), "is pinned already"),
            (format!("src.txz={SUM}"), "none of the sets"),
            ("kernel.txz=".to_owned() + &SUM[1..], "64 hexadecimal digits"),
            (SUM.to_owned(), "is not SET=SHA256"),
        ] {
            let error = pin(&given).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn the_file_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let copy = dir.path().join("sums.json");
        let sums = Sums::read(&file()).unwrap();
        sums.write(&copy).unwrap();
        // To the letter: a pin changes no other line.
        assert_eq!(std::fs::read_to_string(copy).unwrap(), std::fs::read_to_string(file()).unwrap());
    }

    #[test]
    fn a_release_may_be_given_in_short() {
        assert_eq!(full_name("15.1").unwrap(), "15.1-RELEASE");
        assert_eq!(full_name("15.0-RC1").unwrap(), "15.0-RC1");
        for nonsense in ["", "..", "15.1/../x", "latest"] {
            assert!(full_name(nonsense).is_err(), "{nonsense}");
        }
    }
}
