//! The rows as a table for people.

use crate::Row;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

/// A table whose walls are related to the row named `reference`, and whose context switches to the
/// floor's if there is a floor.
pub fn table(rows: &[Row], reference: &str) -> String {
    let wall = find(rows, reference).map(|row| row.wall_us_median);
    let floor = find(rows, "floor").and_then(|row| row.context_switches_median);

    let mut header = vec!["algorithm".to_owned(), "wall median".into(), "wall min".into()];
    if wall.is_some() {
        header.push(format!("× {reference}"));
    }
    header.push("context switches".into());
    if floor.is_some() {
        header.push("× floor".into());
    }
    header.extend(["Ms made", "most made by\none callback", "longest wait"].map(String::from));

    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        // As wide as it needs to be: a terminal's width, or none, changes nothing.
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header);
    for row in rows {
        let mut cells =
            vec![row.algorithm.to_owned(), duration(row.wall_us_median), duration(row.wall_us_min)];
        if let Some(wall) = wall {
            cells.push(ratio(row.wall_us_median, wall));
        }
        let switches = row.context_switches_median;
        cells.push(switches.map_or_else(unknown, count));
        if let Some(floor) = floor {
            cells.push(switches.map_or_else(unknown, |switches| ratio(switches as f64, floor as f64)));
        }
        cells.push(row.ms_made_median.map_or_else(none, count));
        cells.push(row.max_creations_per_callback.map_or_else(none, count));
        cells.push(row.longest_wait_us_median.map_or_else(none, duration));
        table.add_row(cells.into_iter().enumerate().map(|(column, text)| {
            Cell::new(text).set_alignment(if column == 0 {
                CellAlignment::Left
            } else {
                CellAlignment::Right
            })
        }));
    }
    format!("{table}\n")
}

fn find<'a>(rows: &'a [Row], algorithm: &str) -> Option<&'a Row> {
    rows.iter().find(|row| row.algorithm == algorithm)
}

fn none() -> String {
    "-".into()
}

fn unknown() -> String {
    "not known here".into()
}

fn ratio(value: f64, to: f64) -> String {
    if to > 0.0 { format!("{:.2}", value / to) } else { none() }
}

/// A time in the unit that suits it.
pub fn duration(us: f64) -> String {
    match us {
        ..1_000.0 => format!("{us:.0} µs"),
        ..10_000.0 => format!("{:.2} ms", us / 1e3),
        ..1_000_000.0 => format!("{:.1} ms", us / 1e3),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn row(algorithm: &'static str, wall: f64, made: Option<u64>) -> Row {
        Row {
            algorithm,
            wall_us_median: wall,
            wall_us_min: wall,
            context_switches_median: Some(1000 * wall as u64),
            ms_made_median: made,
            max_creations_per_callback: made,
            longest_wait_us_median: made.map(|_| wall),
        }
    }

    #[test]
    fn ratios_are_to_the_named_row_and_to_the_floor() {
        let rows = [row("floor", 2.0, None), row("old", 8.0, Some(7)), row("new", 4.0, Some(3))];
        let text = table(&rows, "old");
        let new = text.lines().find(|line| line.contains(" new ")).unwrap();
        assert!(new.contains(" 0.50 "), "{text}");
        assert!(new.contains(" 2.00 "), "{text}");
        assert!(new.contains(" 4,000 "), "{text}");
        let floor = text.lines().find(|line| line.starts_with("│ floor ")).unwrap();
        assert_eq!(floor.matches(" - ").count(), 3, "{text}");
    }

    #[test]
    fn a_ratio_without_its_row_has_no_column() {
        let text = table(&[row("new", 4.0, Some(3))], "old");
        assert!(!text.contains('×'), "{text}");
    }

    #[test]
    fn what_the_system_does_not_count_is_not_known_and_related_to_nothing() {
        let rows = [row("floor", 2.0, None), row("new", 4.0, Some(3))]
            .map(|row| Row { context_switches_median: None, ..row });
        let text = table(&rows, "floor");
        assert_eq!(text.matches(" not known here ").count(), 2, "{text}");
        assert!(!text.contains("× floor │ Ms"), "{text}");
    }

    #[test]
    fn times_and_counts_read_well() {
        assert_eq!(duration(12.3), "12 µs");
        assert_eq!(duration(1_234.0), "1.23 ms");
        assert_eq!(duration(123_456.0), "123.5 ms");
        assert_eq!(duration(2_500_000.0), "2.50 s");
        assert_eq!(count(7), "7");
        assert_eq!(count(675_623), "675,623");
        assert_eq!(count(1_000_000), "1,000,000");
    }
}
