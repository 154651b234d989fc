//! The runtime's side: Lua states that OpenMP's threads borrow.

use crate::picture;
use clap::Parser;
use extram::{Native, Pool};
use extram_core::Runtime;
use extram_herd::Meeting;
use mlua::{Function, Lua};
use serde::Serialize;
use std::collections::BTreeSet;
use std::error::Error;
use std::ffi::c_int;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// OpenMP regions in C, whose threads call back into Lua.
///
/// First every thread of a region holds an M until all do. Then the rows of a picture are shared
/// among the threads of further regions: OpenMP keeps its threads, and they keep their Ms, so no
/// more are made. The number before each row is that of the M that drew it. Every row is checked.
#[derive(Parser, Debug)]
#[command(name = "openmp", bin_name = "openmp")]
struct Args {
    /// The threads of a region
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: u32,

    /// How many regions draw the picture, one after the other
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    regions: u32,

    /// The picture's width in characters
    #[arg(long, value_name = "N", default_value_t = 76, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    width: u32,

    /// Its height in rows
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    height: u32,

    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// What it came to; the field names are the JSON keys.
#[derive(Serialize)]
struct Outcome {
    threads: u32,
    regions: u32,
    rows: u32,
    ms_made: u32,
    ms_that_drew: u32,
}

/// The runtime: an M carries a Lua state.
struct Painters;

struct Painter {
    // The function refers to it, but does not keep it.
    _lua: Lua,
    row: Function,
}

impl Runtime for Painters {
    type Context = Painter;
    type Error = mlua::Error;

    fn new_context(&self) -> Result<Painter, mlua::Error> {
        let lua = Lua::new();
        let row = lua.load(picture::ROW).set_name("row").into_function()?;
        Ok(Painter { _lua: lua, row })
    }
}

static POOL: Pool<Painters, Native> = Pool::new(Painters);
static ALL_IN: Meeting = Meeting::new();
static CANVAS: OnceLock<Canvas> = OnceLock::new();

struct Canvas {
    width: u32,
    height: u32,
    /// For each region and row, the M's number and what it drew.
    rows: Vec<OnceLock<(u32, String)>>,
    /// Which region draws; they come one after the other.
    region: AtomicU32,
}

unsafe extern "C" {
    // In `regions.c`.
    safe fn region_of_all(threads: u32) -> u32;
    safe fn region_of_rows(threads: u32, rows: u32) -> c_int;
}

/// Exported: a thread of a region of `threads` holds an M until all of them do.
#[unsafe(no_mangle)]
extern "C" fn openmp_arrive(threads: u32) -> c_int {
    match POOL.callback(|_| ALL_IN.meet(threads)) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("openmp: {error}");
            // The others need not wait.
            ALL_IN.call_off();
            1
        }
    }
}

/// Exported: a thread of a region draws a row.
#[unsafe(no_mangle)]
extern "C" fn openmp_draw(row: u32) -> c_int {
    let Some(canvas) = CANVAS.get() else { return 1 };
    let drawn = POOL.callback(|m| {
        let text = m.context().row.call::<String>((row, canvas.width, canvas.height));
        text.map(|text| (m.id(), text))
    });
    match drawn.map_err(|error| error.to_string()).and_then(|drawn| drawn.map_err(|e| e.to_string())) {
        Ok(drawn) => c_int::from(canvas.place(row).set(drawn).is_err()),
        Err(error) => {
            eprintln!("openmp: {error}");
            1
        }
    }
}

impl Canvas {
    fn place(&self, row: u32) -> &OnceLock<(u32, String)> {
        // Relaxed: it changes between regions, whose beginning and end order it.
        let region = self.region.load(Ordering::Relaxed);
        &self.rows[(region * self.height + row) as usize]
    }
}

pub(crate) fn main() -> ExitCode {
    let args = Args::parse();
    match draw(&args).and_then(|(outcome, canvas)| Ok(print(&args, &outcome, canvas)?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("openmp: {error}");
            ExitCode::FAILURE
        }
    }
}

fn draw(args: &Args) -> Result<(Outcome, &'static Canvas), Box<dyn Error>> {
    POOL.start()?;
    let threads = region_of_all(args.threads);
    if threads == 0 {
        return Err("a thread could not enter".into());
    }
    let canvas = CANVAS.get_or_init(|| Canvas {
        width: args.width,
        height: args.height,
        rows: (0..args.regions * args.height).map(|_| OnceLock::new()).collect(),
        region: AtomicU32::new(0),
    });
    for region in 0..args.regions {
        canvas.region.store(region, Ordering::Relaxed);
        if region_of_rows(threads, args.height) != 0 {
            return Err("a row could not be drawn".into());
        }
    }
    let mut ms = BTreeSet::new();
    for (row, drawn) in canvas.rows.iter().enumerate() {
        let row = row as u32 % args.height;
        let (m, text) = drawn.get().ok_or("a row was left out")?;
        let expected = picture::row(row, args.width, args.height);
        if *text != expected {
            return Err(format!("Lua drew row {row} as {text:?}, and {expected:?} was expected").into());
        }
        ms.insert(*m);
    }
    let outcome = Outcome {
        threads,
        regions: args.regions,
        rows: args.regions * args.height,
        ms_made: POOL.stats().created,
        ms_that_drew: ms.len() as u32,
    };
    Ok((outcome, canvas))
}

fn print(args: &Args, outcome: &Outcome, canvas: &Canvas) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if args.json {
        return writeln!(out, "{}", serde_json::to_string_pretty(outcome)?);
    }
    // The last region's.
    for (m, text) in canvas.rows.iter().skip((outcome.rows - args.height) as usize).filter_map(OnceLock::get)
    {
        writeln!(out, "{m:4} │{text}")?;
    }
    writeln!(
        out,
        "{} threads, {} regions of {} rows, all as expected; {} Ms made, {} of them drew",
        outcome.threads, outcome.regions, args.height, outcome.ms_made, outcome.ms_that_drew
    )
}
