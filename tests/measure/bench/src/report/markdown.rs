//! The report for a terminal, and for wherever Markdown is read.

use super::table::Table;
use std::fmt::Write;

/// A table in Markdown, its columns aligned for those who read the text itself.
pub(super) fn table(table: &Table) -> String {
    let rows = || [&table.head].into_iter().chain(&table.rows);
    let columns = table.head.len();
    let width = |column: usize| {
        rows().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0).max(3)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    let mut line = |cells: &[String], fill: bool| {
        for (column, &width) in widths.iter().enumerate() {
            let cell = cells.get(column).map_or("", String::as_str);
            let _ = match (fill, column) {
                (true, 0) => write!(text, "|{}", "-".repeat(width + 2)),
                (true, _) => write!(text, "|{}:", "-".repeat(width + 1)),
                (false, 0) => write!(text, "| {cell:<width$} "),
                (false, _) => write!(text, "| {cell:>width$} "),
            };
        }
        text.push_str("|\n");
    };
    line(&table.head, false);
    line(&[], true);
    for row in &table.rows {
        line(row, false);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_markdown() {
        let cells = |row: [&str; 2]| row.map(String::from).to_vec();
        let text = table(&Table::new(
            cells(["who", "wall"]),
            [cells(["extram", "5 µs"]), cells(["x", "10,000 µs"])],
        ));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "| who    |      wall |");
        assert_eq!(lines[1], "|--------|----------:|");
        assert_eq!(lines[2], "| extram |      5 µs |");
        assert_eq!(lines[3], "| x      | 10,000 µs |");
    }
}
