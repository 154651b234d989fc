//! Each variant in a server of its own, under the same load, and a table of what they came to.

use crate::client;
use crate::server::{Served, serve};
use crate::variant::Variant;
use clap::Parser;
use comfy_table::{Cell, CellAlignment, Table, presets};
use extram_herd::{Progress, count, median};
use serde::Serialize;
use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitCode, Stdio};

/// A web server in C (libmicrohttpd, a thread for each connection) answers each request by Lua.
///
/// Four ways of sharing Lua states among its threads, each in a process of its own: one state
/// behind a lock, a state for each thread, extram, and extram with a limit of 8 Ms. Every answer is
/// checked.
#[derive(Parser, Debug)]
#[command(name = "http", bin_name = "http")]
struct Args {
    /// How many requests
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    requests: u32,

    /// Over how many connections, all open at once
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=4096))]
    connections: u32,

    /// How often, in turn
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,

    /// Print one JSON array and nothing else
    #[arg(long)]
    json: bool,

    /// Be the server
    #[arg(long, value_name = "VARIANT", hide = true)]
    serve: Option<Variant>,
}

/// A variant's figures; the field names are the JSON keys.
#[derive(Serialize)]
struct Row {
    variant: &'static str,
    requests: u32,
    connections: u32,
    requests_per_second_median: u64,
    peak_resident_kib_median: u64,
    states_made_max: u32,
    busiest_moment_max: u32,
}

pub(crate) fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.serve {
        Some(variant) => serve(variant, args.connections),
        None => compare(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("http: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(args: &Args) -> Result<(), Box<dyn Error>> {
    let mut rounds: Vec<Vec<(f64, Served)>> = Variant::ALL.iter().map(|_| Vec::new()).collect();
    let mut progress = Progress::new(u64::from(args.rounds) * Variant::ALL.len() as u64, !args.json);
    for number in 0..args.rounds as usize {
        // Each round begins with another one, so that none always runs after the same neighbour.
        for turn in 0..Variant::ALL.len() {
            let which = (number + turn) % Variant::ALL.len();
            let variant = Variant::ALL[which];
            progress.begin(variant.name());
            let round = round(args, variant).map_err(|error| format!("{}: {error}", variant.name()))?;
            progress.end();
            rounds[which].push(round);
        }
    }
    drop(progress);
    let rows: Vec<Row> = Variant::ALL
        .iter()
        .zip(&rounds)
        .filter_map(|(variant, rounds)| row(args, *variant, rounds))
        .collect();
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&rows)?)?;
    } else {
        writeln!(
            out,
            "{} requests over {} connections, a server thread for each; rounds: {}",
            count(args.requests.into()),
            args.connections,
            args.rounds
        )?;
        writeln!(out, "{}", table(&rows))?;
    }
    Ok(())
}

fn row(args: &Args, variant: Variant, rounds: &[(f64, Served)]) -> Option<Row> {
    let peaks = rounds.iter().map(|(_, served)| served.peak_resident_kib as f64);
    Some(Row {
        variant: variant.name(),
        requests: args.requests,
        connections: args.connections,
        requests_per_second_median: median(rounds.iter().map(|(speed, _)| *speed))?.round() as u64,
        peak_resident_kib_median: median(peaks)?.round() as u64,
        states_made_max: rounds.iter().map(|(_, served)| served.states_made).max()?,
        busiest_moment_max: rounds.iter().map(|(_, served)| served.busiest_moment).max()?,
    })
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header([
        "variant",
        "requests/s",
        "peak memory",
        "states made",
        "busiest moment",
    ]);
    for row in rows {
        let figures = [
            count(row.requests_per_second_median),
            format!("{:.1} MiB", row.peak_resident_kib_median as f64 / 1024.0),
            count(row.states_made_max.into()),
            count(row.busiest_moment_max.into()),
        ];
        let figures = figures.map(|text| Cell::new(text).set_alignment(CellAlignment::Right));
        table.add_row([Cell::new(row.variant)].into_iter().chain(figures));
    }
    table
}

/// Kills and reaps the server, should it still be there.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if it has ended and been reaped already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Requests per second, and what the server says.
fn round(args: &Args, variant: Variant) -> Result<(f64, Served), Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--serve", variant.name(), "--connections", &args.connections.to_string()]);
    let mut server = Server(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    let mut said = BufReader::new(server.0.stdout.take().ok_or("the server has no output")?);
    let mut port = String::new();
    said.read_line(&mut port)?;
    let port = port.trim().parse().map_err(|_| "the server did not start")?;
    let took = client::load(port, args.connections, args.requests)?;
    // The end of its input ends it.
    drop(server.0.stdin.take());
    let mut served = String::new();
    said.read_to_string(&mut served)?;
    let status = server.0.wait()?;
    if !status.success() {
        return Err(format!("the server ended with {status}").into());
    }
    Ok((f64::from(args.requests) / took.as_secs_f64(), serde_json::from_str(&served)?))
}
