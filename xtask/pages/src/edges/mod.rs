//! `cargo xtask test --list-edges`: what can be under way in a pool, what can meet it, what is promised
//! then, and which test shows it.
//!
//! The promises are data, in `table.rs`. A test says in its documentation what it shows,
//! `/// Edge: start x close, making/prewarm x panics.`, and is collected as the scenarios' are. A cell
//! needs a test, or a reason why there is none; `tests/EDGES.md` has the whole table, which a test
//! below compares.

mod cell;
mod names;
mod page;
mod table;

use crate::marks::{Function, around, functions};
use anyhow::{Context as _, Result, bail, ensure};
use cell::{Cell, Matrix, Promise};
use names::{COLUMN_GROUPS, COLUMNS, ROW_GROUPS, ROWS};
use std::collections::BTreeSet;
use std::path::Path;
use toolchain::workspace;

use table::{RULES, SHOWN};

const PAGE: &str = "tests/EDGES.md";
const BEGIN: &str = "<!-- edges: cargo xtask test --list-edges --write -->\n";
const END: &str = "<!-- end of edges -->\n";

/// Prints the table, or what is missing in it, or puts it into `tests/EDGES.md`.
pub fn list(write: bool, missing: bool) -> Result<()> {
    let matrix = matrix(workspace())?;
    if missing {
        print!("{}", page::missing(&matrix));
        return Ok(());
    }
    let table = page::table(&matrix);
    if !write {
        print!("{table}");
        return Ok(());
    }
    let file = workspace().join(PAGE);
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let (before, after) = around(&text, BEGIN, END)?;
    std::fs::write(&file, format!("{before}{BEGIN}{table}{END}{after}"))?;
    println!("written: {}", file.display());
    Ok(())
}

/// Every cell has a test or a reason, and the page has the table.
pub fn check(root: &Path) -> Result<()> {
    let matrix = matrix(root)?;
    let text = std::fs::read_to_string(root.join(PAGE)).context(PAGE)?;
    let (before, after) = around(&text, BEGIN, END)?;
    ensure!(
        text == format!("{before}{BEGIN}{}{END}{after}", page::table(&matrix)),
        "{PAGE} is out of date: cargo xtask test --list-edges --write"
    );
    let missing = matrix.iter().flatten().filter(|cell| page::is_missing(cell)).count();
    ensure!(missing == 0, "{missing} edges have no test: cargo xtask test --list-edges --missing");
    Ok(())
}

fn matrix(root: &Path) -> Result<Matrix> {
    let mut matrix = promises(RULES)?;
    let functions = functions(root)?;
    for function in &functions {
        if let Some(marks) = marks(&function.doc)? {
            let test = function.path();
            show(&mut matrix, &test, &marks).with_context(|| test.clone())?;
        }
    }
    for (test, marks) in SHOWN {
        exists(root, &functions, test)?;
        show(&mut matrix, test, marks).with_context(|| (*test).to_owned())?;
    }
    Ok(matrix)
}

/// The matrix without tests: what the last rule says that has a cell.
fn promises(rules: &[(&str, &str, Promise)]) -> Result<Matrix> {
    let mut decided = vec![vec![None; COLUMNS.len()]; ROWS.len()];
    for (number, (rows, columns, promise)) in rules.iter().enumerate() {
        ensure!(!promise.words().is_empty(), "{rows} x {columns}: no word on why, or how");
        for (row, column) in cells(rows, columns)? {
            decided[row][column] = Some(number);
        }
    }
    for (number, (rows, columns, _)) in rules.iter().enumerate() {
        let decides = decided.iter().flatten().any(|by| *by == Some(number));
        ensure!(decides, "{rows} x {columns}: later rules have all its cells");
    }
    let mut matrix = Matrix::new();
    for (row, decided) in decided.into_iter().enumerate() {
        let cell = |(column, by): (usize, Option<usize>)| {
            let by = by.with_context(|| format!("{} x {}: no rule", ROWS[row], COLUMNS[column].0))?;
            Ok(Cell { promise: rules[by].2, tests: BTreeSet::new() })
        };
        matrix.push(decided.into_iter().enumerate().map(cell).collect::<Result<_>>()?);
    }
    Ok(matrix)
}

/// The cells that these names of rows and of columns mean.
fn cells(rows: &str, columns: &str) -> Result<Vec<(usize, usize)>> {
    let rows = named(rows, ROWS, ROW_GROUPS)?;
    let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    let columns = named(columns, &names, COLUMN_GROUPS)?;
    Ok(rows.iter().flat_map(|row| columns.iter().map(|column| (*row, *column))).collect())
}

/// The places of the names in a list like `start/upkeep`, or of all of them: `*`.
fn named(list: &str, names: &[&str], groups: &[(&str, &[&str])]) -> Result<BTreeSet<usize>> {
    let mut found = BTreeSet::new();
    for part in list.split('/').map(str::trim) {
        let members = match groups.iter().find(|(name, _)| *name == part) {
            Some((_, members)) => *members,
            None if part == "*" => names,
            None => &[part],
        };
        for member in members {
            let place = names.iter().position(|name| name == member);
            found.insert(place.with_context(|| format!("nothing in the table is called {member:?}"))?);
        }
    }
    Ok(found)
}

/// What a function's documentation says after `Edge:` or `Edges:`, up to the full stop.
fn marks(doc: &[String]) -> Result<Option<String>> {
    let mut said: Option<String> = None;
    for line in doc {
        match &mut said {
            None => {
                let rest = line.strip_prefix("Edge:").or_else(|| line.strip_prefix("Edges:"));
                said = rest.map(str::to_owned);
            }
            Some(said) => {
                said.push(' ');
                said.push_str(line);
            }
        }
        if let Some((marks, _)) = said.as_deref().and_then(|said| said.split_once('.')) {
            return Ok(Some(marks.trim().to_owned()));
        }
    }
    ensure!(said.is_none(), "no full stop after {}", said.unwrap_or_default());
    Ok(None)
}

/// Notes that a test shows these cells: `start x close, making/prewarm x panics`. Where groups have
/// cells that cannot be, those are passed over.
fn show(matrix: &mut Matrix, test: &str, marks: &str) -> Result<()> {
    for mark in marks.split(',').map(str::trim) {
        let (rows, columns) = mark.split_once(" x ").with_context(|| format!("{mark:?} is no edge"))?;
        let mut shown = false;
        for (row, column) in cells(rows, columns)? {
            let cell = &mut matrix[row][column];
            if cell.promise.wants_a_test() {
                cell.tests.insert(test.to_owned());
                shown = true;
            }
        }
        ensure!(shown, "{mark}: the table says that this cannot be");
    }
    Ok(())
}

/// That there is such a test, or such a file.
fn exists(root: &Path, functions: &[Function], test: &str) -> Result<()> {
    if test.contains("::") {
        let found = functions.iter().any(|function| function.path() == test);
        ensure!(found, "{test} is said to show an edge, and there is no such function");
    } else if !root.join(test).is_file() {
        bail!("{test} is said to show an edge, and there is no such file");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Promise::{Error, Impossible, Works};
    use super::*;

    #[test]
    fn every_edge_has_a_test_or_a_reason_and_the_page_has_the_table() {
        check(workspace()).unwrap();
    }

    #[test]
    fn every_cell_has_a_rule_and_every_rule_a_cell() {
        let matrix = promises(RULES).unwrap();
        assert_eq!(matrix.iter().map(Vec::len).sum::<usize>(), ROWS.len() * COLUMNS.len());
        let hole = [("start", "*", Works("so"))];
        assert!(promises(&hole).unwrap_err().to_string().contains("no rule"));
        let hidden = [("start", "close", Works("so")), ("*", "*", Works("so"))];
        assert!(promises(&hidden).unwrap_err().to_string().contains("later rules"));
        assert!(promises(&[("*", "*", Impossible(""))]).is_err());
    }

    #[test]
    fn the_last_rule_decides() {
        let rules = [("*", "*", Works("as ever")), ("life", "start", Error("once"))];
        let matrix = promises(&rules).unwrap();
        let at = |row: &str, column: &str| {
            let cells = cells(row, column).unwrap();
            matrix[cells[0].0][cells[0].1].promise
        };
        assert_eq!(at("close", "start"), Error("once"));
        assert_eq!(at("close", "enter"), Works("as ever"));
        assert_eq!(at("enter", "start"), Works("as ever"));
    }

    #[test]
    fn groups_name_what_there_is_and_no_name_has_two_meanings() {
        let columns: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
        for (names, groups) in [(ROWS, ROW_GROUPS), (&columns[..], COLUMN_GROUPS)] {
            let mut all: Vec<&str> =
                names.iter().copied().chain(groups.iter().map(|group| group.0)).collect();
            for name in &all {
                assert!(named(name, names, groups).is_ok(), "{name}");
                assert!(!name.contains(['/', ',', '.', '*']) && !name.contains(" x "), "{name}");
            }
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), names.len() + groups.len());
        }
        assert!(cells("start", "no such column").is_err());
        assert!(cells("no such row", "start").is_err());
        assert_eq!(cells("life/start", "forks").unwrap().len(), 6);
    }

    #[test]
    fn a_test_says_what_it_shows() {
        let marks = |doc: &[&str]| marks(&doc.iter().map(|line| line.to_string()).collect::<Vec<_>>());
        assert_eq!(marks(&["Edge: start x close. And text."]).unwrap().unwrap(), "start x close");
        let two = marks(&["Text.", "", "Edges: start x close,", "making x fork.", "Text."]);
        assert_eq!(two.unwrap().unwrap(), "start x close, making x fork");
        assert_eq!(marks(&["At the edge: nothing."]).unwrap(), None);
        assert!(marks(&["Edge: start x close"]).is_err());
    }

    #[test]
    fn what_a_test_shows_stands_in_its_cells_and_in_no_other() {
        let rules = [("*", "*", Works("so")), ("walk", "*", Impossible("for this reason"))];
        let mut matrix = promises(&rules).unwrap();
        show(&mut matrix, "a::b", "start/upkeep x close, start x fork").unwrap();
        let shown = matrix.iter().flatten().filter(|cell| !cell.tests.is_empty()).count();
        // The walk is passed over.
        assert_eq!(shown, 4);
        assert!(show(&mut matrix, "a::b", "walk x close").is_err());
        assert!(show(&mut matrix, "a::b", "start and close").is_err());
        assert!(show(&mut matrix, "a::b", "start x clothes").is_err());
    }

    /// Where a loop goes through the rows of the table, its marks say `*`: they are true as long as it has
    /// all of them.
    #[test]
    fn a_test_that_goes_through_all_rows_has_all_rows() {
        let text =
            std::fs::read_to_string(workspace().join("tests/proof/hosted/tests/edges_threads.rs")).unwrap();
        let names = text.lines().filter_map(|line| line.trim().strip_prefix("row(\"")?.split('"').next());
        assert_eq!(names.collect::<BTreeSet<_>>(), ROWS.iter().copied().collect::<BTreeSet<_>>());
    }

    #[test]
    fn a_test_that_is_named_exists() {
        let functions = functions(workspace()).unwrap();
        assert!(exists(workspace(), &functions, "conformance::pool::starts").is_ok());
        assert!(exists(workspace(), &functions, "conformance::pool::no_such_scenario").is_err());
        assert!(exists(workspace(), &functions, PAGE).is_ok());
        assert!(exists(workspace(), &functions, "tests/no_such_file.c").is_err());
    }
}
