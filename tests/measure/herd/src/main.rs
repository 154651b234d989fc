//! `herd`: N fresh threads call into a cold pool at once.
//!
//! `cargo xtask herd --threads 1000 --cost-us 20 --all-inside`

use clap::Parser;
use extram_contest::Algorithm;
use extram_herd::{Herd, Progress, Row, Subject, json, table};
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

/// Fresh threads call into a cold pool (one M) at once, for extram and for what it is compared
/// with.
///
/// Each algorithm gets the same threads, round by round in turn. A round's wall time is from the
/// release of the threads until the last one is back from its call; its context switches are
/// those of the threads' whole lives. A wait is the time between a thread's call and the first
/// line of its callback, the making of Ms included.
#[derive(Parser, Debug)]
#[command(name = "herd", bin_name = "herd")]
struct Args {
    /// How many threads, 1 to 4096
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=4096))]
    threads: u32,

    /// What making an M costs: processor time in µs
    #[arg(long, value_name = "US", default_value_t = 20, value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    cost_us: u64,

    /// Use callbacks that return at once
    #[arg(long, conflicts_with = "all_inside")]
    short: bool,

    /// Use callbacks that hold their M until all threads are inside (the default)
    #[arg(long)]
    all_inside: bool,

    /// How many times each algorithm is measured
    #[arg(long, value_name = "N", default_value_t = 11, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,

    /// Which algorithms
    #[arg(long, value_name = "NAMES", value_enum, value_delimiter = ',', default_values_t = Subject::ALL)]
    algorithms: Vec<Subject>,

    /// Print one JSON array and nothing else
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(rows) => match print(&args, &rows) {
            // Whoever read our output has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Err(error) => fail(&error),
            Ok(()) => ExitCode::SUCCESS,
        },
        Err(error) => fail(&*error),
    }
}

fn fail(error: &dyn Error) -> ExitCode {
    eprintln!("herd: {error}");
    ExitCode::FAILURE
}

fn print(args: &Args, rows: &[Row]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if args.json {
        return out.write_all(json(rows).as_bytes());
    }
    writeln!(
        out,
        "{} threads at once on a cold pool; {}; making an M costs {} µs; {} rounds",
        args.threads,
        if args.short { "callbacks return at once" } else { "all hold until all are inside" },
        args.cost_us,
        args.rounds,
    )?;
    out.write_all(table(rows, Algorithm::WaiterCounting.name()).as_bytes())
}

fn run(args: &Args) -> Result<Vec<Row>, Box<dyn Error>> {
    let mut algorithms = args.algorithms.clone();
    algorithms.sort_unstable();
    algorithms.dedup();
    let cost = Duration::from_micros(args.cost_us);
    let herd = Herd { threads: args.threads, cost, all_inside: !args.short };
    let mut rounds = vec![Vec::new(); algorithms.len()];
    let mut progress = Progress::new(u64::from(args.rounds) * algorithms.len() as u64, false);
    for number in 0..args.rounds as usize {
        // Each round begins with another one, so that none always runs after the same neighbour.
        for turn in 0..algorithms.len() {
            let which = (number + turn) % algorithms.len();
            let algorithm = algorithms[which];
            progress.begin(algorithm.name());
            rounds[which].push(herd.play(algorithm)?.round);
            progress.end();
        }
    }
    drop(progress);
    Ok(algorithms.iter().zip(&rounds).filter_map(|(a, rounds)| Row::of(a.name(), rounds)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Args, String> {
        Args::try_parse_from([&["herd"], args].concat()).map_err(|error| error.to_string())
    }

    #[test]
    fn bad_input_is_refused_and_says_what_is_allowed() {
        for (args, said) in [
            (&["--threads", "0"][..], "1..=4096"),
            (&["--threads", "4097"], "1..=4096"),
            (&["--threads", "many"], "invalid"),
            (&["--rounds", "0"], "1..=10000"),
            (&["--short", "--all-inside"], "cannot be used with"),
            (&["--algorithms", "extrem"], "extram"),
            (&["--fast"], "--fast"),
        ] {
            let error = parse(args).expect_err(said);
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_herd_comes_to_one_row_per_algorithm_in_the_tables_order() {
        let args = parse(&[
            "--threads",
            "40",
            "--cost-us",
            "5",
            "--rounds",
            "2",
            "--algorithms",
            "extram,floor,mutex,extram",
        ])
        .unwrap();
        let rows = run(&args).unwrap();
        assert_eq!(rows.iter().map(|row| row.algorithm).collect::<Vec<_>>(), ["floor", "mutex", "extram"]);
        assert_eq!(rows[0].ms_made_median, None);
        assert_eq!(rows[0].longest_wait_us_median, None);
        // All are inside at once: as many Ms as threads, and one spare.
        assert_eq!(rows[1].ms_made_median, Some(41));
        assert_eq!(rows[2].ms_made_median, Some(41));
        assert!(rows[2].max_creations_per_callback.unwrap() <= 2);
        assert!(rows[2].longest_wait_us_median.unwrap() > 0.0);
    }

    #[test]
    fn a_short_herd_needs_fewer_ms_than_threads_without_the_count() {
        let args =
            parse(&["--threads", "50", "--short", "--rounds", "5", "--algorithms", "one-at-a-time"]).unwrap();
        let rows = run(&args).unwrap();
        // All inside would be 51. How many fewer it is depends on who is interrupted inside.
        assert!(rows[0].ms_made_median.unwrap() < 50, "{rows:?}");
        assert_eq!(rows[0].max_creations_per_callback, Some(1));
    }
}
