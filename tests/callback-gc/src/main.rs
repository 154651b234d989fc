//! `callback-gc`: Go's CgoCallbackGC with a real runtime. N runtime threads each start a fresh C
//! thread, which calls back into Lua and collects garbage.
//!
//! `cargo xtask callback-gc`

mod callback;
mod contestant;
mod interpreter;
mod lane;
mod round;
mod world;

use clap::Parser;
use contestant::Algorithm;
use extram_herd::{Progress, Row, json, table};
use round::{Plan, Played, play};
use std::fmt::Display;
use std::io::{self, Write};
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

    /// Callbacks that return when they have collected, as in Go's program (the default)
    #[arg(long, conflicts_with = "all_inside")]
    short: bool,

    /// Callbacks that then keep their M until all threads are inside
    #[arg(long)]
    all_inside: bool,

    /// How often
    #[arg(long, value_name = "N", default_value_t = 11, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,

    /// Print one JSON array and nothing else
    #[arg(long)]
    json: bool,
}

/// Of the C threads, as in Go's program.
const STACK: usize = 256 << 10;

fn main() -> ExitCode {
    let args = Args::parse();
    let done = run(&args).map_err(fail).and_then(|rows| match print(&args, &rows) {
        // Whoever read our output has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(fail(error)),
        _ => Ok(()),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(code) => code,
    }
}

fn fail(error: impl Display) -> ExitCode {
    eprintln!("callback-gc: {error}");
    ExitCode::FAILURE
}

fn print(args: &Args, rows: &[Row]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if args.json {
        return out.write_all(json(rows).as_bytes());
    }
    writeln!(
        out,
        "{} fresh C threads call into a cold runtime of Lua states at once; {}; making an M costs {}; {} rounds",
        args.threads,
        if args.all_inside { "each keeps its M until all are inside" } else { "callbacks return when done" },
        if args.cost_us == 0 {
            "a Lua state".to_owned()
        } else {
            format!("a Lua state and {} µs", args.cost_us)
        },
        args.rounds,
    )?;
    out.write_all(table(rows, Algorithm::OneAtATime.name()).as_bytes())
}

fn run(args: &Args) -> Result<Vec<Row>, String> {
    let plan = Plan {
        threads: args.threads,
        cost: Duration::from_micros(args.cost_us),
        all_inside: args.all_inside,
        stack: STACK,
    };
    let mut played: Vec<Vec<Played>> = Algorithm::ALL.iter().map(|_| Vec::new()).collect();
    let mut progress = Progress::new(u64::from(args.rounds) * Algorithm::ALL.len() as u64, !args.json);
    for number in 0..args.rounds as usize {
        // Each round begins with another one, so that none always runs after the same neighbour.
        for turn in 0..Algorithm::ALL.len() {
            let which = (number + turn) % Algorithm::ALL.len();
            let algorithm = Algorithm::ALL[which];
            progress.begin(algorithm.name());
            played[which].push(play(plan, algorithm)?);
            progress.end();
        }
    }
    drop(progress);
    let rows = Algorithm::ALL.iter().zip(&played).filter_map(|(algorithm, rounds)| {
        let figures: Vec<_> = rounds.iter().map(|played| played.figures.clone()).collect();
        Row::of(algorithm.name(), &figures)
    });
    Ok(rows.collect())
}
