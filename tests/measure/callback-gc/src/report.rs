//! The report: one HTML file with everything in it, pictures as inline SVG, no scripts; and its
//! first picture alone.

mod figure;
mod lanes;
mod scale;
mod waits;

use crate::round::{Drawn, Plan};
use extram_contest::Algorithm;
use extram_herd::{Row, count, duration};
use lanes::Scale;
use maud::{DOCTYPE, Markup, PreEscaped, html};

pub(crate) use figure::figure;

/// What an algorithm's rounds came to.
pub(crate) struct Result {
    pub(crate) algorithm: Algorithm,
    pub(crate) row: Row,
    /// The round in the picture.
    pub(crate) drawn: Drawn,
    /// Every thread's wait in every round, in µs.
    pub(crate) waits: Vec<f64>,
}

/// The whole page.
pub(crate) fn page(plan: Plan, rounds: u32, results: &[Result]) -> String {
    let longest = longest(results);
    let threads = count(plan.threads.into());
    let ending = if plan.all_inside { " Each then keeps its M until all threads are inside." } else { "" };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (threads) " C threads call into Lua at once" }
                style { (PreEscaped(include_str!("report/report.css"))) }
            }
            body {
                h1 { (threads) " C threads call into Lua at once. How long until the last one is done?" }
                p.lead {
                    "To run Lua code, a thread needs an " b { "M" } ": a Lua interpreter that nobody else is using. "
                    "There is only one at first. A thread that finds none waits until one is returned or made. "
                    "In its turn each thread fills a table and then collects garbage; while it collects, nobody else may run."
                    (ending)
                }
                div.answers { @for result in results { (answer(result, &results[0])) } }
                h2 { "What every thread did, on the same time scale" }
                p.note {
                    "Each line is one of the " (threads) " threads; whoever was served first is at the top. "
                    "Less orange is better. Point at a line for its figures."
                }
                (lanes::legend(plan.all_inside))
                div.columns { @for result in results { (lanes::panel(result, Scale::Common(longest))) } }
                h2 { "The same, each stretched to its own length" }
                p.note { "The time scales differ here: see the numbers below each picture." }
                div.columns { @for result in results { (lanes::panel(result, Scale::Own)) } }
                h2 { "How long the threads waited for their turn" }
                p.note {
                    "All " (count(u64::from(rounds) * u64::from(plan.threads))) " calls of all rounds. "
                    "The higher a bar, the more calls waited that long. "
                    "Each step of the scale is ten times the one before: further left is much better."
                }
                (waits::picture(results))
                h2 { "In numbers" }
                (figures(results))
                p.note {
                    "Rounds: " (rounds) ", the algorithms in turn; these are their medians. "
                    "Wall time: from the release of the threads until the last C thread has been joined. "
                    "A wait: from a thread's call until its own code runs, including the Ms it has to make first. "
                    "The pictures show the round of each algorithm whose wall time is the middle one. "
                    "Making an M costs a Lua state"
                    @if !plan.cost.is_zero() { " and " (duration(plan.cost.as_secs_f64() * 1e6)) " of processor time" }
                    ". " (machine())
                }
                p.note {
                    b { "one-at-a-time" } ": Go's runtime until July 2016. Whoever takes the last M makes one; the others sleep and look again. "
                    b { "waiter-counting" } ": Go since then. Waiting threads are counted, and the first one through makes an M for each. "
                    b { "mutex" } ": what one would write: a list behind a lock, and a condition variable for those who find it empty. "
                    b { "extram" } ": this project. Ms are handed to waiting threads, and each thread that was served makes at most two."
                }
                p.note {
                    code {
                        "cargo xtask callback-gc --threads " (plan.threads) " --rounds " (rounds)
                        " --cost-us " (plan.cost.as_micros())
                        @if plan.all_inside { " --all-inside" } @else { " --short" }
                    }
                }
            }
        }
    };
    page.into_string()
}

/// The longest of the rounds in the picture, in µs: the common time scale.
fn longest(results: &[Result]) -> f64 {
    results.iter().map(|result| result.drawn.span()).fold(0.0, f64::max)
}

/// An algorithm's time, large.
fn answer(result: &Result, reference: &Result) -> Markup {
    let wall = result.row.wall_us_median;
    let ratio = reference.row.wall_us_median / wall;
    html! {
        div.answer {
            div.name { (result.algorithm.name()) }
            div.big { (duration(wall)) }
            div.note {
                @if std::ptr::eq(result, reference) { "the reference" }
                @else if ratio >= 1.05 { (times(ratio)) " times as fast" }
                @else if ratio <= 0.95 { (times(1.0 / ratio)) " times as slow" }
                @else { "as fast" }
                "; " (count(result.row.ms_made_median.unwrap_or(0))) " Ms made"
            }
        }
    }
}

fn times(ratio: f64) -> String {
    if ratio < 10.0 { format!("{ratio:.1}") } else { format!("{ratio:.0}") }
}

fn figures(results: &[Result]) -> Markup {
    let some_count = |value: Option<u64>| value.map_or_else(|| "-".into(), count);
    let some_duration = |value: Option<f64>| value.map_or_else(|| "-".into(), duration);
    let reference = results[0].row.wall_us_median;
    html! {
        div.wide {
            table {
                thead {
                    tr {
                        th { "algorithm" }
                        th { "wall time" }
                        th { "shortest" }
                        th { "× " (results[0].algorithm.name()) }
                        th { "context switches" }
                        th { "Ms made" }
                        th { "most made by one call" }
                        th { "longest wait" }
                    }
                }
                tbody {
                    @for Result { row, .. } in results {
                        tr {
                            th { (row.algorithm) }
                            td { (duration(row.wall_us_median)) }
                            td { (duration(row.wall_us_min)) }
                            td { (format!("{:.2}", row.wall_us_median / reference)) }
                            td { (row.context_switches_median.map_or_else(|| "not known here".into(), count)) }
                            td { (some_count(row.ms_made_median)) }
                            td { (some_count(row.max_creations_per_callback)) }
                            td { (some_duration(row.longest_wait_us_median)) }
                        }
                    }
                }
            }
        }
    }
}

fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(1, |processors| processors.get());
    let s = if processors == 1 { "" } else { "s" };
    format!("{}, {}, {processors} processor{s}.", std::env::consts::OS, std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::round::play;
    use std::time::Duration;

    fn results(plan: Plan) -> Vec<Result> {
        let results = Algorithm::ALL.into_iter().map(|algorithm| {
            let played = play(plan, algorithm).unwrap();
            Result {
                algorithm,
                row: Row::of(algorithm.name(), &[played.figures]).unwrap(),
                waits: played.drawn.waits().collect(),
                drawn: played.drawn,
            }
        });
        results.collect()
    }

    const PLAN: Plan = Plan { threads: 12, cost: Duration::ZERO, all_inside: true, stack: 256 << 10 };

    #[test]
    fn the_page_has_a_lane_for_every_thread_of_every_algorithm() {
        let results = results(PLAN);
        let page = page(PLAN, 1, &results);
        for algorithm in Algorithm::ALL {
            for thread in 0..12 {
                let lane = format!("data-lane=\"{} {thread}\"", algorithm.name());
                assert_eq!(page.matches(&lane).count(), 1, "{lane}");
            }
        }
        assert_eq!(page.matches("data-lane=").count(), 48);
    }

    #[test]
    fn the_page_needs_nothing_but_itself() {
        let page = page(PLAN, 1, &results(PLAN));
        for foreign in ["http:", "https:", "<script", "<link", "<img", "url(", "@import", "src="] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
    }

    #[test]
    fn the_figure_is_a_file_of_its_own_with_every_lane() {
        let figure = figure(PLAN, &results(PLAN));
        assert!(figure.starts_with("<svg xmlns=") && figure.ends_with("</svg>"));
        assert_eq!(figure.matches("data-lane=").count(), 48);
        // Well-formed, as a file that a browser reads as XML has to be.
        assert_eq!(figure.matches("<g").count(), figure.matches("</g>").count());
        assert!(!figure.contains('&'), "{figure}");
    }

    #[test]
    fn the_page_has_the_figures_of_the_table() {
        let results = results(PLAN);
        let page = page(PLAN, 1, &results);
        for result in &results {
            let row = format!(
                "<tr><th>{}</th><td>{}</td>",
                result.algorithm.name(),
                duration(result.row.wall_us_median)
            );
            assert!(page.contains(&row), "{row}");
        }
    }
}
