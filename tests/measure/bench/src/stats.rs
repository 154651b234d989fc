//! From samples to figures: medians, how far the rounds are apart, ratios within rounds.

use crate::sample::Sample;
use extram_herd::median;
use std::collections::BTreeMap;

/// The figures of all rounds, by what they are of.
pub(crate) struct Figures<'a> {
    cells: BTreeMap<String, BTreeMap<u32, f64>>,
    /// Cases and subjects in the order in which they were measured.
    order: Vec<(&'a str, &'a str, &'a str)>,
}

fn key(section: &str, case: &str, subject: &str, metric: &str) -> String {
    [section, case, subject, metric].join("\n")
}

impl<'a> Figures<'a> {
    pub(crate) fn of(samples: &'a [Sample]) -> Self {
        let mut figures = Figures { cells: BTreeMap::new(), order: Vec::new() };
        let mut seen = std::collections::BTreeSet::new();
        for Sample { section, case, subject, metric, round, value } in samples {
            figures.cells.entry(key(section, case, subject, metric)).or_default().insert(*round, *value);
            if seen.insert((section, case, subject)) {
                figures.order.push((section, case, subject));
            }
        }
        figures
    }

    /// The cases of a section, in the order in which they were measured.
    pub(crate) fn cases(&self, section: &str) -> Vec<&'a str> {
        let mut cases = Vec::new();
        for &(of, case, _) in &self.order {
            if of == section && !cases.contains(&case) {
                cases.push(case);
            }
        }
        cases
    }

    /// Who was measured in a section, in the order in which they came first in the first round.
    pub(crate) fn subjects(&self, section: &str) -> Vec<&'a str> {
        let mut subjects = Vec::new();
        for &(of, _, subject) in &self.order {
            if of == section && !subjects.contains(&subject) {
                subjects.push(subject);
            }
        }
        subjects
    }

    pub(crate) fn figure(&self, section: &str, case: &str, subject: &str, metric: &str) -> Option<Figure> {
        Figure::of(self.rounds(section, case, subject, metric)?.values().copied())
    }

    /// How one subject's figure is to another's of the same round.
    pub(crate) fn ratio(
        &self,
        section: &str,
        case: &str,
        metric: &str,
        subject: &str,
        to: &str,
    ) -> Option<Figure> {
        let pairs = self.pairs(section, case, metric, subject, to).into_iter();
        Figure::of(pairs.filter(|(_, their)| *their > 0.0).map(|(our, their)| our / their))
    }

    /// One subject's figures and another's, of the rounds that both have.
    pub(crate) fn pairs(
        &self,
        section: &str,
        case: &str,
        metric: &str,
        subject: &str,
        other: &str,
    ) -> Vec<(f64, f64)> {
        let ours = self.rounds(section, case, subject, metric);
        let (Some(ours), Some(theirs)) = (ours, self.rounds(section, case, other, metric)) else {
            return Vec::new();
        };
        ours.iter().filter_map(|(round, &our)| Some((our, *theirs.get(round)?))).collect()
    }

    fn rounds(&self, section: &str, case: &str, subject: &str, metric: &str) -> Option<&BTreeMap<u32, f64>> {
        self.cells.get(&key(section, case, subject, metric))
    }
}

/// A figure over some rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    /// Half of the rounds are between these two.
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
    pub(crate) rounds: usize,
}

impl Figure {
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Figure> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let quantile = |part: f64| values.get((part * (values.len() - 1) as f64).round() as usize).copied();
        Some(Figure {
            median: median(values.iter().copied())?,
            low: quantile(0.25)?,
            high: quantile(0.75)?,
            least: *values.first()?,
            most: *values.last()?,
            rounds: values.len(),
        })
    }

    /// How wide the middle half of the rounds is, to the median.
    pub(crate) fn spread(&self) -> f64 {
        if self.median == 0.0 { 0.0 } else { (self.high - self.low) / self.median.abs() }
    }

    /// The rounds are so far apart that the median says nothing: the middle half of them is wider than
    /// half of it, or there are fewer than three.
    pub(crate) fn is_noise(&self) -> bool {
        self.rounds < 3 || self.spread() > NOISE
    }
}

/// From this spread on a figure is marked.
pub(crate) const NOISE: f64 = 0.5;

/// `8`, where `name` is `threads` and the case `threads=8 limit=1`.
pub(crate) fn parameter<'a>(case: &'a str, name: &str) -> Option<&'a str> {
    case.split(' ').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(case: &str, subject: &str, round: u32, value: f64) -> Sample {
        let [section, metric] = ["herd", "wall_us"].map(String::from);
        Sample { section, case: case.into(), subject: subject.into(), metric, round, value }
    }

    #[test]
    fn a_ratio_is_the_median_of_the_ratios_of_the_rounds() {
        // The machine was ten times as slow in the second round: no matter.
        let samples = [
            sample("n=1", "floor", 0, 10.0),
            sample("n=1", "extram", 0, 20.0),
            sample("n=1", "floor", 1, 100.0),
            sample("n=1", "extram", 1, 200.0),
            sample("n=1", "floor", 2, 10.0),
            sample("n=1", "extram", 2, 21.0),
            // No partner in its round.
            sample("n=1", "extram", 3, 1e9),
        ];
        let figures = Figures::of(&samples);
        let ratio = figures.ratio("herd", "n=1", "wall_us", "extram", "floor").unwrap();
        assert_eq!((ratio.median, ratio.rounds), (2.0, 3));
        assert!(!ratio.is_noise());
        assert!(figures.figure("herd", "n=1", "extram", "wall_us").unwrap().is_noise());
        assert_eq!(figures.ratio("herd", "n=1", "wall_us", "extram", "go"), None);
        assert_eq!(figures.cases("herd"), ["n=1"]);
        assert_eq!(figures.subjects("herd"), ["floor", "extram"]);
    }

    #[test]
    fn two_rounds_say_nothing_and_a_wide_middle_neither() {
        assert!(Figure::of([1.0, 1.0]).unwrap().is_noise());
        assert!(!Figure::of([1.0, 1.1, 1.2]).unwrap().is_noise());
        assert!(Figure::of([1.0, 2.0, 3.0, 4.0, 5.0]).unwrap().is_noise());
        assert_eq!(Figure::of([]), None);
    }

    #[test]
    fn a_case_has_named_parameters() {
        assert_eq!(parameter("threads=8 limit=1", "limit"), Some("1"));
        assert_eq!(parameter("threads=8 limit=1", "hold_us"), None);
        assert_eq!(parameter("threads=8", "thread"), None);
    }
}
