//! The figures as they should be, and how far off others may be.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Blessed {
    /// `rustc --version` of the compiler whose instructions these are.
    pub(crate) compiler: String,
    pub(crate) target: String,
    /// Of a whole path, as callgrind counts them.
    pub(crate) instructions: BTreeMap<String, u64>,
    /// Of a herd that is the same in every run.
    pub(crate) herd: BTreeMap<String, u64>,
}

/// A figure beside its blessed one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Compared {
    pub(crate) name: String,
    pub(crate) blessed: Option<u64>,
    pub(crate) found: u64,
    pub(crate) good: bool,
}

/// How far instructions may be off in hundredths: with the compiler of the blessed figures (the C library
/// is another one), and with any other, which inlines and orders otherwise.
pub(crate) const SAME_COMPILER: u64 = 3;
/// See [`SAME_COMPILER`].
pub(crate) const OTHER_COMPILER: u64 = 25;
/// What a single call may be off in any case: an instruction or two where there are few.
const SLACK: u64 = 8;

impl Blessed {
    /// Each figure that was found, and those that were not; `percent` of tolerance.
    pub(crate) fn compare(
        blessed: &BTreeMap<String, u64>,
        found: &BTreeMap<String, u64>,
        percent: u64,
    ) -> Result<Vec<Compared>, String> {
        if let Some(name) = blessed.keys().find(|name| !found.contains_key(*name)) {
            return Err(format!("{name} is blessed and was not counted"));
        }
        let compared = found.iter().map(|(name, &found)| {
            let blessed = blessed.get(name).copied();
            let slack = if percent == 0 { 0 } else { SLACK };
            let good =
                blessed.is_some_and(|blessed| found.abs_diff(blessed) <= blessed * percent / 100 + slack);
            Compared { name: name.clone(), blessed, found, good }
        });
        Ok(compared.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(figures: &[(&str, u64)]) -> BTreeMap<String, u64> {
        figures.iter().map(|&(name, value)| (name.into(), value)).collect()
    }

    fn good(blessed: u64, found: u64, percent: u64) -> bool {
        let compared = Blessed::compare(&figures(&[("a", blessed)]), &figures(&[("a", found)]), percent);
        compared.unwrap()[0].good
    }

    #[test]
    fn what_is_exact_is_exact_and_instructions_have_some_room() {
        assert!(good(65, 65, 0) && !good(65, 66, 0) && !good(65, 64, 0));
        assert!(good(10_000, 10_300, 3) && good(10_000, 9_700, 3));
        assert!(!good(10_000, 10_309, 3) && !good(10_000, 9_691, 3));
        assert!(good(10, 18, 3) && !good(10, 19, 3));
    }

    #[test]
    fn a_figure_that_nobody_blessed_is_not_good_and_one_that_is_missing_is_an_error() {
        let compared = Blessed::compare(&figures(&[]), &figures(&[("new", 1)]), 3).unwrap();
        assert!(!compared[0].good);
        let error = Blessed::compare(&figures(&[("old", 1)]), &figures(&[]), 3).unwrap_err();
        assert!(error.contains("old"), "{error}");
    }
}
