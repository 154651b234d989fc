//! Under a limit: throughput, the longest wait and the threads' shares.

use super::Part;
use super::table::{self, Table, Write};
use crate::section::limit::NAME;
use crate::stats::{Figure, Figures, parameter};
use extram_herd::duration;

pub(super) fn part(figures: &Figures) -> Option<Part> {
    let cases = figures.cases(NAME);
    if cases.is_empty() {
        return None;
    }
    let subjects = figures.subjects(NAME);
    let words = [
        "As many threads as the first column says call as often as they can. The pool has so many contexts \
         as its limit, all made before, and each callback holds one for so long.",
        "Throughput is better the larger it is, a wait the shorter it is. The best peer is another one in \
         each cell and for each figure. Pools that let newcomers pass are fast where callbacks are empty, \
         as a thread that calls again finds its context still warm; the longest wait and the shares show \
         who pays for it.",
    ];
    let mut tables = vec![(
        "extram to the best peer of each cell: goal ≥ 0.9 of its throughput, ≤ 2 times its longest wait"
            .into(),
        against_best(figures, &cases, &subjects),
    )];
    let all = [
        ("calls per second", "calls_per_s", table::rate as Write),
        ("longest wait", "longest_wait_us", duration),
        ("wait that one call in a hundred exceeds", "wait_p99_us", duration),
        ("calls of the thread with the fewest, to a fair share", "least_share", table::ratio),
        ("calls of the thread with the most, to a fair share", "largest_share", table::ratio),
        ("wait of a thread of real-time priority, median", "urgent_p50_us", duration),
        ("longest wait of that thread", "urgent_longest_us", duration),
    ];
    let is_urgent = cases.iter().any(|case| parameter(case, "urgent").is_some());
    for (caption, metric, write) in all {
        if metric.starts_with("urgent") && !is_urgent {
            continue;
        }
        let mut head = head();
        head.extend(subjects.iter().map(|subject| subject.to_string()));
        let rows = cases.iter().map(|case| {
            let mut row = conditions(case);
            row.extend(
                subjects
                    .iter()
                    .map(|subject| table::figure(figures.figure(NAME, case, subject, metric), write)),
            );
            row
        });
        tables.push((caption.into(), Table::new(head, rows)));
    }
    let title = "Fewer contexts than threads".into();
    Some(Part { title, words: words.map(String::from).to_vec(), tables, pictures: Vec::new() })
}

/// The goals of a cell: its throughput and its longest wait, to the best peer's.
pub(super) const LEAST: f64 = 0.9;
pub(super) const MOST: f64 = 2.0;

fn head() -> Vec<String> {
    ["threads", "limit", "held"].map(String::from).to_vec()
}

fn conditions(case: &str) -> Vec<String> {
    let value = |name| parameter(case, name).unwrap_or(table::NONE);
    let asleep = if value("kind") == "sleep" { " asleep" } else { "" };
    let urgent = if parameter(case, "urgent").is_some() { " + 1" } else { "" };
    let threads = format!("{}{urgent}", value("threads"));
    vec![threads, value("limit").into(), format!("{} µs{asleep}", value("hold_us"))]
}

pub(super) fn is_extram(subject: &str) -> bool {
    subject.starts_with("extram")
}

/// The peer that is ahead of all others in a case.
pub(super) fn best<'a>(
    figures: &Figures,
    case: &str,
    subjects: &[&'a str],
    metric: &str,
    more_is_better: bool,
) -> Option<(&'a str, Figure)> {
    let peers = subjects.iter().filter(|subject| !is_extram(subject));
    let known = peers.filter_map(|&peer| Some((peer, figures.figure(NAME, case, peer, metric)?)));
    known.reduce(|best, next| {
        let ahead =
            if more_is_better { next.1.median > best.1.median } else { next.1.median < best.1.median };
        if ahead { next } else { best }
    })
}

fn against_best(figures: &Figures, cases: &[&str], subjects: &[&str]) -> Table {
    let ours: Vec<&str> = subjects.iter().copied().filter(|subject| is_extram(subject)).collect();
    let mut head = head();
    let mut columns = |what: &str| {
        head.push(format!("best peer, {what}"));
        head.extend(ours.iter().map(|our| format!("{our} ×")));
    };
    columns("calls/s");
    columns("longest wait");
    let mut table = Table::new(head, []);
    for (number, case) in cases.iter().enumerate() {
        let mut row = conditions(case);
        for (metric, more_is_better, write) in
            [("calls_per_s", true, table::rate as Write), ("longest_wait_us", false, duration)]
        {
            let best = best(figures, case, subjects, metric, more_is_better);
            row.push(
                best.map_or(table::NONE.into(), |(peer, figure)| format!("{peer} {}", write(figure.median))),
            );
            for our in &ours {
                let to = best.and_then(|(peer, _)| figures.ratio(NAME, case, metric, our, peer));
                if let Some(to) = to {
                    let met = if more_is_better { to.median >= LEAST } else { to.median <= MOST };
                    table.goals.insert((number, row.len()), met);
                }
                row.push(table::figure(to, table::ratio));
            }
        }
        table.rows.push(row);
    }
    table
}
