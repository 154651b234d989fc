//! The report as one HTML file with everything in it: pictures as inline SVG, no scripts.

use super::table::{MARK, Table};
use super::{Answer, Part};
use crate::sample::Samples;
use maud::{DOCTYPE, Markup, PreEscaped, html};

pub(super) fn page(samples: &Samples, answers: &[Answer], parts: &[Part]) -> String {
    let run = &samples.run;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "extram, measured" }
                style { (PreEscaped(include_str!("report.css"))) }
            }
            body {
                h1 { "extram, measured beside its references, live runtimes and other pools" }
                p.lead {
                    "Threads that a runtime did not create call into it. Each needs an " b { "M" }
                    ", an execution context that nobody else uses meanwhile; there are fewer than threads. "
                    "Who gets one when, and who makes the missing ones?"
                }
                div.answers { @for answer in answers { (large(answer)) } }
                p.note {
                    (run.machine) ". Processors: " (run.processors) "; load before the run: " (format!("{:.2}", run.load)) "."
                    @if run.load > run.processors as f64 / 2.0 {
                        " " b.warning { "The machine was busy before the run began: take no figure here for more than its order." }
                    }
                }
                p.note {
                    "Figures are medians over rounds, in which all had their turn; ratios are medians of the rounds' own ratios. "
                    b { (MARK) } " marks a figure that says little: fewer than three rounds, or a middle half of the rounds wider than half of the figure."
                }
                nav { @for part in parts { a href=(format!("#{}", anchor(part))) { (part.title) } } }
                @for part in parts { (section(part)) }
                @if !samples.skipped.is_empty() {
                    section {
                        h2 { "Skipped: " (samples.skipped.len()) }
                        ul { @for (what, why) in &samples.skipped { li { b { (what) } ": " (why) } } }
                    }
                }
                p.note { (run.versions.join("; ")) }
                p.note { code { (run.command) } }
            }
        }
    };
    page.into_string()
}

fn anchor(part: &Part) -> String {
    part.title.to_lowercase().replace(|letter: char| !letter.is_ascii_alphanumeric(), "-")
}

fn large(answer: &Answer) -> Markup {
    html! {
        div.answer {
            div.name { (answer.what) }
            div.big { (answer.figure) }
            div.note { (answer.note) }
        }
    }
}

fn section(part: &Part) -> Markup {
    html! {
        section id=(anchor(part)) {
            h2 { (part.title) }
            @for words in &part.words { p.note { (words) } }
            @if !part.pictures.is_empty() {
                div.pictures {
                    @for picture in &part.pictures {
                        figure { figcaption { (picture.caption) } (picture.drawing) }
                    }
                }
            }
            @for (number, (caption, table)) in part.tables.iter().enumerate() {
                // What comes first is what the section is about.
                @if number == 0 { (titled(caption, table)) }
                @else { details { summary { (caption) } (wide(table)) } }
            }
        }
    }
}

fn titled(caption: &str, table: &Table) -> Markup {
    html! {
        @if !caption.is_empty() { h3 { (caption) } }
        (wide(table))
    }
}

fn wide(table: &Table) -> Markup {
    html! {
        div.wide {
            table.goals[table.head.iter().any(|head| head == "met")] {
                thead { tr { @for cell in &table.head { th { (cell) } } } }
                tbody {
                    @for (number, row) in table.rows.iter().enumerate() {
                        tr {
                            @for (column, cell) in row.iter().enumerate() {
                                @let goal = table.goals.get(&(number, column));
                                @let ours = goal.is_none() && table.head.get(column).is_some_and(|head| head.starts_with("extram"));
                                @if column == 0 { th { (cell) } }
                                @else { td.ours[ours].met[goal == Some(&true)].missed[goal == Some(&false)].yes[cell == "yes"].no[cell == "no"].words[cell.len() > 40] { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}
