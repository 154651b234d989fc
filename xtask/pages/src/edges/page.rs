//! The edge matrix as a page: a picture of the whole, what the columns mean, and each row's cells.

use super::cell::{Cell, Matrix, Promise};
use super::names::{COLUMN_GROUPS, COLUMNS, ROW_GROUPS, ROWS};
use std::fmt::Write as _;

/// The whole table.
pub(super) fn table(matrix: &Matrix) -> String {
    let mut page = picture(matrix);
    page += "\n| column | what meets the row |\n|---|---|\n";
    for (number, (name, meaning)) in COLUMNS.iter().enumerate() {
        page += &format!("| {} {name} | {meaning} |\n", number + 1);
    }
    page += "\nFor several at a time: ";
    let groups = ROW_GROUPS.iter().chain(COLUMN_GROUPS);
    let groups: Vec<_> =
        groups.map(|(name, members)| format!("`{name}` for {}", members.join(", "))).collect();
    page += &groups.join("; ");
    page += ".\n";
    for (row, cells) in ROWS.iter().zip(matrix) {
        page += &format!("\n### {row}\n\n| meets | what is promised | shown by |\n|---|---|---|\n");
        for (columns, cell) in alike(cells) {
            let tests: Vec<_> = cell.tests.iter().map(|test| format!("`{test}`")).collect();
            let (what, by) = match cell.promise {
                Promise::Impossible(why) => (format!("cannot be: {why}"), String::new()),
                Promise::Forbidden(why) => (format!("not allowed: {why}"), String::new()),
                Promise::Works(how) | Promise::Error(how) if tests.is_empty() => {
                    (how.to_owned(), "**no test**".to_owned())
                }
                Promise::Works(how) | Promise::Error(how) => (how.to_owned(), tests.join(", ")),
            };
            page += &format!("| {} | {what} | {by} |\n", columns.join(", "));
        }
    }
    page
}

/// What no test shows, a line for each promise of a row, as a test's documentation would say it.
pub(super) fn missing(matrix: &Matrix) -> String {
    let mut lines = String::new();
    for (row, cells) in ROWS.iter().zip(matrix) {
        for (columns, cell) in alike(cells) {
            if is_missing(cell) {
                let _ = writeln!(lines, "{row} x {}: {}", columns.join("/"), cell.promise.words());
            }
        }
    }
    lines
}

/// Whether a test could show it, and none does.
pub(super) fn is_missing(cell: &Cell) -> bool {
    cell.promise.wants_a_test() && cell.tests.is_empty()
}

/// A letter a cell.
fn picture(matrix: &Matrix) -> String {
    let mut page = String::from(
        "`+` works, `!` an error, `?` either of them without a test, `.` cannot be, `x` not allowed.\n\n```text\n",
    );
    let mut heads = String::new();
    for number in 1..=COLUMNS.len() {
        let _ = write!(heads, "{number:>3}");
    }
    let _ = writeln!(page, "{:17}{heads}", "");
    for (row, cells) in ROWS.iter().zip(matrix) {
        let _ = write!(page, "{row:17}");
        cells.iter().for_each(|cell| page += &format!("  {}", letter(cell)));
        page.push('\n');
    }
    page += "```\n";
    page
}

fn letter(cell: &Cell) -> char {
    match cell.promise {
        Promise::Impossible(_) => '.',
        Promise::Forbidden(_) => 'x',
        _ if is_missing(cell) => '?',
        Promise::Works(_) => '+',
        Promise::Error(_) => '!',
    }
}

/// The different cells of a row, each with the columns that have it.
fn alike(cells: &[Cell]) -> Vec<(Vec<&'static str>, &Cell)> {
    let mut found: Vec<(Vec<&'static str>, &Cell)> = Vec::new();
    for ((column, _), cell) in COLUMNS.iter().zip(cells) {
        match found.iter_mut().find(|(_, other)| *other == cell) {
            Some((columns, _)) => columns.push(column),
            None => found.push((vec![column], cell)),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::{promises, show};
    use super::Promise::{Error, Forbidden, Impossible, Works};
    use super::*;

    fn matrix() -> Matrix {
        let rules = [
            ("*", "*", Impossible("it has no other side")),
            ("start", "start", Error("AlreadyStarted")),
            ("start", "enter/leave", Works("as if alone")),
            ("start", "trim", Forbidden("it is too early")),
        ];
        let mut matrix = promises(&rules).unwrap();
        show(&mut matrix, "a::b", "start x start").unwrap();
        matrix
    }

    #[test]
    fn a_row_says_what_is_promised_and_what_shows_it() {
        let page = table(&matrix());
        for line in [
            "| start | AlreadyStarted | `a::b` |",
            "| enter, leave | as if alone | **no test** |",
            "| trim | not allowed: it is too early |  |",
            "\nstart              !  ?  ?  x  .  .",
        ] {
            assert!(page.contains(line), "{line} is not in {page}");
        }
    }

    #[test]
    fn what_has_no_test_is_listed() {
        assert_eq!(missing(&matrix()), "start x enter/leave: as if alone\n");
    }
}
