//! A round: fresh threads call into a cold pool at once.

use crate::subject::Owned;
use crate::{Crew, Meeting, Round, Subject, tally};
use extram_contest::Contestant;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// What is the same in every round.
#[derive(Clone, Copy, Debug)]
pub struct Herd {
    /// How many threads.
    pub threads: u32,
    /// What making an M costs, in processor time.
    pub cost: Duration,
    /// Each keeps its M until all are inside; otherwise it returns at once.
    pub all_inside: bool,
}

/// A round's figures, and every thread's wait.
#[derive(Clone, Debug)]
pub struct Played {
    /// The figures.
    pub round: Round,
    /// From each thread's call until the first line of its callback.
    pub waits: Vec<Duration>,
}

/// Enough for a callback that does nothing, and for 4096 of them on a small machine.
const STACK: usize = 32 << 10;

/// What one thread found.
struct Outcome {
    waited: Duration,
    made: u64,
    back: Instant,
    result: Result<(), String>,
}

impl Herd {
    /// Plays one round.
    ///
    /// # Errors
    ///
    /// The system allows no more threads, or the pool did not keep its promise.
    pub fn play(&self, subject: Subject) -> Result<Played, String> {
        let named = |error: String| format!("{}: {error}", subject.name());
        let pool = subject.cold(self.cost).map_err(named)?;
        let outcomes: Arc<[OnceLock<Outcome>]> = (0..self.threads).map(|_| OnceLock::new()).collect();
        let places = outcomes.clone();
        let meeting = Meeting::new();
        let (threads, all_inside) = (self.threads, self.all_inside);

        let played = Crew::play(threads, STACK, move |index| {
            let outcome = call(pool, all_inside.then_some((&meeting, threads)));
            // Each index has one thread.
            let _ = places[index as usize].set(outcome);
        });
        let (released, switches) = played.map_err(|error| error.to_string())?;

        let outcomes: Vec<&Outcome> = outcomes.iter().filter_map(OnceLock::get).collect();
        if let Some(error) = outcomes.iter().find_map(|outcome| outcome.result.as_ref().err()) {
            return Err(named(error.clone()));
        }
        let last = outcomes.iter().map(|outcome| outcome.back).max().unwrap_or(released);
        let made = pool.made().map(u64::from);
        pool.close().map_err(|error| named(error.to_string()))?;
        let round = Round {
            wall: last - released,
            switches,
            made,
            most_creations: made.and_then(|_| outcomes.iter().map(|outcome| outcome.made).max()),
            longest_wait: made.and_then(|_| outcomes.iter().map(|outcome| outcome.waited).max()),
        };
        Ok(Played { round, waits: outcomes.iter().map(|outcome| outcome.waited).collect() })
    }
}

/// One thread's call.
fn call(pool: &'static dyn Contestant<Owned>, meeting: Option<(&Meeting, u32)>) -> Outcome {
    let asked = Instant::now();
    let mut waited = Duration::ZERO;
    let mut held = Ok(());
    let entered = pool.callback(&mut |_, owned| {
        waited = asked.elapsed();
        held = owned.hold(&mut || {
            if let Some((meeting, threads)) = meeting {
                meeting.meet(threads);
            }
        });
    });
    let result = entered.map_err(|error| error.to_string()).and(held);
    if let (Err(_), Some((meeting, _))) = (&result, meeting) {
        // It will not come to the meeting; the others need not wait for it.
        meeting.call_off();
    }
    Outcome { waited, made: tally::take(), back: Instant::now(), result }
}
