//! How the waits are distributed: a histogram for each algorithm above one common time axis.

use super::Result;
use super::scale::mark;
use extram_herd::{duration, median};
use maud::{Markup, html};

const WIDTH: f64 = 1240.0;
/// Left of the bars, for the names.
const NAMES: f64 = 150.0;
const BARS: f64 = WIDTH - NAMES;
/// Of an algorithm's row: its words, and below them its bars.
const WORDS: f64 = 22.0;
const HEIGHT: f64 = 70.0;
const ROW: f64 = WORDS + HEIGHT;
const FOOT: f64 = 24.0;

/// Bars to a power of ten.
const FINENESS: f64 = 10.0;

/// A logarithmic axis from one power of ten to another, in µs.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Axis {
    from: i32,
    to: i32,
}

impl Axis {
    /// One that has all waits on it. What is below 1 µs counts as 1 µs.
    fn over(waits: impl Iterator<Item = f64>) -> Self {
        let (low, high) =
            waits.map(decade).fold((f64::INFINITY, 0.0_f64), |(low, high), at| (low.min(at), high.max(at)));
        let from = if low.is_finite() { low.floor() as i32 } else { 0 };
        // More than the highest, which has to fall into the last bar.
        Axis { from, to: (high.floor() as i32 + 1).max(from + 1) }
    }

    fn decades(self) -> f64 {
        f64::from(self.to - self.from)
    }

    fn x(self, us: f64) -> f64 {
        NAMES + (decade(us) - f64::from(self.from)) / self.decades() * BARS
    }

    fn bars(self) -> usize {
        (self.decades() * FINENESS) as usize
    }

    /// How many waits fall into each bar.
    fn histogram(self, waits: &[f64]) -> Vec<usize> {
        let mut bars = vec![0; self.bars()];
        for &wait in waits {
            let bar = ((decade(wait) - f64::from(self.from)) * FINENESS) as usize;
            // Rounding may bring the highest one out at the end.
            bars[bar.min(self.bars() - 1)] += 1;
        }
        bars
    }
}

fn decade(us: f64) -> f64 {
    us.max(1.0).log10()
}

pub(super) fn picture(results: &[Result]) -> Markup {
    let axis = Axis::over(results.iter().flat_map(|result| &result.waits).copied());
    let histograms: Vec<Vec<usize>> = results.iter().map(|result| axis.histogram(&result.waits)).collect();
    let highest = histograms.iter().flatten().copied().max().unwrap_or(0).max(1) as f64;
    let bottom = ROW * results.len() as f64;
    let width = BARS / axis.bars() as f64;
    html! {
        div.wide {
            svg.waits viewBox=(format!("0 0 {WIDTH} {}", bottom + FOOT)) role="img" aria-label="How long the threads waited" {
                @for power in axis.from..=axis.to {
                    @let us = 10_f64.powi(power);
                    line.grid x1=(axis.x(us)) x2=(axis.x(us)) y1="4" y2=(bottom + 4.0) {}
                    text x=(axis.x(us)) y=(bottom + 20.0)
                        text-anchor=(if power == axis.to { "end" } else { "middle" }) {
                        (mark(us))
                        @if power == 0 { " or less" }
                    }
                }
                @for (number, (result, bars)) in results.iter().zip(&histograms).enumerate() {
                    @let floor = ROW * (number + 1) as f64;
                    text.strong x="0" y=(floor - 6.0) { (result.algorithm.name()) }
                    line.grid x1=(NAMES) x2=(WIDTH) y1=(floor) y2=(floor) {}
                    @for (bar, &calls) in bars.iter().enumerate().filter(|(_, calls)| **calls > 0) {
                        // Even a single call has to be seen.
                        @let height = (calls as f64 / highest * HEIGHT).max(1.5);
                        rect.waiting x=(NAMES + bar as f64 * width + 0.5) y=(floor - height)
                            width=(width - 1.0) height=(height) {
                            title { (calls) " of " (result.waits.len()) " calls" }
                        }
                    }
                    (words(axis, floor, &result.waits))
                }
            }
        }
    }
}

/// Where the middle one and the longest are, in words.
fn words(axis: Axis, floor: f64, waits: &[f64]) -> Markup {
    let Some(middle) = median(waits.iter().copied()) else { return html! {} };
    let longest = waits.iter().copied().fold(0.0, f64::max);
    let x = axis.x(middle);
    let (anchor, beside) = if x > WIDTH - 440.0 { ("end", x - 6.0) } else { ("start", x + 6.0) };
    html! {
        line.end x1=(x) x2=(x) y1=(floor - HEIGHT - 14.0) y2=(floor) {}
        text x=(beside) y=(floor - HEIGHT - 4.0) text-anchor=(anchor) {
            "half of the calls waited longer than " (duration(middle)) "; the longest " (duration(longest))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wait_falls_into_one_bar() {
        let waits = [0.0, 0.3, 1.0, 9.999, 10.0, 99.9, 100.0, 1e6];
        let axis = Axis::over(waits.into_iter());
        assert_eq!(axis, Axis { from: 0, to: 7 });
        let bars = axis.histogram(&waits);
        assert_eq!(bars.len(), 70);
        assert_eq!(bars.iter().sum::<usize>(), waits.len());
        assert_eq!((bars[0], bars[9], bars[10], bars[20], bars[60]), (3, 1, 1, 1, 1));
    }

    #[test]
    fn an_axis_is_never_empty() {
        for waits in [&[][..], &[0.0], &[1000.0], &[2000.0, 2001.0]] {
            let axis = Axis::over(waits.iter().copied());
            assert!(axis.to > axis.from, "{axis:?}");
            assert_eq!(axis.histogram(waits).iter().sum::<usize>(), waits.len());
        }
    }
}
