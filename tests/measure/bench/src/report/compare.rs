//! This run beside an earlier one.

use super::Part;
use super::table::{self, Table};
use crate::sample::Samples;
use crate::stats::{Figure, Figures};

/// What tells most of each section.
const METRICS: [&str; 5] = ["wall_us", "calls_per_s", "longest_wait_us", "call_ns", "first_call_ns"];

/// What is extram's in both runs; the rest is there for comparison within a run.
pub(super) fn part(figures: &Figures, before: &Samples) -> Part {
    let then = Figures::of(&before.all);
    let head = ["section", "case", "who", "what", "before", "now", "now / before", "apart"];
    let mut rows = Vec::new();
    for section in [crate::live::NAME, "herd", "limit", "entry"] {
        for case in figures.cases(section) {
            for subject in figures.subjects(section).into_iter().filter(|name| name.starts_with("extram")) {
                for metric in METRICS {
                    let now = figures.figure(section, case, subject, metric);
                    let (Some(now), Some(then)) = (now, then.figure(section, case, subject, metric)) else {
                        continue;
                    };
                    let cells = [section, case, subject, metric].map(String::from);
                    rows.push([&cells[..], &figures_of(then, now)[..]].concat());
                }
            }
        }
    }
    let words = [
        format!(
            "Before: {}; processors: {}; load: {:.2}.",
            before.run.machine, before.run.processors, before.run.load
        ),
        "Two runs meet two machines, even if it is the same one: a figure counts as apart where all rounds \
         of one run are beyond all rounds of the other."
            .into(),
    ];
    Part {
        title: "Beside an earlier run".into(),
        words: words.to_vec(),
        tables: vec![(String::new(), Table::new(head.map(String::from).to_vec(), rows))],
        pictures: Vec::new(),
    }
}

fn figures_of(then: Figure, now: Figure) -> [String; 4] {
    let ratio = if then.median == 0.0 { table::NONE.into() } else { table::ratio(now.median / then.median) };
    let apart = now.least > then.most || now.most < then.least;
    let plain = |value: f64| format!("{value:.1}");
    [
        table::figure(Some(then), plain),
        table::figure(Some(now), plain),
        ratio,
        if apart { "yes" } else { "" }.into(),
    ]
}
