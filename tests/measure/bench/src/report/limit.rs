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

/// Why a goal of a cell is missed by both bindings, as far as the other figures of the cell tell; `None` if it
/// is not.
fn cause(figures: &Figures, case: &str, subjects: &[&str], metric: &str, is_rate: bool) -> Option<String> {
    let (peer, _) = best(figures, case, subjects, metric, is_rate)?;
    let ours = subjects.iter().copied().filter(|subject| is_extram(subject));
    let ours: Vec<(&str, f64)> =
        ours.filter_map(|our| Some((our, figures.ratio(NAME, case, metric, our, peer)?.median))).collect();
    let meets = |ratio: f64| if is_rate { ratio >= LEAST } else { ratio <= MOST };
    if ours.is_empty() || ours.iter().any(|(_, ratio)| meets(*ratio)) {
        return None;
    }
    // The peer's other figure, to extram's nearer binding.
    let near = ours.into_iter().map(|(our, ratio)| if is_rate { (our, ratio) } else { (our, -ratio) });
    let (our, _) = near.max_by(|a, b| a.1.total_cmp(&b.1))?;
    let number = |name| parameter(case, name)?.parse::<u32>().ok();
    if is_rate {
        let wait = figures.ratio(NAME, case, "longest_wait_us", peer, our)?.median;
        let share = figures.figure(NAME, case, peer, "least_share")?.median;
        return Some(if wait > MOST {
            format!("calls: {peer} lets some wait {} times as long", table::ratio(wait))
        } else if share < 0.1 {
            format!("calls: {peer} leaves a thread {} of its share", table::ratio(share))
        } else if number("hold_us") == Some(0) {
            format!("calls: {peer} pays no wake-up for an empty callback")
        } else {
            "calls: each M that comes back wakes a thread".into()
        });
    }
    let calls = figures.ratio(NAME, case, "calls_per_s", peer, our)?.median;
    Some(if number("limit") >= number("threads") {
        "wait: nobody waits here, and a preemption is all there is".into()
    } else if calls < LEAST {
        format!("wait: {peer} makes {} of the calls", table::ratio(calls))
    } else {
        "wait: whoever calls again may pass for 2 ms at a time".into()
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
    head.push("what is missed, and why".into());
    let mut table = Table::new(head, []);
    for (number, case) in cases.iter().enumerate() {
        let mut row = conditions(case);
        let mut causes = Vec::new();
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
            causes.extend(cause(figures, case, subjects, metric, more_is_better));
        }
        row.push(causes.join("; "));
        table.rows.push(row);
    }
    table
}
