//! The soak's program; `cargo xtask soak` builds and runs it.

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use extram_soak::act::{PROGRESS, perform, prepare};
use extram_soak::figures::Figures;
use extram_soak::fresh::fresh_threads;
use extram_soak::plan::{Act, digest};
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

/// Mixes everything that can be done to a pool, at random, and checks that everything adds up.
#[derive(Parser)]
#[command(name = "soak")]
struct Args {
    /// How long it runs, unless --entries or --acts is given.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The plan's seed. Without it another one each time; it is printed.
    #[arg(long)]
    seed: Option<u64>,
    /// Run until there have been this many entries.
    #[arg(long)]
    entries: Option<u64>,
    /// Run this many acts.
    #[arg(long)]
    acts: Option<u64>,
    /// Begin with this many threads that enter once and exit.
    #[arg(long, default_value_t = 0)]
    fresh_threads: u64,
    /// Also what happens at the edges: starts and closes by several threads, forks, leaked guards,
    /// runtimes that call in, fixed priorities.
    #[arg(long)]
    edges: bool,
    /// The act to begin with, to look at one of them alone.
    #[arg(long, default_value_t = 0)]
    from: u64,
}

/// How long nothing may move before the soak is taken for stuck.
const PATIENCE: Duration = Duration::from_secs(120);

/// Ends the process if nothing moves any more.
fn watch(seed: u64) {
    std::thread::spawn(move || {
        let mut last = (PROGRESS.load(SeqCst), Instant::now());
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let now = PROGRESS.load(SeqCst);
            if now != last.0 {
                last = (now, Instant::now());
            } else if last.1.elapsed() > PATIENCE {
                eprintln!("soak: STUCK for {} s; seed {seed}", PATIENCE.as_secs());
                std::process::abort();
            }
        }
    });
}

fn main() -> Result<()> {
    toolchain::closed_pipe::end_quietly();
    let args = Args::parse();
    let seed = match args.seed {
        Some(seed) => seed,
        None => std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .context("the clock stands before 1970")?
            .as_nanos() as u64,
    };
    println!("seed {seed}");
    prepare();
    watch(seed);
    let begin = Instant::now();
    let mut figures = Figures::default();
    if args.fresh_threads > 0 {
        figures += fresh_threads(args.fresh_threads).map_err(anyhow::Error::msg)?;
    }
    let mut next = args.from;
    let mut told = Instant::now();
    loop {
        let over = match (args.acts, args.entries) {
            (Some(acts), _) => next - args.from >= acts,
            (None, Some(entries)) => figures.entries >= entries,
            (None, None) => begin.elapsed() >= Duration::from_secs(args.seconds),
        };
        if over {
            break;
        }
        let act = Act::new(seed, next, args.edges);
        match perform(&act) {
            Ok(more) => figures += more,
            Err(what) => bail!("act {next} of seed {seed}: {what}"),
        }
        if figures.double_issues > 0 {
            bail!("act {next} of seed {seed}: an M in two hands\n{figures}");
        }
        next += 1;
        if told.elapsed() > Duration::from_secs(10) {
            told = Instant::now();
            println!("{:>5} s, {next} acts, {} entries", begin.elapsed().as_secs(), figures.entries);
        }
    }
    if figures.entries == 0 {
        bail!("nobody entered");
    }
    print!("{figures}");
    println!("{:>14.1}  seconds", begin.elapsed().as_secs_f64());
    // Of a soak that runs by the clock, the plan is as long as the machine was fast.
    println!("seed {seed}, plan {:016x} of {} acts", digest(seed, next, args.edges), next);
    Ok(())
}
