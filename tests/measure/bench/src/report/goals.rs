//! The goals, beside what was measured.

use super::Part;
use super::limit::{LEAST, MOST, best, is_extram};
use super::table::{self, Table, nanoseconds};
use crate::live;
use crate::section::{entry, herd, limit};
use crate::stats::{Figure, Figures, parameter};

/// A goal, and how far off it is.
struct Goal {
    what: String,
    wanted: String,
    got: String,
    met: bool,
    /// What is known of a goal that is missed.
    why: String,
}

pub(super) fn part(figures: &Figures, processors: usize) -> Option<Part> {
    let mut goals = Vec::new();
    goals.extend(herd_beside_go(figures));
    goals.extend(herd_near_floor(figures, processors));
    goals.extend(short_herds(figures));
    goals.extend(throughput(figures));
    goals.extend(longest_wait(figures));
    goals.extend(calls(figures));
    goals.extend(first_call(figures));
    if goals.is_empty() {
        return None;
    }
    let head = ["goal", "wanted", "measured", "met", "if missed"].map(String::from).to_vec();
    let rows = goals.into_iter().map(|goal| {
        let met = if goal.met { "yes" } else { "no" };
        let why = if goal.met { String::new() } else { goal.why };
        vec![goal.what, goal.wanted, goal.got, met.into(), why]
    });
    let table = Table::new(head, rows);
    Some(Part {
        title: "Goals".into(),
        words: vec!["What extram is meant to reach, and what it reached in this run.".into()],
        tables: vec![(String::new(), table)],
        pictures: Vec::new(),
    })
}

/// Why a goal is missed, where the rounds are not on both sides of it.
fn unless_noise(ratio: Figure, wanted: f64, why: &str) -> String {
    if ratio.is_noise() && ratio.least <= wanted && wanted <= ratio.most {
        format!(
            "not known: rounds from {} to {} are on both sides of it",
            table::ratio(ratio.least),
            table::ratio(ratio.most)
        )
    } else {
        why.into()
    }
}

/// The newest of the Gos that were here.
fn newest_go<'a>(figures: &Figures<'a>) -> Option<&'a str> {
    let version = |name: &str| -> Vec<u32> {
        name.trim_start_matches("go ").split('.').filter_map(|part| part.parse().ok()).collect()
    };
    let subjects = figures.subjects(live::NAME);
    subjects.into_iter().filter(|name| name.starts_with("go ")).max_by_key(|name| version(name))
}

/// The largest cold herd of the live runtimes.
fn largest_herd<'a>(figures: &Figures<'a>) -> Option<(&'a str, f64)> {
    let cases = figures.cases(live::NAME).into_iter().filter(|case| case.starts_with("herd "));
    let sized = cases.filter_map(|case| Some((case, parameter(case, "threads")?.parse().ok()?)));
    sized.max_by(|a: &(_, f64), b| a.1.total_cmp(&b.1))
}

/// The newest Go and the largest herd.
pub(super) fn go_herd<'a>(figures: &Figures<'a>) -> Option<(&'a str, &'a str)> {
    Some((newest_go(figures)?, largest_herd(figures)?.0))
}

fn herd_beside_go(figures: &Figures) -> Option<Goal> {
    let (case, threads) = largest_herd(figures)?;
    let go = newest_go(figures)?;
    let ratio = figures.ratio(live::NAME, case, "wall_us", go, "extram")?;
    Some(Goal {
        what: format!("a cold herd of {threads} C threads, all inside: {go}'s wall time to extram's"),
        wanted: "≥ 50".into(),
        got: table::figure(Some(ratio), table::ratio),
        met: ratio.median >= 50.0,
        why: if threads < 1000.0 {
            "Go's time grows faster than the herd, and this one is small".into()
        } else {
            let why = "extram's time is near the floor's, which grows where other work takes the processors";
            unless_noise(ratio, 50.0, why)
        },
    })
}

fn herd_near_floor(figures: &Figures, processors: usize) -> Option<Goal> {
    let (case, threads) = largest_herd(figures)?;
    let making = threads * COST_US / processors as f64;
    // Of the same round: the floor with the work in it is a figure of its own.
    let ratio = figures.pairs(live::NAME, case, "wall_us", "extram", "floor");
    let ratio = Figure::of(ratio.into_iter().map(|(our, floor)| our / (floor + making)))?;
    Some(Goal {
        what: format!("the same herd: extram's wall time to floor + {threads} × {COST_US} µs / {processors}"),
        wanted: "≤ 1.15".into(),
        got: table::figure(Some(ratio), table::ratio),
        met: ratio.median <= 1.15,
        why: unless_noise(
            ratio,
            1.15,
            "each thread sleeps and is woken once more than the floor's, which is not in the sum",
        ),
    })
}

/// As `live::ours` has it, which is not compiled everywhere.
const COST_US: f64 = 20.0;

fn short_herds(figures: &Figures) -> Vec<Goal> {
    let cases = figures.cases(herd::NAME).into_iter().filter(|case| case.ends_with("kind=short"));
    let goal = |case| {
        let ratio = figures.ratio(herd::NAME, case, "wall_us", "extram", "one-at-a-time")?;
        let [threads, cost] = ["threads", "cost_us"].map(|name| parameter(case, name).unwrap_or("?"));
        Some(Goal {
            what: format!("a short herd of {threads}, {cost} µs an M: extram's wall time to one-at-a-time's"),
            wanted: "≤ 1".into(),
            got: table::figure(Some(ratio), table::ratio),
            met: ratio.median <= 1.0,
            why: unless_noise(ratio, 1.0, {
                let made =
                    |who| figures.figure(herd::NAME, case, who, "ms_made").map_or(0.0, |made| made.median);
                if made("extram") > made("one-at-a-time") {
                    "extram makes some Ms that a herd of short callbacks can do without"
                } else {
                    "it makes no more Ms; each is bound to its thread, which notes an exit hook"
                }
            }),
        })
    };
    cases.filter_map(goal).collect()
}

/// extram's better binding in each cell of the grid, to the best peer.
fn grid(figures: &Figures, metric: &str, more_is_better: bool) -> Vec<(String, Figure)> {
    let subjects = figures.subjects(limit::NAME);
    let cells = figures.cases(limit::NAME).into_iter().filter_map(|case| {
        let (peer, _) = best(figures, case, &subjects, metric, more_is_better)?;
        let ours = subjects.iter().filter(|subject| is_extram(subject));
        let ratios = ours.filter_map(|our| figures.ratio(limit::NAME, case, metric, our, peer));
        let ahead = ratios.reduce(|a, b| if (a.median > b.median) == more_is_better { a } else { b })?;
        Some((case.to_string(), ahead))
    });
    cells.collect()
}

fn throughput(figures: &Figures) -> Option<Goal> {
    let cells = grid(figures, "calls_per_s", true);
    let missed: Vec<&(String, Figure)> = cells.iter().filter(|(_, ratio)| ratio.median < LEAST).collect();
    let (worst, ratio) = cells.iter().min_by(|a, b| a.1.median.total_cmp(&b.1.median))?;
    Some(Goal {
        what: "under a limit: throughput of extram's better binding to the best peer's".into(),
        wanted: "≥ 0.9 in each cell".into(),
        got: format!(
            "{} of {} cells; worst {} at {worst}",
            cells.len() - missed.len(),
            cells.len(),
            table::ratio(ratio.median)
        ),
        met: missed.is_empty(),
        why: "the table of the cells says it of each, below".into(),
    })
}

fn longest_wait(figures: &Figures) -> Option<Goal> {
    let cells = grid(figures, "longest_wait_us", false);
    let missed = cells.iter().filter(|(_, ratio)| ratio.median > MOST).count();
    let (worst, ratio) = cells.iter().max_by(|a, b| a.1.median.total_cmp(&b.1.median))?;
    Some(Goal {
        what: "under a limit: longest wait of extram's better binding to the best peer's".into(),
        wanted: "≤ 2 in each cell".into(),
        got: format!(
            "{} of {} cells; worst {} at {worst}",
            cells.len() - missed,
            cells.len(),
            table::ratio(ratio.median)
        ),
        met: missed == 0,
        why: "the table of the cells says it of each, below".into(),
    })
}

fn calls(figures: &Figures) -> Vec<Goal> {
    let goals = [("extram bound", 1.5), ("extram per call", 8.0), ("extram C face, bound", 6.0)];
    let goal = |(who, wanted): (&str, f64)| {
        let got = figures.figure(entry::NAME, entry::CALL, who, "call_ns")?;
        Some(Goal {
            what: format!("a call, {who}"),
            wanted: format!("≤ {wanted} ns"),
            got: table::figure(Some(got), nanoseconds),
            met: got.median <= wanted,
            why: "the distance that is left; on a machine that does other work it looks larger".into(),
        })
    };
    goals.into_iter().filter_map(goal).collect()
}

fn first_call(figures: &Figures) -> Option<Goal> {
    let to = "thread_local! context";
    let ratio = figures.ratio(entry::NAME, entry::FIRST, "first_call_ns", "extram bound", to)?;
    Some(Goal {
        what: "a thread's first call, extram bound to a thread_local! with a destructor".into(),
        wanted: "≤ 1".into(),
        got: table::figure(Some(ratio), table::ratio),
        met: ratio.median <= 1.0,
        why: unless_noise(
            ratio,
            1.0,
            "binding asks the system for the thread's number and notes an exit hook",
        ),
    })
}
