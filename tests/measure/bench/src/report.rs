//! The report: the same parts as Markdown and as a page.

mod chart;
mod compare;
mod entry;
mod goals;
mod herd;
mod limit;
mod live;
mod markdown;
mod page;
mod table;

use crate::sample::Samples;
use crate::stats::{Figures, parameter};
use extram_herd::duration;
use maud::Markup;
use table::Table;

/// A section of the report.
pub(crate) struct Part {
    title: String,
    /// What was measured and how to read it.
    words: Vec<String>,
    /// The first one is what the section is about.
    tables: Vec<(String, Table)>,
    pictures: Vec<Picture>,
}

/// A picture, for the page.
struct Picture {
    caption: String,
    drawing: Markup,
}

/// A figure that stands large at the top.
struct Answer {
    what: String,
    figure: String,
    note: String,
}

/// What the samples come to, beside those of an earlier run if there is one.
pub(crate) fn parts(samples: &Samples, before: Option<&Samples>) -> Vec<Part> {
    let figures = Figures::of(&samples.all);
    let parts = [
        before.map(|before| compare::part(&figures, before)),
        goals::part(&figures, samples.run.processors),
        live::part(&figures),
        herd::part(&figures),
        limit::part(&figures),
        entry::part(&figures),
    ];
    parts.into_iter().flatten().collect()
}

/// The page.
pub(crate) fn page(samples: &Samples, parts: &[Part]) -> String {
    page::page(samples, &answers(&Figures::of(&samples.all)), parts)
}

fn answers(figures: &Figures) -> Vec<Answer> {
    let mut answers = Vec::new();
    let threads = |case: &str| parameter(case, "threads").unwrap_or(table::NONE).to_string();
    if let Some((go, case)) = goals::go_herd(figures)
        && let Some(wall) = figures.figure(crate::live::NAME, case, "extram", "wall_us")
        && let Some(ratio) = figures.ratio(crate::live::NAME, case, "wall_us", go, "extram")
    {
        answers.push(Answer {
            what: format!("{} C threads on a cold pool, all inside", threads(case)),
            figure: duration(wall.median),
            note: format!("{go}: {} times as long", table::figure(Some(ratio), table::ratio)),
        });
    }
    let herds = figures.cases(crate::section::herd::NAME);
    if let Some(case) = herds.iter().rev().find(|case| case.ends_with("kind=inside"))
        && let Some(ratio) = figures.ratio(crate::section::herd::NAME, case, "wall_us", "extram", "floor")
    {
        answers.push(Answer {
            what: format!("{} threads, all inside, to the same threads without a pool", threads(case)),
            figure: format!("{} ×", table::figure(Some(ratio), table::ratio)),
            note: "an M costs 20 µs of processor time to make; without a pool none is made".into(),
        });
    }
    let call = figures.figure(crate::section::entry::NAME, "call", "extram bound", "call_ns");
    if let Some(call) = call {
        answers.push(Answer {
            what: "A call on a thread that has its M".into(),
            figure: table::figure(Some(call), table::nanoseconds),
            note: "enter and leave".into(),
        });
    }
    answers
}

/// For a terminal.
pub(crate) fn markdown(samples: &Samples, parts: &[Part]) -> String {
    let run = &samples.run;
    let mut text = format!(
        "# extram bench\n\n{}; processors: {}; load before: {:.2}\n\n{}\n\n`{}`\n",
        run.machine,
        run.processors,
        run.load,
        run.versions.join("; "),
        run.command
    );
    text.push_str(&format!(
        "\nFigures are medians over rounds, in which all had their turn; ratios are medians of the rounds' \
         own ratios. `{}` marks a figure that says little: fewer than three rounds, or a middle half of the \
         rounds that is wider than {:.0} % of it.\n",
        table::MARK,
        crate::stats::NOISE * 100.0
    ));
    for part in parts {
        text.push_str(&format!("\n## {}\n", part.title));
        for words in &part.words {
            text.push_str(&format!("\n{words}\n"));
        }
        for (caption, table) in &part.tables {
            if !caption.is_empty() {
                text.push_str(&format!("\n**{caption}**\n"));
            }
            text.push_str(&format!("\n{}", markdown::table(table)));
        }
    }
    if !samples.skipped.is_empty() {
        text.push_str(&format!("\n## Skipped: {}\n\n", samples.skipped.len()));
        for (what, why) in &samples.skipped {
            text.push_str(&format!("- {what}: {why}\n"));
        }
    }
    text
}
