//! Rows as a table, and as plots on a page of their own.

use crate::work::Row;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use std::fmt::Write as _;

/// A table for a terminal: the first column to the left, the others to the right.
pub fn plain(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header);
    for row in rows {
        table.add_row(row.into_iter().enumerate().map(|(column, text)| {
            let side = if column == 0 { CellAlignment::Left } else { CellAlignment::Right };
            Cell::new(text).set_alignment(side)
        }));
    }
    format!("{table}\n")
}

/// A time in µs in the unit that suits it.
pub fn time(us: f64) -> String {
    match us {
        ..1.0 => format!("{:.0} ns", us * 1e3),
        ..1e3 => format!("{us:.1} µs"),
        ..1e6 => format!("{:.2} ms", us / 1e3),
        _ => format!("{:.2} s", us / 1e6),
    }
}

/// A number in groups of three digits.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many calls a second.
pub fn rate(per_second: f64) -> String {
    match per_second {
        ..1e6 => format!("{:.1} k/s", per_second / 1e3),
        _ => format!("{:.2} M/s", per_second / 1e6),
    }
}

fn none() -> String {
    "-".into()
}

/// All figures of all rows.
pub fn table(rows: &[Row]) -> String {
    let header = [
        "work",
        "algorithm",
        "cores",
        "threads",
        "wall",
        "context switches",
        "Ms made",
        "most made by\none callback",
        "longest wait",
        "throughput",
    ];
    plain(
        &header,
        rows.iter().map(|row| {
            vec![
                row.work.into(),
                row.algorithm.into(),
                row.cores.to_string(),
                row.threads.to_string(),
                format!("{}{}", if row.cut_off { "> " } else { "" }, time(row.wall_us)),
                if row.cut_off { none() } else { count(row.context_switches) },
                row.ms_made.map_or_else(none, count),
                row.max_creations_per_callback.map_or_else(none, |most| count(most.into())),
                row.longest_wait_us.map_or_else(none, time),
                if row.cut_off { none() } else { rate(row.calls_per_second) },
            ]
        }),
    )
}

/// The figures that are plotted: what they are called, and how they are had.
type Figure = (&'static str, fn(&Row) -> Option<f64>);

const FIGURES: [Figure; 5] = [
    ("wall, µs", |row| Some(row.wall_us)),
    ("context switches", |row| Some(row.context_switches as f64)),
    ("Ms made", |row| row.ms_made.map(|made| made as f64)),
    ("longest wait, µs", |row| row.longest_wait_us),
    ("calls per second", |row| Some(row.calls_per_second)),
];

const COLOURS: [&str; 8] =
    ["#8a8a8a", "#c0392b", "#d68910", "#7d6608", "#1f77b4", "#117a65", "#6c3483", "#ba4a9c"];

const WIDTH: f64 = 620.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 120.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 36.0;

/// A page with a plot of each figure over the cores or the threads, whichever there are more of; one for each
/// value of the other.
pub fn page(rows: &[Row], command: &str) -> String {
    let distinct = |of: fn(&Row) -> u32| {
        let mut values: Vec<u32> = rows.iter().map(of).collect();
        values.sort_unstable();
        values.dedup();
        values
    };
    let (cores, threads) = (distinct(|row| row.cores), distinct(|row| row.threads));
    let over_cores = cores.len() > 1 && cores.len() >= threads.len();
    let (axis, others): (&str, &[u32]) = if over_cores { ("cores", &threads) } else { ("threads", &cores) };
    let x: fn(&Row) -> u32 = if over_cores { |row| row.cores } else { |row| row.threads };
    let other: fn(&Row) -> u32 = if over_cores { |row| row.threads } else { |row| row.cores };
    let mut works: Vec<&str> = rows.iter().map(|row| row.work).collect();
    works.dedup();
    let mut page = String::from(HEAD);
    let _ = writeln!(page, "<p><code>{}</code></p>", escape(command));
    for work in works {
        for &value in others {
            let of: Vec<&Row> = rows.iter().filter(|row| row.work == work && other(row) == value).collect();
            if of.is_empty() {
                continue;
            }
            let what = if over_cores { "threads" } else { "cores" };
            let _ = writeln!(page, "<h2>{work}, {value} {what}</h2>");
            for figure in &FIGURES {
                page += &plot(&of, figure, axis, x);
            }
        }
    }
    page + "</body></html>\n"
}

const HEAD: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width\"><title>extram, simulated</title><style>\n\
:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:1300px;margin:2em auto;padding:0 1em}\n\
svg{width:100%;max-width:620px;height:auto}svg text{font:12px system-ui,sans-serif;fill:currentColor}\n\
.grid{stroke:currentColor;stroke-opacity:.15}.line{fill:none;stroke-width:2}\n\
</style></head><body><h1>extram, simulated</h1>\n";

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Both axes are logarithmic.
fn plot(rows: &[&Row], (name, of): &Figure, axis: &str, x: fn(&Row) -> u32) -> String {
    let points: Vec<(&str, f64, f64)> = rows
        .iter()
        .filter(|row| !row.cut_off)
        .filter_map(|row| Some((row.algorithm, f64::from(x(row)), of(row).filter(|value| *value > 0.0)?)))
        .collect();
    if points.is_empty() {
        return String::new();
    }
    let bounds = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)))
    };
    let (left, right) = bounds(&mut points.iter().map(|point| point.1));
    let (low, high) = bounds(&mut points.iter().map(|point| point.2));
    let (low, high) =
        (10_f64.powf(low.log10().floor()), 10_f64.powf(high.log10().ceil().max(low.log10().floor() + 1.0)));
    let at = |value: f64, (from, to): (f64, f64), (begin, end): (f64, f64)| {
        let part = if to > from { (value / from).ln() / (to / from).ln() } else { 0.5 };
        begin + part * (end - begin)
    };
    let px = |value| at(value, (left, right), (LEFT, WIDTH - RIGHT));
    let py = |value| at(value, (low, high), (HEIGHT - BOTTOM, TOP));
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\"><title>{name}</title>\n");
    let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"18\">{name}</text>");
    let mut decade = low;
    while decade <= high * 1.001 {
        let y = py(decade);
        let _ = writeln!(svg, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{:.1}\"/>", WIDTH - RIGHT);
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            y + 4.0,
            short(decade)
        );
        decade *= 10.0;
    }
    let mut ticks: Vec<u32> = points.iter().map(|point| point.1 as u32).collect();
    ticks.sort_unstable();
    ticks.dedup();
    for tick in ticks {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{tick}</text>",
            px(f64::from(tick)),
            HEIGHT - 16.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{axis}</text>",
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 2.0
    );
    let mut names: Vec<&str> = Vec::new();
    points.iter().for_each(|point| {
        if !names.contains(&point.0) {
            names.push(point.0)
        }
    });
    for (index, algorithm) in names.into_iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let path: Vec<String> = points
            .iter()
            .filter(|point| point.0 == algorithm)
            .map(|point| format!("{:.1} {:.1}", px(point.1), py(point.2)))
            .collect();
        let _ = writeln!(svg, "<path class=\"line\" stroke=\"{colour}\" d=\"M{}\"/>", path.join("L"));
        for point in &path {
            let (x, y) = point.split_once(' ').expect("two numbers");
            let _ = writeln!(svg, "<circle cx=\"{x}\" cy=\"{y}\" r=\"3\" fill=\"{colour}\"/>");
        }
        let y = TOP + 14.0 * index as f64;
        let _ = writeln!(
            svg,
            "<rect x=\"{:.1}\" y=\"{y:.1}\" width=\"10\" height=\"10\" fill=\"{colour}\"/><text x=\"{:.1}\" y=\"{:.1}\">{algorithm}</text>",
            WIDTH - RIGHT + 10.0,
            WIDTH - RIGHT + 24.0,
            y + 9.0
        );
    }
    svg + "</svg>\n"
}

fn short(value: f64) -> String {
    match value {
        ..1e3 => format!("{value}"),
        ..1e6 => format!("{}k", value / 1e3),
        ..1e9 => format!("{}M", value / 1e6),
        _ => format!("{}G", value / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(algorithm: &'static str, cores: u32, wall_us: f64) -> Row {
        Row {
            work: "short",
            algorithm,
            cores,
            threads: 16,
            cut_off: false,
            wall_us,
            context_switches: 1234,
            preempted: 4,
            ms_made: (algorithm != "floor").then_some(17),
            max_creations_per_callback: Some(2),
            longest_wait_us: None,
            calls_per_second: 2.5e6,
            line_transfers: 5,
            steps: 6,
        }
    }

    #[test]
    fn a_row_reads_well() {
        let text = table(&[row("extram", 2, 1500.0), row("floor", 2, 0.25)]);
        for part in [" 1.50 ms ", " 250 ns ", " 1,234 ", " 17 ", " 2.50 M/s ", " - "] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn a_page_has_a_plot_of_each_figure_and_a_line_of_each_algorithm() {
        let rows =
            [row("extram", 1, 10.0), row("extram", 512, 20.0), row("floor", 1, 5.0), row("floor", 512, 6.0)];
        let page = page(&rows, "simulate --cores <many>");
        // Nobody waits here.
        assert_eq!(page.matches("<svg").count(), 4, "{page}");
        assert_eq!(page.matches("class=\"line\"").count(), 7);
        assert!(
            page.contains("&lt;many&gt;") && page.contains(">512</text>") && page.contains(">cores</text>")
        );
        assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
    }
}
