//! How waits are distributed: a histogram whose bars are an eighth of their place wide, so that noting
//! a wait costs an index and an addition.

/// Bars to a power of two.
const FINENESS: usize = 8;

/// Waits in nanoseconds.
#[derive(Clone)]
pub(crate) struct Waits {
    bars: Vec<u64>,
    longest: u64,
}

impl Waits {
    pub(crate) fn new() -> Self {
        Waits { bars: vec![0; 64 * FINENESS], longest: 0 }
    }

    pub(crate) fn note(&mut self, nanoseconds: u64) {
        self.bars[bar(nanoseconds)] += 1;
        self.longest = self.longest.max(nanoseconds);
    }

    pub(crate) fn merge(&mut self, other: &Waits) {
        for (bar, more) in self.bars.iter_mut().zip(&other.bars) {
            *bar += more;
        }
        self.longest = self.longest.max(other.longest);
    }

    /// The longest, in µs.
    pub(crate) fn longest(&self) -> f64 {
        self.longest as f64 / 1e3
    }

    /// The wait in µs that this part of all waits does not exceed, to an eighth of it.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
        let all: u64 = self.bars.iter().sum();
        let rank = (part * all as f64).ceil() as u64;
        let mut seen = 0;
        for (bar, &count) in self.bars.iter().enumerate() {
            seen += count;
            if seen >= rank && count > 0 {
                return (end(bar) as f64 / 1e3).min(self.longest());
            }
        }
        0.0
    }
}

fn bar(nanoseconds: u64) -> usize {
    let value = nanoseconds.max(FINENESS as u64);
    let power = value.ilog2() as usize;
    (power - 3) * FINENESS + (value >> (power - 3)) as usize - FINENESS
}

/// The first value beyond a bar.
fn end(bar: usize) -> u64 {
    let (power, step) = (bar / FINENESS, bar % FINENESS);
    ((FINENESS + step + 1) as u64) << power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_the_bar_that_ends_beyond_it() {
        for value in (0..5000).chain([1 << 20, (1 << 20) - 1, 3_000_000_007, u64::MAX / 4]) {
            let bar = bar(value);
            assert!(value < end(bar), "{value}");
            assert!(bar == 0 || value >= end(bar - 1), "{value}");
            assert!(value < 64 || end(bar) as f64 <= value as f64 * 1.126, "{value}");
        }
    }

    #[test]
    fn quantiles_are_those_of_the_values() {
        let mut waits = Waits::new();
        (1..=1000).for_each(|value| waits.note(value * 1000));
        let mut more = Waits::new();
        more.note(5_000_000);
        waits.merge(&more);
        assert!((500.0..570.0).contains(&waits.quantile(0.5)), "{}", waits.quantile(0.5));
        assert!((990.0..1130.0).contains(&waits.quantile(0.99)));
        assert_eq!(waits.quantile(1.0), 5000.0);
        assert_eq!(waits.longest(), 5000.0);
        assert_eq!(Waits::new().quantile(0.5), 0.0);
    }
}
