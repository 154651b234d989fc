//! Fewer contexts than threads: T threads call as often as they can, L contexts, each held for H.
//!
//! A wait is from a thread's call to the first line of its callback. Where nothing is held the clock is
//! read once a call, so that the clock is not what is measured, and a wait there is from one callback
//! of the thread to its next.

use crate::context::{Making, Owned};
use crate::sample::{Samples, Turn};
use crate::waits::Waits;
use clap::ValueEnum;
use extram_contest::{Contestant, Limited};
use extram_herd::{Crew, work};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) const NAME: &str = "limit";

/// What a callback does while it holds its context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Hold {
    /// It computes
    Work,
    /// It sleeps, as in a system call
    Sleep,
}

/// The grid.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    pub(crate) threads: Vec<u32>,
    pub(crate) limits: Vec<u32>,
    pub(crate) holds_us: Vec<u64>,
    pub(crate) hold: Hold,
    /// Whether one more thread calls now and then, of real-time priority.
    pub(crate) urgent: bool,
    /// How long one pool runs in one round.
    pub(crate) window: Duration,
    pub(crate) rounds: u32,
    pub(crate) pools: Vec<Limited>,
}

impl Grid {
    pub(crate) fn turns(&self) -> u64 {
        let cells = self.threads.len() * self.limits.len() * self.holds_us.len();
        cells as u64 * u64::from(self.rounds) * self.pools.len() as u64
    }

    /// Round by round, and in each round cell by cell: what disturbs the machine for some seconds does
    /// not hit all rounds of a cell.
    pub(crate) fn run(&self, samples: &mut Samples, mut step: impl FnMut(&str)) -> Result<(), String> {
        for round in 0..self.rounds {
            for (&threads, &limit, &hold_us) in self.cells() {
                for turn in 0..self.pools.len() {
                    let pool = self.pools[(turn + round as usize) % self.pools.len()];
                    let kind = if self.hold == Hold::Sleep { " kind=sleep" } else { "" };
                    let urgent = if self.urgent { " urgent=1" } else { "" };
                    let case = format!("threads={threads} limit={limit} hold_us={hold_us}{kind}{urgent}");
                    step(&format!("limit: {case} {}", pool.name()));
                    let played = self.play(pool, threads, limit, Duration::from_micros(hold_us));
                    let played = played.map_err(|error| format!("limit: {case} {}: {error}", pool.name()))?;
                    let subject = pool.name().into();
                    played.note(&mut Turn { samples, section: NAME, case, subject, round });
                }
            }
        }
        Ok(())
    }

    fn cells(&self) -> impl Iterator<Item = (&u32, &u32, &u64)> {
        self.threads.iter().flat_map(move |threads| {
            self.limits
                .iter()
                .flat_map(move |limit| self.holds_us.iter().map(move |hold| (threads, limit, hold)))
        })
    }

    fn play(&self, pool: Limited, threads: u32, limit: u32, hold: Duration) -> Result<Played, String> {
        let pool = pool.full(Making(Duration::ZERO), limit).map_err(|error| error.to_string())?;
        let over = Arc::new(AtomicBool::new(false));
        let all = threads + u32::from(self.urgent);
        let places: Arc<[OnceLock<Thread>]> = (0..all).map(|_| OnceLock::new()).collect();
        let (kind, ending, results) = (self.hold, over.clone(), places.clone());
        let crew = Crew::line_up(all, STACK, move |index| {
            let pause = (index == threads).then_some(PAUSE);
            let called = pause.map_or(Ok(()), |_| become_urgent());
            let called = called.map(|()| call_until(pool, kind, hold, pause, &ending));
            // Each index has one thread.
            let _ = results[index as usize].set(called.unwrap_or_else(Thread::wrong));
        })
        .map_err(|error| error.to_string())?;
        let begun = Instant::now();
        crew.go();
        thread::sleep(self.window);
        over.store(true, Ordering::Relaxed);
        let window = begun.elapsed();
        crew.join();
        pool.close().map_err(|error| error.to_string())?;
        let threads: Vec<&Thread> = places.iter().filter_map(OnceLock::get).collect();
        if let Some(error) = threads.iter().find_map(|thread| thread.wrong.as_ref()) {
            return Err(error.clone());
        }
        let (threads, urgent) = threads.split_at(threads.len() - usize::from(self.urgent));
        let mut waits = Waits::new();
        threads.iter().for_each(|thread| waits.merge(&thread.waits));
        let calls = threads.iter().map(|thread| thread.calls).collect();
        Ok(Played { window, calls, waits, urgent: urgent.first().map(|thread| thread.waits.clone()) })
    }
}

const STACK: usize = 64 << 10;

/// Between two calls of the urgent thread.
const PAUSE: Duration = Duration::from_millis(1);

/// Gives the calling thread the lowest of the real-time priorities.
fn become_urgent() -> Result<(), String> {
    // SAFETY: about the calling thread, and what is read is there.
    let refused = unsafe {
        let priority = libc::sched_param { sched_priority: libc::sched_get_priority_min(libc::SCHED_FIFO) };
        libc::pthread_setschedparam(libc::pthread_self(), libc::SCHED_FIFO, &raw const priority)
    };
    match refused {
        0 => Ok(()),
        error => Err(format!("no real-time priority: {}", std::io::Error::from_raw_os_error(error))),
    }
}

/// What one thread came to.
struct Thread {
    calls: u64,
    waits: Waits,
    wrong: Option<String>,
}

impl Thread {
    fn wrong(why: String) -> Self {
        Thread { calls: 0, waits: Waits::new(), wrong: Some(why) }
    }
}

fn call_until(
    pool: &'static dyn Contestant<Owned>,
    kind: Hold,
    hold: Duration,
    pause: Option<Duration>,
    over: &AtomicBool,
) -> Thread {
    let mut thread = Thread { calls: 0, waits: Waits::new(), wrong: None };
    let mut asked = Instant::now();
    // Relaxed: nothing hangs on when exactly a thread sees it.
    while !over.load(Ordering::Relaxed) {
        pause.into_iter().for_each(thread::sleep);
        if !hold.is_zero() || pause.is_some() {
            asked = Instant::now();
        }
        let (mut inside, mut alone) = (asked, false);
        let entered = pool.callback(&mut |_, owned| {
            inside = Instant::now();
            alone = owned.hold(|| match (hold.is_zero(), kind) {
                (true, _) => {}
                (false, Hold::Work) => work(hold),
                (false, Hold::Sleep) => thread::sleep(hold),
            });
        });
        if let Err(error) = entered {
            thread.wrong = Some(error.to_string());
            break;
        }
        if !alone {
            thread.wrong = Some("a context was in two hands at once".into());
            break;
        }
        thread.waits.note((inside - asked).as_nanos() as u64);
        thread.calls += 1;
        asked = inside;
    }
    thread
}

/// What one round of one pool came to.
struct Played {
    window: Duration,
    calls: Vec<u64>,
    waits: Waits,
    urgent: Option<Waits>,
}

impl Played {
    fn note(&self, turn: &mut Turn) {
        let all: u64 = self.calls.iter().sum();
        let mean = all as f64 / self.calls.len() as f64;
        let share = |calls: Option<&u64>| calls.map_or(0.0, |&calls| calls as f64 / mean.max(1.0));
        turn.add("calls_per_s", all as f64 / self.window.as_secs_f64());
        turn.add("wait_p50_us", self.waits.quantile(0.5));
        turn.add("wait_p99_us", self.waits.quantile(0.99));
        turn.add("longest_wait_us", self.waits.longest());
        // 1 is a fair share.
        turn.add("least_share", share(self.calls.iter().min()));
        turn.add("largest_share", share(self.calls.iter().max()));
        if let Some(urgent) = &self.urgent {
            turn.add("urgent_p50_us", urgent.quantile(0.5));
            turn.add("urgent_longest_us", urgent.longest());
        }
    }
}
