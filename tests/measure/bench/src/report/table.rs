//! A table, and how figures are written in it.

use crate::stats::Figure;
use std::collections::BTreeMap;

/// How a figure is written.
pub(crate) type Write = fn(f64) -> String;

/// The first column names, the others have figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
    /// Which cells meet a goal or miss it, by row and column.
    pub(crate) goals: BTreeMap<(usize, usize), bool>,
}

impl Table {
    pub(crate) fn new(head: Vec<String>, rows: impl IntoIterator<Item = Vec<String>>) -> Self {
        Table { head, rows: rows.into_iter().collect(), goals: BTreeMap::new() }
    }
}

/// What stands where there is no figure.
pub(crate) const NONE: &str = "-";

/// The mark of a figure whose rounds are too far apart.
pub(crate) const MARK: &str = "~";

/// A figure in words of `write`, with its mark.
pub(crate) fn figure(figure: Option<Figure>, write: impl Fn(f64) -> String) -> String {
    match figure {
        Some(figure) if figure.is_noise() => format!("{MARK}{}", write(figure.median)),
        Some(figure) => write(figure.median),
        None => NONE.into(),
    }
}

/// A ratio.
pub(crate) fn ratio(value: f64) -> String {
    match value {
        ..0.1 => format!("{value:.3}"),
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => extram_herd::count(value.round() as u64),
    }
}

/// A number per second.
pub(crate) fn rate(value: f64) -> String {
    match value {
        ..1e3 => format!("{value:.0}"),
        ..1e5 => format!("{:.1} k", value / 1e3),
        ..1e6 => format!("{:.0} k", value / 1e3),
        _ => format!("{:.2} M", value / 1e6),
    }
}

/// A time of some nanoseconds.
pub(crate) fn nanoseconds(value: f64) -> String {
    match value {
        ..100.0 => format!("{value:.1} ns"),
        ..10_000.0 => format!("{value:.0} ns"),
        _ => extram_herd::duration(value / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!([0.012, 0.5, 12.34, 355.2, 1234.0].map(ratio), ["0.012", "0.50", "12.3", "355", "1,234"]);
        assert_eq!([12.0, 4_321.0, 250_000.0, 3.9e6].map(rate), ["12", "4.3 k", "250 k", "3.90 M"]);
        assert_eq!([3.47, 456.0, 23_456.0].map(nanoseconds), ["3.5 ns", "456 ns", "23 µs"]);
        assert_eq!(figure(None, ratio), "-");
        assert_eq!(figure(Figure::of([1.0, 1.0, 1.0]), ratio), "1.00");
        assert_eq!(figure(Figure::of([1.0, 2.0]), ratio), "~1.50");
    }
}
