//! Cold herds: wall time and switches by size, waits, Ms made.

use super::chart::{self, Line, Range};
use super::table::{self, Table, Write};
use super::{Part, Picture};
use crate::section::herd::NAME;
use crate::stats::{Figures, parameter};
use extram_herd::{count, duration};

pub(super) fn part(figures: &Figures) -> Option<Part> {
    let cases = figures.cases(NAME);
    let subjects = figures.subjects(NAME);
    if cases.is_empty() {
        return None;
    }
    let words = [
        "Fresh threads call into a pool with a single M, all at once. Wall time is from their release until \
         the last is back; context switches are those of the threads' whole lives. The floor is the same \
         threads without a pool: it makes no Ms, so with all inside it leaves out N × cost of work that any \
         pool has to do.",
        "A wait is from a thread's call to the first line of its callback, the making of Ms included.",
    ];
    let columns: [(&str, &str, Write); 7] = [
        ("wall time", "wall_us", duration),
        ("context switches", "switches", |value| count(value as u64)),
        ("Ms made", "ms_made", |value| count(value as u64)),
        ("most Ms made by one callback", "most_made_by_one", |value| count(value as u64)),
        ("half of the threads waited less than", "wait_p50_us", duration),
        ("nine in ten waited less than", "wait_p90_us", duration),
        ("longest wait", "longest_wait_us", duration),
    ];
    let mut tables = vec![(
        "wall time to the floor's of the same round".into(),
        matrix(&cases, &subjects, |case, subject| {
            table::figure(figures.ratio(NAME, case, "wall_us", subject, "floor"), table::ratio)
        }),
    )];
    for (caption, metric, write) in columns {
        let table = matrix(&cases, &subjects, |case, subject| {
            table::figure(figures.figure(NAME, case, subject, metric), write)
        });
        tables.push((caption.into(), table));
    }
    let title = "Herds of fresh threads on a cold pool".into();
    let pictures = pictures(figures, &cases, &subjects);
    Some(Part { title, words: words.map(String::from).to_vec(), tables, pictures })
}

fn matrix(cases: &[&str], subjects: &[&str], cell: impl Fn(&str, &str) -> String) -> Table {
    let mut head = ["threads", "an M costs", "callbacks"].map(String::from).to_vec();
    head.extend(subjects.iter().map(|subject| subject.to_string()));
    let rows = cases.iter().map(|case| {
        let value = |name| parameter(case, name).unwrap_or(table::NONE);
        let kind = if value("kind") == "inside" { "all inside" } else { "short" };
        let mut row = vec![value("threads").into(), format!("{} µs", value("cost_us")), kind.into()];
        row.extend(subjects.iter().map(|subject| cell(case, subject)));
        row
    });
    Table::new(head, rows)
}

fn pictures(figures: &Figures, cases: &[&str], subjects: &[&str]) -> Vec<Picture> {
    let inside: Vec<&str> = cases.iter().copied().filter(|case| case.ends_with("kind=inside")).collect();
    let threads = |case: &str| parameter(case, "threads")?.parse::<f64>().ok();
    let line = |metric: &'static str| {
        let inside = &inside;
        subjects
            .iter()
            .map(move |subject| Line {
                name: subject.to_string(),
                points: inside
                    .iter()
                    .filter_map(|case| {
                        Some((threads(case)?, figures.figure(NAME, case, subject, metric)?.median))
                    })
                    .collect(),
            })
            .collect::<Vec<_>>()
    };
    let mut pictures = Vec::new();
    if inside.len() > 1 {
        let caption = "All inside: wall time by the number of threads".into();
        pictures.push(Picture { caption, drawing: chart::lines(&line("wall_us"), "threads", duration) });
        let caption = "All inside: context switches by the number of threads".into();
        let write = |value: f64| count(value as u64);
        pictures.push(Picture { caption, drawing: chart::lines(&line("switches"), "threads", write) });
    }
    for case in [inside.last(), cases.iter().rev().find(|case| case.ends_with("kind=short"))] {
        let Some(case) = case else { continue };
        let ranges = subjects.iter().filter_map(|subject| {
            let figure = |metric| Some(figures.figure(NAME, case, subject, metric)?.median);
            Some(Range {
                name: subject.to_string(),
                low: figure("wait_p10_us")?,
                middle: figure("wait_p50_us")?,
                high: figure("wait_p90_us")?,
                end: figure("longest_wait_us")?,
            })
        });
        let value = |name| parameter(case, name).unwrap_or(table::NONE);
        let kind = if value("kind") == "inside" { "all inside" } else { "short callbacks" };
        let caption = format!(
            "How long {} threads waited, {kind}: box from a tenth to nine tenths, line at the half, dot at the longest",
            value("threads")
        );
        pictures.push(Picture { caption, drawing: chart::ranges(&ranges.collect::<Vec<_>>(), duration) });
    }
    pictures
}
