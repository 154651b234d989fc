//! The command line.

use crate::live;
use crate::section::limit::{Grid, Hold};
use crate::section::{entry, herd};
use clap::{Parser, ValueEnum};
use extram_contest::Limited;
use extram_herd::Herd;
use std::path::PathBuf;
use std::time::Duration;

/// Measures extram beside its references, beside live runtimes and beside what one would write instead,
/// and writes one report: Markdown here, and a page.
///
/// All subjects have their turn in each round; figures are medians over rounds, ratios those within a
/// round. Leave the machine alone meanwhile.
#[derive(Parser, Debug)]
#[command(name = "bench", bin_name = "cargo xtask bench")]
pub(crate) struct Args {
    /// A small run of everything, under 20 seconds: whether it works, not how fast it is
    #[arg(long)]
    pub(crate) quick: bool,

    /// Only these sections
    #[arg(long, value_name = "NAMES", value_enum, value_delimiter = ',')]
    pub(crate) only: Vec<Section>,

    /// How many times everything is measured
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: Option<u32>,

    /// Where the page goes
    #[arg(long, value_name = "FILE", default_value = "bench.html")]
    pub(crate) page: PathBuf,

    /// The raw samples of an earlier run, to compare with
    #[arg(long, value_name = "FILE")]
    pub(crate) compare: Option<PathBuf>,

    /// Measure nothing: make the report from the raw samples of an earlier run
    #[arg(long, value_name = "FILE", conflicts_with_all = ["raw", "quick", "only", "rounds"])]
    pub(crate) from: Option<PathBuf>,

    /// Print each step to standard error, also where that is no terminal
    #[arg(long)]
    pub(crate) steps: bool,

    /// Where the raw samples go, as JSON lines
    #[arg(long, value_name = "FILE", default_value = "bench.jsonl")]
    pub(crate) raw: PathBuf,

    /// Under a limit: how many threads
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) threads: Vec<u32>,

    /// Under a limit: how many contexts
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) limits: Vec<u32>,

    /// Under a limit: for how long a callback holds its context, in µs
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    pub(crate) holds_us: Vec<u64>,

    /// Under a limit: what a callback does meanwhile
    #[arg(long, value_enum, default_value = "work")]
    pub(crate) hold: Hold,

    /// Under a limit: one thread more, of real-time priority (SCHED_FIFO), that calls once a millisecond, and how long it
    /// waits for the others
    #[arg(long)]
    pub(crate) urgent: bool,

    /// Under a limit: for how long each pool runs in each round, in ms
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub(crate) window_ms: Option<u64>,

    /// Under a limit: which pools
    #[arg(long, value_name = "NAMES", value_enum, value_delimiter = ',')]
    pub(crate) pools: Vec<Limited>,
}

/// A part of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Section {
    /// Cold herds of many sizes
    Herd,
    /// What one call costs
    Entry,
    /// Fewer contexts than threads
    Limit,
    /// Live runtimes: Go, Java, Python
    Live,
}

impl Args {
    pub(crate) fn wants(&self, section: Section) -> bool {
        self.only.is_empty() || self.only.contains(&section)
    }

    /// As many rounds as asked for, or else so many.
    fn rounds(&self, usual: u32) -> u32 {
        self.rounds.unwrap_or(if self.quick { 1 } else { usual })
    }

    pub(crate) fn herds(&self) -> Vec<herd::Shape> {
        let shape = |threads, cost_us, all_inside, rounds| {
            let cost = Duration::from_micros(cost_us);
            herd::Shape { herd: Herd { threads, cost, all_inside }, rounds: self.rounds(rounds) }
        };
        if self.quick {
            return vec![shape(16, 20, true, 1), shape(64, 20, true, 1), shape(64, 20, false, 1)];
        }
        let mut shapes: Vec<_> = [16, 64, 256, 1024].map(|threads| shape(threads, 20, true, 7)).into();
        // The algorithm before 2016 takes a time here that grows with the square of the threads.
        shapes.push(shape(4096, 20, true, 3));
        shapes.extend(
            [(100, 200), (1000, 20), (1000, 0)].map(|(threads, cost)| shape(threads, cost, false, 7)),
        );
        shapes
    }

    pub(crate) fn entry(&self) -> entry::Plan {
        let rounds = self.rounds(11);
        if self.quick {
            return entry::Plan { rounds, calls: 1000, threads: 5 };
        }
        entry::Plan { rounds, calls: 200_000, threads: 100 }
    }

    pub(crate) fn live(&self) -> live::Plan {
        let rounds = self.rounds(5);
        if self.quick {
            return live::Plan {
                rounds,
                herds: vec![16],
                short: 16,
                fresh: 5,
                repeat: 1000,
                callers: vec![2],
                milliseconds: 10,
                collect: 4,
            };
        }
        live::Plan {
            rounds,
            herds: vec![100, 1000],
            short: 1000,
            fresh: 200,
            repeat: 100_000,
            callers: vec![1, 2, 4, 16],
            milliseconds: 200,
            collect: 100,
        }
    }

    pub(crate) fn limit(&self) -> Grid {
        Grid {
            threads: or(&self.threads, if self.quick { &[8] } else { &[8, 32, 200] }),
            limits: or(&self.limits, if self.quick { &[1, 2] } else { &[1, 2, 8] }),
            holds_us: or(&self.holds_us, if self.quick { &[0, 50] } else { &[0, 5, 50, 500] }),
            hold: self.hold,
            urgent: self.urgent,
            window: Duration::from_millis(self.window_ms.unwrap_or(if self.quick { 10 } else { 200 })),
            rounds: self.rounds(5),
            pools: or(&self.pools, &Limited::ALL),
        }
    }
}

/// What was asked for, or else the usual.
fn or<T: Clone>(asked: &[T], usual: &[T]) -> Vec<T> {
    if asked.is_empty() { usual.to_vec() } else { asked.to_vec() }
}
