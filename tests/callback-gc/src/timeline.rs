//! What each thread was doing when.

use std::cell::RefCell;
use std::time::Instant;

/// What a thread does between its call and its return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It has no M yet.
    Waiting,
    /// It makes an M.
    Making,
    /// It runs Lua, or collects.
    Running,
    /// The world is being stopped, or is stopped.
    Stopped,
    /// It is inside and holds its M until all are.
    Holding,
}

/// A phase and its beginning in ns; it lasts until the next one begins.
pub(crate) type Mark = (u64, Phase);

/// One thread's life from its call to its return.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    pub(crate) marks: Vec<Mark>,
    /// The first line of the callback, in ns.
    pub(crate) began: u64,
    /// The return, in ns.
    pub(crate) end: u64,
}

impl Lane {
    /// The call, in ns since the threads were let go.
    pub(crate) fn called(&self) -> u64 {
        self.marks.first().map_or(self.end, |mark| mark.0)
    }

    /// From the call to the first line of the callback, in ns.
    pub(crate) fn waited(&self) -> u64 {
        self.began.saturating_sub(self.called())
    }

    /// How many Ms it made.
    pub(crate) fn made(&self) -> u64 {
        self.marks.iter().filter(|mark| mark.1 == Phase::Making).count() as u64
    }

    /// Each phase with its beginning and its end.
    pub(crate) fn spans(&self) -> impl Iterator<Item = (Phase, u64, u64)> {
        self.marks.iter().enumerate().map(|(index, &(from, phase))| {
            (phase, from, self.marks.get(index + 1).map_or(self.end, |next| next.0))
        })
    }
}

struct Recording {
    origin: Instant,
    began: u64,
    marks: Vec<Mark>,
}

thread_local! {
    static RECORDING: RefCell<Option<Recording>> = const { RefCell::new(None) };
}

/// Does `then` with this thread's recording, if there is one. Threads that exit have none any more,
/// and neither has a thread that starts a pool.
fn with(then: impl FnOnce(&mut Recording)) {
    let _ = RECORDING.try_with(|recording| {
        if let Some(recording) = &mut *recording.borrow_mut() {
            then(recording);
        }
    });
}

/// The calling thread makes its call now.
pub(crate) fn call(origin: Instant) {
    // Room for some creations and stops, so that recording does not allocate as a rule.
    let marks = Vec::with_capacity(64);
    RECORDING.set(Some(Recording { origin, began: 0, marks }));
    enter(Phase::Waiting);
}

/// The calling thread enters this phase now.
pub(crate) fn enter(phase: Phase) {
    with(|recording| {
        let now = recording.origin.elapsed().as_nanos() as u64;
        recording.marks.push((now, phase));
    });
}

/// The calling thread begins its callback now.
pub(crate) fn begin() {
    with(|recording| recording.began = recording.origin.elapsed().as_nanos() as u64);
}

/// The calling thread has returned: its lane.
pub(crate) fn finish() -> Option<Lane> {
    let recording = RECORDING.take()?;
    let end = recording.origin.elapsed().as_nanos() as u64;
    Some(Lane { marks: recording.marks, began: recording.began, end })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_has_its_phases_one_after_the_other() {
        let origin = Instant::now();
        enter(Phase::Making); // before the call: not recorded
        call(origin);
        enter(Phase::Running);
        for _ in 0..2 {
            enter(Phase::Making);
            enter(Phase::Running);
        }
        begin();
        let lane = finish().unwrap();
        assert!(finish().is_none());
        assert_eq!(lane.made(), 2);
        assert_eq!(lane.marks[0].1, Phase::Waiting);
        assert_eq!(lane.marks.len(), 6);
        assert!(lane.waited() <= lane.end);
        let spans: Vec<_> = lane.spans().collect();
        assert!(spans.windows(2).all(|pair| pair[0].2 == pair[1].1));
        assert_eq!(spans.last().unwrap().2, lane.end);
    }
}
