//! The command line.

use clap::{Parser, Subcommand};
use extram_sim::pools::Algorithm;
use extram_sim::spec::{Numbers, numbers};
use extram_sim::work::Work;
use std::path::PathBuf;

fn cores(text: &str) -> Result<Numbers, String> {
    numbers(text, 1, 512, 2)
}

fn threads(text: &str) -> Result<Numbers, String> {
    numbers(text, 1, 65_536, 4)
}

/// Simulated threads call into a pool, on simulated cores, by a virtual clock.
///
/// The same options give the same output to the byte, on any machine with the same program. Without a command: a table of
/// wall time, context switches, Ms, longest wait and throughput.
#[derive(Parser, Debug)]
#[command(
    name = "cargo xtask simulate",
    bin_name = "cargo xtask simulate",
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) table: Table,
}

#[derive(clap::Args, Debug)]
pub(crate) struct Table {
    /// Cores, 1 to 512: a number, a list, or a range, which doubles at each step
    #[arg(long, value_parser = cores, default_value = "2")]
    pub(crate) cores: Numbers,

    /// Threads, 1 to 65536: a number, a list, or a range, which quadruples at each step
    #[arg(long, value_parser = threads, default_value = "1000")]
    pub(crate) threads: Numbers,

    /// Which algorithms
    #[arg(long = "algorithm", value_enum, value_delimiter = ',', default_values_t = Algorithm::USUAL)]
    pub(crate) algorithms: Vec<Algorithm>,

    /// What the threads do
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Work::AllInside])]
    pub(crate) work: Vec<Work>,

    /// What making an M costs: processor time in µs
    #[arg(long, value_name = "US", default_value_t = 20)]
    pub(crate) cost_us: u32,

    /// How long a callback computes, in µs
    #[arg(long, value_name = "US", default_value_t = 0)]
    pub(crate) hold_us: u32,

    /// How long a thread computes between two calls, in µs
    #[arg(long, value_name = "US", default_value_t = 0)]
    pub(crate) pause_us: u32,

    /// For how long repeated calls are counted, in µs
    #[arg(long, value_name = "US", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) time_us: u32,

    /// The limit of `--work limit`
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,

    /// The seed: which run of many
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,

    /// linux, neighbour (Linux beside others), freebsd, server, or a file that `calibrate --json` wrote
    #[arg(long, default_value = "linux")]
    pub(crate) costs: String,

    /// A row that takes more steps than this is cut off, and says so
    #[arg(long, value_name = "N", default_value_t = 100_000_000)]
    pub(crate) most_steps: u64,

    /// Print one JSON array and nothing else
    #[arg(long)]
    pub(crate) json: bool,

    /// Write plots to this page
    #[arg(long, value_name = "FILE.html")]
    pub(crate) plot: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run the conformance scenarios, in another schedule for each seed
    Conform {
        /// The first seed
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
        count: u64,
    },
    /// Repeat Go commit 50048a4e: sleeps of 1 ms against 50 µs
    Polls {
        /// Cores
        #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=512))]
        cores: u32,
        /// The first of nine seeds
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Unbound calls on many cores: the core, and models with spare Ms near the cores
    Cores {
        /// Cores
        #[arg(long, default_value = "1..512")]
        cores: String,
        /// For how long calls are counted, in µs
        #[arg(long, value_name = "US", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        time_us: u32,
        /// The seed
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// As without a command
        #[arg(long, default_value = "server")]
        costs: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Measure the costs on this machine
    Calibrate {
        /// Print them as a file for `--costs`
        #[arg(long)]
        json: bool,
    },
    /// Print the prediction beside a measured herd on this machine
    Validate(Herd),
}

#[derive(clap::Args, Debug)]
pub(crate) struct Herd {
    /// Threads
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) threads: u32,
    /// What making an M costs, in µs
    #[arg(long, default_value_t = 20)]
    pub(crate) cost_us: u32,
    /// Callbacks that return at once
    #[arg(long)]
    pub(crate) short: bool,
    /// Rounds of the measurement
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Cores of this machine
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=512))]
    pub(crate) cores: u32,
    /// Instead of what is measured now
    #[arg(long)]
    pub(crate) costs: Option<String>,
    /// Beside what was measured on two idle cores and published, by the costs `linux` or those of --costs
    #[arg(long, conflicts_with_all = ["threads", "cost_us", "short", "rounds", "measured"])]
    pub(crate) published: bool,
    /// A measurement from before: what `cargo xtask herd --json` printed
    #[arg(long, value_name = "FILE")]
    pub(crate) measured: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_input_is_refused_and_says_what_is_allowed() {
        for (line, said) in [
            (&["--cores", "0"][..], "1..=512"),
            (&["--cores", "1..1024"], "1..=512"),
            (&["--threads", "65537"], "1..=65536"),
            (&["--algorithm", "extrem"], "extram"),
            (&["--work", "none"], "all-inside"),
            (&["--time-us", "0"], "1.."),
            (&["conform", "--count", "0"], "1.."),
            (&["--fast"], "--fast"),
        ] {
            let args = [&["simulate"], line].concat();
            let error = Args::try_parse_from(args).expect_err(said).to_string();
            assert!(error.contains(said), "{error}");
        }
        let args = Args::try_parse_from(["simulate", "--cores", "1..512", "--threads", "16..65536"]).unwrap();
        assert_eq!(args.table.cores.0.len(), 10);
        assert_eq!(args.table.threads.0, [16, 64, 256, 1024, 4096, 16_384, 65_536]);
    }
}
