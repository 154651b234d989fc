//! `callback-gc`: Go's CgoCallbackGC with a real runtime. N runtime threads each start a fresh C
//! thread, which calls back into Lua and collects garbage.
//!
//! `cargo xtask callback-gc`

mod callback;
mod interpreter;
mod lane;
mod report;
mod round;
mod world;

use clap::Parser;
use extram_contest::Algorithm;
use extram_herd::{Destination, Progress, Round, Row, json, table};
use round::{Drawn, Plan, Played, play};
use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Runtime threads each start a fresh C thread with a 256 KiB stack, which calls back into a
/// runtime of Lua states: the callback fills a table, then stops the world for a full collection.
///
/// Each algorithm starts cold (one M) and gets the same threads, round by round in turn. A round's
/// wall time is from the release of the runtime threads until the last C thread has been joined;
/// its context switches are those of the threads' whole lives. A wait is the time between a C
/// thread's call and the first line of its callback, the making of Ms included.
#[derive(Parser, Debug)]
#[command(name = "callback-gc", bin_name = "callback-gc")]
struct Args {
    /// How many runtime threads, each with a C thread
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    threads: u32,

    /// What making an M costs on top of making a Lua state: processor time in µs
    #[arg(long, value_name = "US", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    cost_us: u64,

    /// Use callbacks that return when they have collected, as in Go's program (the default)
    #[arg(long, conflicts_with = "all_inside")]
    short: bool,

    /// Use callbacks that then keep their M until all threads are inside
    #[arg(long)]
    all_inside: bool,

    /// How many times each algorithm is measured
    #[arg(long, value_name = "N", default_value_t = 11, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,

    /// Where the picture goes: one HTML file
    #[arg(long, value_name = "PATH", default_value = "callback-gc.html")]
    report: PathBuf,

    /// The lanes alone, as an SVG file
    #[arg(long, value_name = "PATH")]
    figure: Option<PathBuf>,

    /// Print one JSON array and nothing else
    #[arg(long)]
    json: bool,
}

/// Of the C threads, as in Go's program.
const STACK: usize = 256 << 10;

/// Rounds whose lanes are kept until it is known which one is the middle one.
const CANDIDATES: u32 = 25;

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok((rows, report)) => match print(&args, &rows, &report) {
            // Whoever read our output has seen enough.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => fail(error),
            _ => ExitCode::SUCCESS,
        },
        Err(error) => fail(error),
    }
}

fn fail(error: impl Display) -> ExitCode {
    eprintln!("callback-gc: {error}");
    ExitCode::FAILURE
}

fn print(args: &Args, rows: &[Row], report: &Path) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if args.json {
        return out.write_all(json(rows).as_bytes());
    }
    writeln!(
        out,
        "{} fresh C threads call into a cold runtime of Lua states at once; {}; making an M costs {}; rounds: {}",
        args.threads,
        if args.all_inside { "each keeps its M until all are inside" } else { "callbacks return when done" },
        if args.cost_us == 0 {
            "a Lua state".to_owned()
        } else {
            format!("a Lua state and {} µs", args.cost_us)
        },
        args.rounds,
    )?;
    out.write_all(table(rows, Algorithm::OneAtATime.name()).as_bytes())?;
    let kept = std::env::var_os(KEPT).map(PathBuf::from);
    writeln!(out, "picture: {}", where_it_is(&args.report, report, kept.as_deref()))
}

/// Set where this runs on another machine than that of whoever reads the output, as in a guest: the folder
/// on that one into which files come back from the working directory, or nothing if none do.
const KEPT: &str = "EXTRAM_FILES_KEPT_IN";

/// Where the report will be found: what was `asked` for and has become `written` here.
fn where_it_is(asked: &Path, written: &Path, kept: Option<&Path>) -> String {
    let below = asked.components().all(|part| matches!(part, Component::Normal(_)));
    match kept {
        None => link(written),
        Some(folder) if below && !folder.as_os_str().is_empty() => link(&folder.join(asked)),
        Some(_) => format!(
            "{} on the machine that it ran on, which keeps nothing; with cargo xtask run --files DIR it comes \
             back, if it is below the working directory",
            written.display()
        ),
    }
}

/// For a browser. A path of Windows begins with a letter, not with a slash.
fn link(path: &Path) -> String {
    let path = path.display().to_string();
    if cfg!(windows) { format!("file:///{}", path.replace('\\', "/")) } else { format!("file://{path}") }
}

/// The rows, and where the report is.
fn run(args: &Args) -> Result<(Vec<Row>, PathBuf), String> {
    let destination = Destination::open(&args.report)?;
    let figure = args.figure.as_deref().map(Destination::open).transpose()?;
    let plan = Plan {
        threads: args.threads,
        cost: Duration::from_micros(args.cost_us),
        all_inside: args.all_inside,
        stack: STACK,
    };
    let results = measure(plan, args.rounds, !args.json)?;
    if let Some(figure) = figure {
        figure.write(&report::figure(plan, &results))?;
    }
    let report = destination.write(&report::page(plan, args.rounds, &results))?;
    Ok((results.into_iter().map(|result| result.row).collect(), report))
}

fn measure(plan: Plan, rounds: u32, lines: bool) -> Result<Vec<report::Result>, String> {
    let mut series: Vec<Series> = Algorithm::ALL.iter().map(|_| Series::default()).collect();
    let mut progress = Progress::new(u64::from(rounds) * Algorithm::ALL.len() as u64, lines);
    for number in 0..rounds {
        // Each round begins with another one, so that none always runs after the same neighbour.
        for turn in 0..Algorithm::ALL.len() {
            let which = (number as usize + turn) % Algorithm::ALL.len();
            let algorithm = Algorithm::ALL[which];
            progress.begin(algorithm.name());
            let played = play(plan, algorithm)?;
            progress.end();
            series[which].add(played, number < CANDIDATES);
        }
    }
    drop(progress);
    let results = Algorithm::ALL.into_iter().zip(series);
    Ok(results.filter_map(|(algorithm, series)| series.result(algorithm)).collect())
}

/// An algorithm's rounds.
#[derive(Default)]
struct Series {
    figures: Vec<Round>,
    waits: Vec<f64>,
    candidates: Vec<Drawn>,
}

impl Series {
    fn add(&mut self, played: Played, candidate: bool) {
        self.figures.push(played.figures);
        self.waits.extend(played.drawn.waits());
        if candidate {
            self.candidates.push(played.drawn);
        }
    }

    /// `None` without a round.
    fn result(self, algorithm: Algorithm) -> Option<report::Result> {
        let row = Row::of(algorithm.name(), &self.figures)?;
        let off = |drawn: &Drawn| (drawn.span() - row.wall_us_median).abs();
        let drawn = self.candidates.into_iter().min_by(|a, b| off(a).total_cmp(&off(b)))?;
        Some(report::Result { algorithm, row, drawn, waits: self.waits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(windows)]
    #[test]
    fn a_link_to_a_drive_has_slashes_only() {
        let told = where_it_is(Path::new("report.html"), Path::new(r"C:\there\report.html"), None);
        assert_eq!(told, "file:///C:/there/report.html");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_leads_to_where_the_report_will_be() {
        let told = |asked: &str, kept: Option<&str>| {
            where_it_is(Path::new(asked), Path::new("/there/report.html"), kept.map(Path::new))
        };
        assert_eq!(told("report.html", None), "file:///there/report.html");
        assert_eq!(told("report.html", Some("/home/me/out")), "file:///home/me/out/report.html");
        for (asked, kept) in [("report.html", ""), ("/there/report.html", "/out"), ("../report.html", "/out")]
        {
            let told = told(asked, Some(kept));
            assert!(!told.contains("file://") && told.contains("--files"), "{told}");
        }
    }
}
