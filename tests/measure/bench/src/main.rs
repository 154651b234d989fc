//! `bench`: one command, one report.
//!
//! `cargo xtask bench`

mod args;
mod context;
mod live;
mod machine;
mod peer;
mod report;
mod sample;
mod section;
mod stats;
mod waits;

use args::{Args, Section};
use clap::Parser;
use extram_herd::{Destination, Progress};
use sample::Samples;
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    #[cfg(peers)]
    if words.first().is_some_and(|word| word == "--be") {
        return live::ours::be(&words[1..]);
    }
    if words.first().is_some_and(|word| word == "--entry") {
        return section::entry::be(&words[1..]);
    }
    let args = Args::parse();
    match bench(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(args: &Args) -> Result<(), String> {
    // Before the run: whoever names a file that cannot be read or written learns it at once.
    let before = args.compare.as_deref().map(Samples::read).transpose()?;
    let page = Destination::open(&args.page)?;
    let samples = match &args.from {
        Some(path) => Samples::read(path)?,
        None => {
            let raw = Destination::open(&args.raw)?;
            let samples = measure(args)?;
            raw.write(&samples.lines())?;
            samples
        }
    };
    let parts = report::parts(&samples, before.as_ref());
    let path = page.write(&report::page(&samples, &parts))?;
    let text = format!("{}\nfile://{}\n", report::markdown(&samples, &parts), path.display());
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever read our output has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.to_string()),
        _ => Ok(()),
    }
}

fn measure(args: &Args) -> Result<Samples, String> {
    let mut samples = Samples { run: machine::run(), ..Samples::default() };
    let herds = args.wants(Section::Herd).then(|| args.herds());
    let entry = args.wants(Section::Entry).then(|| args.entry());
    let limit = args.wants(Section::Limit).then(|| args.limit());
    let live = args.wants(Section::Live).then(|| args.live());
    let turns = herds.iter().flatten().map(section::herd::Shape::turns).sum::<u64>()
        + entry.map_or(0, |plan| plan.turns())
        + limit.as_ref().map_or(0, |grid| grid.turns())
        + live.as_ref().map_or(0, live::Plan::turns);
    let mut progress = Progress::new(turns, args.steps);
    let mut begun = false;
    let mut step = |what: &str| {
        if begun {
            progress.end();
        }
        begun = true;
        progress.begin(what);
    };
    // The live runtimes first: what is compared with others should meet the machine as it is found.
    if let Some(plan) = live {
        live::run(&plan, &mut samples, &mut step)?;
    }
    if let Some(shapes) = herds {
        section::herd::run(&shapes, &mut samples, &mut step)?;
    }
    if let Some(plan) = entry {
        section::entry::run(&plan, &mut samples, &mut step)?;
    }
    if let Some(grid) = limit {
        grid.run(&mut samples, &mut step)?;
    }
    Ok(samples)
}
