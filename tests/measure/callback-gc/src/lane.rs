//! What one thread did when: its lane in the picture.
//!
//! The runtime's hooks run on the thread that they are about and are given nothing of ours, so the
//! lane being written is a thread-local.

use std::cell::RefCell;
use std::time::{Duration, Instant};

/// What a thread does from its call until it is back in C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It has called and has no M yet.
    Waiting,
    /// It has an M, and somebody's collection keeps it from running.
    HeldUp,
    /// It makes Ms for others, before its own callback runs.
    Making,
    /// Its callback runs Lua code.
    Running,
    /// It collects garbage; nobody else runs.
    Collecting,
    /// Its callback is done and keeps the M until all threads are inside.
    Holding,
}

/// A thread's phases, each from its own beginning to the next one's.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    pub(crate) phases: Vec<(Instant, Phase)>,
    pub(crate) end: Instant,
    /// How many Ms the thread made.
    pub(crate) made: u64,
}

thread_local! {
    static LANE: RefCell<Option<Lane>> = const { RefCell::new(None) };
}

/// The calling thread calls now.
pub(crate) fn open() {
    let now = Instant::now();
    let mut phases = Vec::with_capacity(12);
    phases.push((now, Phase::Waiting));
    LANE.set(Some(Lane { phases, end: now, made: 0 }));
}

/// It does something else from now on. Nothing happens on a thread that has no lane.
pub(crate) fn begin(phase: Phase) {
    write(|lane| {
        // Many Ms made one after the other are one phase.
        if lane.phases.last().is_none_or(|&(_, last)| last != phase) {
            lane.phases.push((Instant::now(), phase));
        }
    });
}

/// It has made an M.
pub(crate) fn made_one() {
    write(|lane| lane.made += 1);
}

/// It is back in C.
pub(crate) fn close() -> Option<Lane> {
    let mut lane = LANE.take()?;
    lane.end = Instant::now();
    Some(lane)
}

fn write(change: impl FnOnce(&mut Lane)) {
    // Gone in an exit hook that runs after this one's; a pool may still report from there.
    let _ = LANE.try_with(|lane| {
        if let Some(lane) = &mut *lane.borrow_mut() {
            change(lane);
        }
    });
}

impl Lane {
    /// When the thread called.
    pub(crate) fn called(&self) -> Instant {
        self.phases[0].0
    }

    /// When its callback began; `None` if it never did.
    pub(crate) fn ran(&self) -> Option<Instant> {
        self.phases.iter().find(|(_, phase)| *phase == Phase::Running).map(|&(at, _)| at)
    }

    /// How long it waited for its callback to begin, the making of Ms included.
    pub(crate) fn wait(&self) -> Option<Duration> {
        Some(self.ran()? - self.called())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_has_every_phase_once_in_order() {
        begin(Phase::Making);
        made_one();
        assert!(close().is_none());
        open();
        for phase in [Phase::HeldUp, Phase::Making, Phase::Making, Phase::Running] {
            begin(phase);
        }
        made_one();
        made_one();
        let lane = close().unwrap();
        let phases: Vec<Phase> = lane.phases.iter().map(|&(_, phase)| phase).collect();
        assert_eq!(phases, [Phase::Waiting, Phase::HeldUp, Phase::Making, Phase::Running]);
        assert_eq!(lane.made, 2);
        assert_eq!(lane.ran(), Some(lane.phases[3].0));
        assert!(lane.called() <= lane.phases[1].0 && lane.phases[3].0 <= lane.end);
        assert!(close().is_none());
    }
}
