//! Pictures as inline SVG: bars, lines and ranges on logarithmic axes.

use maud::{Markup, html};

const WIDTH: f64 = 620.0;
/// Left of a bar, for its name.
const NAMES: f64 = 170.0;
/// Right of it, for its figure.
const FIGURES: f64 = 80.0;
const ROW: f64 = 24.0;

/// A logarithmic axis over some values, in whole powers of ten.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Axis {
    from: i32,
    to: i32,
    begin: f64,
    length: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>, begin: f64, length: f64) -> Self {
        let known = values.filter(|value| value.is_finite() && *value > 0.0);
        let (low, high) =
            known.fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
        let from = if low.is_finite() { low.log10().floor() as i32 } else { 0 };
        let to = if high > 0.0 { high.log10().ceil() as i32 } else { 1 };
        Axis { from, to: to.max(from + 1), begin, length }
    }

    fn at(self, value: f64) -> f64 {
        let decades = f64::from(self.to - self.from);
        let part = (value.max(f64::MIN_POSITIVE).log10() - f64::from(self.from)) / decades;
        self.begin + part.clamp(0.0, 1.0) * self.length
    }

    fn marks(self) -> impl Iterator<Item = f64> {
        (self.from..=self.to).map(|power| 10_f64.powi(power))
    }
}

/// A figure with a name.
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) ours: bool,
}

/// A bar for each, on a logarithmic axis.
pub(super) fn bars(bars: &[Bar], write: fn(f64) -> String) -> Markup {
    let axis = Axis::over(bars.iter().map(|bar| bar.value), NAMES, WIDTH - NAMES - FIGURES);
    let height = ROW * bars.len() as f64;
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {}", height + 22.0)) role="img" {
            (grid(axis, height, write))
            @for (row, bar) in bars.iter().enumerate() {
                @let y = row as f64 * ROW;
                @let end = axis.at(bar.value);
                text.who x=(NAMES - 8.0) y=(y + 16.0) text-anchor="end" { (bar.name) }
                rect.bar.ours[bar.ours] x=(NAMES) y=(y + 4.0) width=(number((end - NAMES).max(1.0))) height=(ROW - 8.0) rx="2" {
                    title { (bar.name) ": " (write(bar.value)) }
                }
                text.strong x=(number(end + 6.0)) y=(y + 16.0) { (write(bar.value)) }
            }
        }
    }
}

/// How something is distributed.
pub(super) struct Range {
    pub(super) name: String,
    pub(super) low: f64,
    pub(super) middle: f64,
    pub(super) high: f64,
    pub(super) end: f64,
}

/// A box with a whisker for each, on a logarithmic axis.
pub(super) fn ranges(ranges: &[Range], write: fn(f64) -> String) -> Markup {
    let values = ranges.iter().flat_map(|range| [range.low, range.end]);
    let axis = Axis::over(values, NAMES, WIDTH - NAMES - FIGURES);
    let height = ROW * ranges.len() as f64;
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {}", height + 22.0)) role="img" {
            (grid(axis, height, write))
            @for (row, range) in ranges.iter().enumerate() {
                @let y = row as f64 * ROW;
                @let [low, middle, high, end] = [range.low, range.middle, range.high, range.end].map(|value| axis.at(value));
                text.who x=(NAMES - 8.0) y=(y + 16.0) text-anchor="end" { (range.name) }
                line.whisker x1=(number(high)) x2=(number(end)) y1=(y + 12.0) y2=(y + 12.0) {}
                rect.bar.ours[range.name.starts_with("extram")] x=(number(low)) y=(y + 5.0) width=(number((high - low).max(1.0))) height=(ROW - 10.0) rx="2" {
                    title { (range.name) ": half waited less than " (write(range.middle)) ", the longest " (write(range.end)) }
                }
                line.middle x1=(number(middle)) x2=(number(middle)) y1=(y + 3.0) y2=(y + ROW - 3.0) {}
                circle.dot cx=(number(end)) cy=(y + 12.0) r="3.5" {}
                text.strong x=(number(end + 8.0)) y=(y + 16.0) { (write(range.end)) }
            }
        }
    }
}

fn grid(axis: Axis, height: f64, write: fn(f64) -> String) -> Markup {
    let marks: Vec<f64> = axis.marks().collect();
    // As many words as there is room for.
    let step = marks.len().div_ceil(6).max(1);
    html! {
        @for (number_of, mark) in marks.into_iter().enumerate() {
            @let x = number(axis.at(mark));
            line.grid x1=(x) x2=(x) y1="0" y2=(height + 4.0) {}
            @if number_of % step == 0 { text x=(x) y=(height + 18.0) text-anchor="middle" { (write(mark)) } }
        }
    }
}

/// A line with a name.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

const HEIGHT: f64 = 300.0;
const LEFT: f64 = 70.0;
/// Right of the lines, for their names.
const ENDS: f64 = 130.0;

/// A line for each, both axes logarithmic.
pub(super) fn lines(lines: &[Line], across: &str, write: fn(f64) -> String) -> Markup {
    let all = || lines.iter().flat_map(|line| &line.points);
    let (low, high) = all().fold((f64::INFINITY, 1.0_f64), |(low, high), (x, _)| (low.min(*x), high.max(*x)));
    let x = |value: f64| {
        let part = if high > low { (value / low).ln() / (high / low).ln() } else { 0.5 };
        LEFT + part * (WIDTH - LEFT - ENDS)
    };
    let up = Axis::over(all().map(|(_, y)| *y), 0.0, HEIGHT);
    let y = |value: f64| HEIGHT - up.at(value);
    let mut ends: Vec<(usize, f64)> = lines
        .iter()
        .enumerate()
        .filter_map(|(number, line)| Some((number, y(line.points.last()?.1))))
        .collect();
    apart(&mut ends);
    let mut columns: Vec<f64> = all().map(|(x, _)| *x).collect();
    columns.sort_by(f64::total_cmp);
    columns.dedup();
    html! {
        svg viewBox=(format!("0 -8 {WIDTH} {}", HEIGHT + 52.0)) role="img" {
            @for mark in up.marks() {
                line.grid x1=(LEFT) x2=(WIDTH - ENDS) y1=(number(y(mark))) y2=(number(y(mark))) {}
                text x=(LEFT - 8.0) y=(number(y(mark) + 4.0)) text-anchor="end" { (write(mark)) }
            }
            @for column in columns {
                line.grid x1=(number(x(column))) x2=(number(x(column))) y1="0" y2=(HEIGHT) {}
                text x=(number(x(column))) y=(HEIGHT + 18.0) text-anchor="middle" { (extram_herd::count(column as u64)) }
            }
            text x=((LEFT + WIDTH - ENDS) / 2.0) y=(HEIGHT + 36.0) text-anchor="middle" { (across) }
            @for (which, line) in lines.iter().enumerate() {
                g class=(format!("line line-{}", which % 6)) {
                    polyline points=(line.points.iter().map(|(a, b)| format!("{},{}", number(x(*a)), number(y(*b)))).collect::<Vec<_>>().join(" ")) {}
                    @for (a, b) in &line.points {
                        circle cx=(number(x(*a))) cy=(number(y(*b))) r="3.5" {
                            title { (line.name) ", " (extram_herd::count(*a as u64)) " " (across) ": " (write(*b)) }
                        }
                    }
                }
            }
            @for (which, at) in ends {
                text class=(format!("end-{}", which % 6)) x=(WIDTH - ENDS + 10.0) y=(number(at + 4.0)) { (lines[which].name) }
            }
        }
    }
}

/// Names that would stand on each other move apart.
fn apart(ends: &mut [(usize, f64)]) {
    const LEAST: f64 = 15.0;
    ends.sort_by(|a, b| a.1.total_cmp(&b.1));
    for next in 1..ends.len() {
        ends[next].1 = ends[next].1.max(ends[next - 1].1 + LEAST);
    }
}

/// Pixels need no more than a tenth.
fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_all_values_on_it() {
        let axis = Axis::over([3.0, 4500.0].into_iter(), 100.0, 400.0);
        assert_eq!((axis.from, axis.to), (0, 4));
        assert_eq!(axis.at(1.0), 100.0);
        assert_eq!(axis.at(100.0), 300.0);
        assert_eq!(axis.at(10_000.0), 500.0);
        assert_eq!(axis.at(0.0), 100.0);
        let nothing = Axis::over([].into_iter(), 0.0, 1.0);
        assert!(nothing.to > nothing.from);
    }

    #[test]
    fn every_subject_is_in_the_picture() {
        let names = ["floor", "extram"];
        let lines: Vec<Line> = names
            .iter()
            .map(|name| Line { name: name.to_string(), points: vec![(16.0, 1.0), (64.0, 5.0)] })
            .collect();
        let drawn = super::lines(&lines, "threads", |value| format!("{value} µs")).into_string();
        for name in names {
            assert!(drawn.contains(&format!(">{name}</text>")), "{drawn}");
        }
        assert_eq!(drawn.matches("<circle").count(), 4);
        let drawn =
            bars(&[Bar { name: "go".into(), value: 5.0, ours: false }], |_| "five".into()).into_string();
        assert!(drawn.contains(">go</text>") && drawn.contains(">five</text>"), "{drawn}");
    }

    #[test]
    fn names_do_not_stand_on_each_other() {
        let mut ends = [(0, 50.0), (1, 10.0), (2, 12.0)];
        apart(&mut ends);
        assert_eq!(ends, [(1, 10.0), (2, 25.0), (0, 50.0)]);
    }
}
