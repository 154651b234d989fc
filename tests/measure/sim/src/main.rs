//! `simulate`: herds and calls on simulated cores, by a virtual clock.
//!
//! `cargo xtask simulate --cores 1..512 --threads 16..65536`

mod options;

use extram_sim::costs::US;
use extram_sim::spec::numbers;
use extram_sim::work::{Row, Work, cell, run};
use extram_sim::{Costs, calibrate, conform, many_cores, polls, report, validate};
use options::{Args, Command, Table};
use std::error::Error;
use std::process::ExitCode;

#[global_allocator]
static LINED: extram_sim::alloc::Lined = extram_sim::alloc::Lined;

type Done = Result<(), Box<dyn Error>>;

fn main() -> ExitCode {
    toolchain::closed_pipe::end_quietly();
    let args = <Args as clap::Parser>::parse();
    let done = match args.command {
        _ if cfg!(not(extram_sim)) => {
            Err("built without --cfg extram_sim, atomic accesses cost nothing: use `cargo xtask simulate`"
                .into())
        }
        Some(Command::Conform { seed, count }) => conformance(seed, count),
        Some(Command::Polls { cores, seed }) => commit(cores, seed),
        Some(Command::Cores { cores, time_us, seed, costs, json }) => {
            throughput(&cores, u64::from(time_us) * US, &costs, seed, json)
        }
        Some(Command::Calibrate { json }) => here(json),
        Some(Command::Validate(herd)) => beside(&herd),
        None => tables(&args.table),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("simulate: {error}");
            ExitCode::FAILURE
        }
    }
}

fn tables(args: &Table) -> Done {
    let costs = Costs::named(&args.costs)?;
    let mut rows: Vec<Row> = Vec::new();
    for &work in &args.work {
        for &cores in &args.cores.0 {
            for &threads in &args.threads.0 {
                for &algorithm in &args.algorithms {
                    if work == Work::Limit && !algorithm.has_limit() {
                        continue;
                    }
                    let mut cell = cell(work, algorithm, cores, threads);
                    (cell.make, cell.hold) = (u64::from(args.cost_us) * US, u64::from(args.hold_us) * US);
                    (cell.pause, cell.time) = (u64::from(args.pause_us) * US, u64::from(args.time_us) * US);
                    (cell.limit, cell.seed, cell.most_steps) = (args.limit, args.seed, args.most_steps);
                    eprint!(
                        "\r{} {} {cores} cores, {threads} threads          ",
                        work.name(),
                        algorithm.name()
                    );
                    rows.push(
                        run(&cell, &costs).map_err(|failure| format!("{}: {failure}", algorithm.name()))?,
                    );
                }
            }
        }
    }
    eprintln!();
    if let Some(path) = &args.plot {
        let command: Vec<String> = std::env::args().skip(1).collect();
        std::fs::write(path, report::page(&rows, &format!("cargo xtask simulate {}", command.join(" "))))?;
        eprintln!("{}", path.display());
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        print!("{}", report::table(&rows));
    }
    Ok(())
}

fn conformance(seed: u64, count: u64) -> Done {
    let (mut passed, mut failed) = (0, Vec::new());
    println!("{} scenarios under the seeds {seed} to {}", conform::SCENARIOS, seed + count - 1);
    for seed in seed..seed + count {
        match conform::verdict(seed) {
            Ok(()) => passed += u64::from(conform::SCENARIOS),
            Err(why) => {
                println!(
                    "seed {seed} FAILED; again: cargo xtask simulate conform --seed {seed} --count 1\n{why}"
                );
                failed.push(seed);
            }
        }
    }
    println!("{passed} passed, {} failed, 0 skipped", failed.len());
    if failed.is_empty() { Ok(()) } else { Err(format!("seeds {failed:?} failed").into()) }
}

fn commit(cores: u32, seed: u64) -> Done {
    println!(
        "100 threads, one callback each, cold pool, {cores} cores; measured by the commit: -74 % and -9 %"
    );
    print!("{}", polls::table(cores, seed)?);
    Ok(())
}

fn throughput(cores: &str, time: u64, costs: &str, seed: u64, json: bool) -> Done {
    let cores = numbers(cores, 1, 512, 2)?.0;
    let rows = many_cores::rows(&cores, time, &Costs::named(costs)?, seed)?;
    if json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        print!("{}", many_cores::table(&rows, &cores));
    }
    Ok(())
}

fn here(json: bool) -> Done {
    let costs = calibrate::calibrate()?;
    if json {
        println!("{}", serde_json::to_string_pretty(&costs)?);
    } else {
        print!("{}", calibrate::table(&costs));
    }
    Ok(())
}

fn beside(args: &options::Herd) -> Done {
    if args.published {
        let costs = args.costs.as_deref().map(Costs::named).transpose()?;
        let (mut good, mut all) = (0, 0);
        for validate::Published { herd, when, measured, costs: theirs } in validate::PUBLISHED {
            let (table, near, of) =
                validate::table(measured, herd, args.cores, costs.as_ref().unwrap_or(theirs))?;
            let what = if herd.short { "short" } else { "all inside" };
            println!("{} threads, {what}, making an M costs {} µs ({when})", herd.threads, herd.cost_us);
            print!("{table}");
            println!("{near} of {of} figures within {} %", validate::WITHIN);
            (good, all) = (good + near, all + of);
        }
        println!("{good} of {all} in all");
        return Ok(());
    }
    let costs = match &args.costs {
        Some(name) => Costs::named(name)?,
        None => calibrate::calibrate()?,
    };
    let text = match &args.measured {
        Some(path) => std::fs::read_to_string(path)?,
        None => measure(args)?,
    };
    if args.measured.is_none() {
        let share = calibrate::share();
        println!("this program got {share:.0} % of two processors: walls mean something from about 90");
    }
    let herd = validate::Herd { threads: args.threads, cost_us: args.cost_us, short: args.short };
    let (table, good, all) = validate::table(&text, herd, args.cores, &costs)?;
    print!("{table}");
    println!("{good} of {all} figures within {} %", validate::WITHIN);
    Ok(())
}

fn measure(args: &options::Herd) -> Result<String, Box<dyn Error>> {
    let numbers = [
        ("--threads", args.threads.to_string()),
        ("--cost-us", args.cost_us.to_string()),
        ("--rounds", args.rounds.to_string()),
    ];
    let mut command = std::process::Command::new("cargo");
    command.args(["xtask", "herd", "--json"]).env_remove("RUSTFLAGS").env_remove("CARGO_TARGET_DIR");
    command.args(numbers.iter().flat_map(|(name, value)| [*name, value]));
    command.arg(if args.short { "--short" } else { "--all-inside" });
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("cargo xtask herd: {}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
