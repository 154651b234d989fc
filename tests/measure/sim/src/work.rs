//! What the simulated threads do, and what it comes to.

use crate::costs::{NS, US};
use crate::pools::{Algorithm, Entrance, Shape};
use crate::{Costs, Failure, Figures, Ps, Simulated, simulate, thread};
use extram_core::Port;
use extram_core::sync::{AtomicU32, Ordering};
use serde::Serialize;
use std::cell::RefCell;
use std::rc::Rc;

/// The workloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Work {
    /// Fresh threads on a cold pool; all hold their M until all are inside
    AllInside,
    /// Fresh threads on a cold pool; callbacks return at once
    Short,
    /// Threads that call again and again, on a warm pool
    Calls,
    /// The same under a limit of Ms
    Limit,
}

impl Work {
    /// Its name in tables and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Work::AllInside => "all-inside",
            Work::Short => "short",
            Work::Calls => "calls",
            Work::Limit => "limit",
        }
    }

    fn herd(self) -> bool {
        matches!(self, Work::AllInside | Work::Short)
    }
}

/// One cell of a table.
#[derive(Clone, Debug)]
pub struct Cell {
    /// What is done.
    pub work: Work,
    /// By which algorithm.
    pub algorithm: Algorithm,
    /// On so many cores.
    pub cores: u32,
    /// By so many threads.
    pub threads: u32,
    /// What making an M costs: processor time.
    pub make: Ps,
    /// How long a callback computes: processor time.
    pub hold: Ps,
    /// How long a callback waits for something else, as for a collection.
    pub blocked: Ps,
    /// What a thread does between two calls: processor time.
    pub pause: Ps,
    /// For how long calls are counted there, from when all threads have made a few.
    pub time: Ps,
    /// The limit of [`Work::Limit`].
    pub limit: u32,
    /// The seed.
    pub seed: u64,
    /// After so many steps of the simulation it is cut off.
    pub most_steps: u64,
}

impl Cell {
    /// Its threads call until a time has come, and nothing they do takes any.
    fn never_ends(&self) -> bool {
        self.work == Work::Calls
            && self.algorithm == Algorithm::Floor
            && self.hold + self.blocked + self.pause == 0
    }
}

/// What it came to. The field names are the JSON keys; what has no meaning is null.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Row {
    pub work: &'static str,
    pub algorithm: &'static str,
    pub cores: u32,
    pub threads: u32,
    /// It took too many steps here: the wall is longer than this, and nothing else is known.
    pub cut_off: bool,
    pub wall_us: f64,
    pub context_switches: u64,
    /// Those of them that were not asked for.
    pub preempted: u64,
    pub ms_made: Option<u64>,
    pub max_creations_per_callback: Option<u32>,
    pub longest_wait_us: Option<f64>,
    pub calls_per_second: f64,
    pub line_transfers: u64,
    /// Steps of the simulation: what it cost here.
    pub steps: u64,
}

fn micros(time: Ps) -> f64 {
    // Whole nanoseconds: as many digits as mean something.
    (time / NS) as f64 / 1e3
}

/// Threads line up; then they are all let go at once. As in the program `herd`, step by step, so that the
/// switches can be compared.
struct StartLine {
    lined_up: AtomicU32,
    go: AtomicU32,
}

impl StartLine {
    fn line_up(&self) {
        self.lined_up.fetch_add(1, Ordering::Release);
        Simulated::wake(&raw const self.lined_up, 1);
        while self.go.load(Ordering::Acquire) == 0 {
            Simulated::wait(&self.go, 0, None);
        }
    }

    fn await_count(&self, expected: u32) {
        loop {
            let now = self.lined_up.load(Ordering::Acquire);
            if now >= expected {
                return;
            }
            Simulated::wait(&self.lined_up, now, None);
        }
    }

    fn go(&self) {
        self.go.store(1, Ordering::Release);
        Simulated::wake(&raw const self.go, u32::MAX);
    }
}

/// Threads that hold what they have until all are there.
struct Meeting {
    there: AtomicU32,
    over: AtomicU32,
}

impl Meeting {
    fn meet(&self, expected: u32) {
        if self.there.fetch_add(1, Ordering::AcqRel) + 1 == expected {
            self.over.store(1, Ordering::Release);
            Simulated::wake(&raw const self.over, u32::MAX);
        }
        while self.over.load(Ordering::Acquire) == 0 {
            Simulated::wait(&self.over, 0, None);
        }
    }
}

/// What the threads found.
#[derive(Default)]
struct Found {
    longest_wait: Ps,
    most_made: u32,
    last_back: Ps,
    calls: u64,
    /// How many threads have begun, and when all had.
    begun: u32,
    all_begun: Option<Ps>,
}

struct Scene {
    line: StartLine,
    meeting: Meeting,
    pool: Box<dyn Entrance>,
    found: RefCell<Found>,
}

/// What all of a cell's threads came to.
struct Outcome {
    wall: Ps,
    made: Option<u64>,
    found: Found,
    /// When they were let go, and at the end.
    between: [Figures; 2],
}

/// Runs it.
///
/// # Errors
///
/// Those of [`simulate`]; and calls that would never end are refused.
pub fn run(cell: &Cell, costs: &Costs) -> Result<Row, Failure> {
    if cell.never_ends() {
        let why = "without a pool, calls that take no time never end: give a callback or a pause some (--hold-us, --pause-us)";
        return Err(Failure::Refused(why.to_owned()));
    }
    let inside = cell.clone();
    let done = simulate(costs, cell.cores, cell.seed, move || scene(&inside));
    let (outcome, figures) = match done {
        Ok(done) => done,
        Err(Failure::TooLong { at }) => return Ok(cut_off(cell, at)),
        Err(failure) => return Err(failure),
    };
    let [let_go, at_end] = outcome.between;
    let wall = outcome.wall.max(NS);
    let made = outcome.made;
    Ok(Row {
        work: cell.work.name(),
        algorithm: cell.algorithm.name(),
        cores: cell.cores,
        threads: cell.threads,
        cut_off: false,
        wall_us: micros(wall),
        // Of a herd those of the threads' whole lives, as the program `herd` counts them.
        context_switches: if cell.work.herd() { figures.switches } else { at_end.switches - let_go.switches },
        preempted: if cell.work.herd() { figures.preempted } else { at_end.preempted - let_go.preempted },
        ms_made: made,
        max_creations_per_callback: made.map(|_| outcome.found.most_made),
        longest_wait_us: made.map(|_| micros(outcome.found.longest_wait)),
        calls_per_second: (outcome.found.calls as f64 * 1e12 / wall as f64).round(),
        line_transfers: at_end.traffic.transfers - let_go.traffic.transfers,
        steps: figures.steps,
    })
}

/// What is known of a cell that takes too long: that its wall is longer than that.
fn cut_off(cell: &Cell, at: Ps) -> Row {
    Row {
        work: cell.work.name(),
        algorithm: cell.algorithm.name(),
        cores: cell.cores,
        threads: cell.threads,
        cut_off: true,
        wall_us: micros(at),
        context_switches: 0,
        preempted: 0,
        ms_made: None,
        max_creations_per_callback: None,
        longest_wait_us: None,
        calls_per_second: 0.0,
        line_transfers: 0,
        steps: cell.most_steps,
    }
}

fn scene(cell: &Cell) -> Outcome {
    crate::machine::with(|m| m.most_steps = cell.most_steps);
    let limited = cell.work == Work::Limit;
    let spare = if cell.work.herd() { 0 } else { cell.threads.min(cell.cores) + 1 };
    let shape = Shape {
        cost: cell.make,
        limit: if limited { cell.limit } else { 0 },
        spare: if limited { cell.limit } else { spare },
    };
    let scene = Rc::new(Scene {
        line: StartLine { lined_up: AtomicU32::new(0), go: AtomicU32::new(0) },
        meeting: Meeting { there: AtomicU32::new(0), over: AtomicU32::new(0) },
        pool: cell.algorithm.start(shape),
        found: RefCell::default(),
    });
    let figures = || crate::machine::with(|m| m.figures());
    let mut threads = Vec::new();
    for index in 0..cell.threads {
        let (place, cell) = (Rc::clone(&scene), cell.clone());
        let thread = thread::spawn(move || {
            place.line.line_up();
            if cell.work.herd() { once(&place, &cell) } else { again(&place, &cell) }
        });
        threads.push(thread.unwrap_or_else(|_| panic!("no stack for thread {index}")));
        scene.line.await_count(index + 1);
    }
    let (before, released) = (figures(), thread::now());
    scene.line.go();
    threads.into_iter().for_each(thread::join);
    let between = [before, figures()];
    let found = scene.found.take();
    let made = scene.pool.made();
    scene.pool.close();
    let begin = found.all_begun.unwrap_or(released);
    Outcome { wall: found.last_back - begin, made, found, between }
}

/// One call of a herd.
fn once(scene: &Scene, cell: &Cell) {
    call(scene, &mut || {
        thread::compute(cell.hold);
        thread::block(cell.blocked);
        if cell.work == Work::AllInside {
            scene.meeting.meet(cell.threads);
        }
    });
}

/// So many calls of each thread are not counted: Ms and lines are where they will be then.
const WARM_UP: u32 = 3;

/// Call after call, until the time is over.
fn again(scene: &Scene, cell: &Cell) {
    let mut calls = 0;
    loop {
        call(scene, &mut || thread::compute(cell.hold));
        thread::compute(cell.pause);
        calls += 1;
        if calls == WARM_UP {
            // The simulation's own, which takes no time.
            let mut found = scene.found.borrow_mut();
            found.begun += 1;
            if found.begun == cell.threads {
                found.all_begun = Some(thread::now());
                (found.calls, found.longest_wait) = (0, 0);
            }
        }
        let begin = scene.found.borrow().all_begun;
        if begin.is_some_and(|begin| thread::now() >= begin + cell.time) {
            return;
        }
    }
}

fn call(scene: &Scene, inside: &mut dyn FnMut()) {
    let asked = thread::now();
    let mut waited = 0;
    scene.pool.callback(&mut || {
        waited = thread::now() - asked;
        inside();
    });
    let (back, made) = (thread::now(), crate::machine::with(|m| m.take_made()));
    let mut found = scene.found.borrow_mut();
    found.longest_wait = found.longest_wait.max(waited);
    found.most_made = found.most_made.max(made);
    found.last_back = found.last_back.max(back);
    found.calls += 1;
}

/// A cell with what is usual.
pub fn cell(work: Work, algorithm: Algorithm, cores: u32, threads: u32) -> Cell {
    Cell {
        work,
        algorithm,
        cores,
        threads,
        make: 20 * US,
        hold: 0,
        blocked: 0,
        pause: 0,
        time: 100 * US,
        limit: 8,
        seed: 1,
        most_steps: u64::MAX,
    }
}
