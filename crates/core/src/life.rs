//! The life of a pool: which phase it is in, and who changes it.
//!
//! ```text
//!          start                       close            everybody out
//!   Idle ────────► Starting ──► Open ────────► Closing ───────────────► Ending ──► Idle
//!     ▲               │           ▲             │   ▲
//!     └── it failed ──┘    reopen │        Busy ▼   │ close
//!                                 └──────────── Draining
//! ```
//!
//! - **Switch.** One thread at a time is between the exchange to Starting or Closing and the store that
//!   ends it; others are told so, and do not wait. A refused exchange makes no [`Switch`], so nobody ends
//!   what another has begun.
//! - **Stamp.** Beside the phase stands how many forks the process was away from the first one. In a
//!   child, a switch that was begun before the fork is stale: its thread has vanished, unless it is the
//!   one that forked, which renews the stamp.

use crate::sync::{AtomicUsize, Ordering};
use crate::{Busy, EnterError, StartError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Never started, or closed to the end.
    Idle,
    Starting,
    Open,
    /// Somebody is closing, or reopening.
    Closing,
    /// Closed, but not to the end.
    Draining,
    /// Closed, and contexts are being dropped.
    Ending,
}

const PHASE: usize = 7;

fn phase(word: usize) -> Phase {
    match word & PHASE {
        0 => Phase::Idle,
        1 => Phase::Starting,
        2 => Phase::Open,
        3 => Phase::Closing,
        4 => Phase::Draining,
        _ => Phase::Ending,
    }
}

/// The pool was open at some time.
const ONCE: usize = 8;
const STAMP: u32 = 4;

pub(crate) struct Life {
    word: AtomicUsize,
    /// The token of the thread whose switch is under way. Relaxed: for that thread in a forked child.
    switcher: AtomicUsize,
}

impl Life {
    const_unless_loom! {
        pub(crate) fn new() -> Self {
            Life { word: AtomicUsize::new(0), switcher: AtomicUsize::new(0) }
        }
    }

    // Relaxed: whoever acts on it exchanges the word.
    fn now(&self) -> usize {
        self.word.load(Ordering::Relaxed)
    }

    pub(crate) fn phase(&self) -> Phase {
        phase(self.now())
    }

    /// What a newcomer that found the list closed is told; `None` if it has been opened since.
    #[cold]
    pub(crate) fn turned_away(&self) -> Option<EnterError> {
        // Acquire: partner of the release that ended the switch to Open, after the list was opened.
        match self.word.load(Ordering::Acquire) {
            now if now & PHASE == Phase::Open as usize => None,
            now if now & ONCE == 0 => Some(EnterError::NotStarted),
            _ => Some(EnterError::Closed),
        }
    }

    /// Begins a switch from one of these phases; `Err` with the phase if it is another.
    fn begin(&self, from: &[Phase], to: Phase, by: Switcher) -> Result<Switch<'_>, Phase> {
        // Acquire, here and in the exchange: partner of the release that ended the last switch. Who is told
        // that the pool is closed may free it.
        let mut now = self.word.load(Ordering::Acquire);
        loop {
            let phase = phase(now);
            if !from.contains(&phase) {
                return Err(phase);
            }
            let next = to as usize | now & ONCE | by.forks << STAMP;
            match self.word.compare_exchange(now, next, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => {
                    self.switcher.store(by.token, Ordering::Relaxed);
                    return Ok(Switch { life: self, then: phase });
                }
                Err(other) => now = other,
            }
        }
    }

    pub(crate) fn begin_start(&self, by: Switcher) -> Result<Switch<'_>, StartError> {
        self.begin(&[Phase::Idle], Phase::Starting, by).map_err(|_| StartError::AlreadyStarted)
    }

    /// `None` if there is nothing to close.
    pub(crate) fn begin_close(&self, by: Switcher) -> Result<Option<Switch<'_>>, Busy> {
        match self.begin(&[Phase::Open, Phase::Draining], Phase::Closing, by) {
            Ok(mut switch) => {
                switch.then = Phase::Draining;
                Ok(Some(switch))
            }
            Err(Phase::Idle) => Ok(None),
            Err(_) => Err(Busy),
        }
    }

    pub(crate) fn begin_reopen(&self, by: Switcher) -> Result<Switch<'_>, StartError> {
        self.begin(&[Phase::Draining], Phase::Closing, by).map_err(|phase| match phase {
            Phase::Idle => StartError::NotStarted,
            _ => StartError::AlreadyStarted,
        })
    }

    /// In a forked child: takes over a switch whose thread has vanished.
    #[cold]
    pub(crate) fn take_over(&self, by: Switcher) -> Option<Switch<'_>> {
        let now = self.now();
        let phase = phase(now);
        let switching = matches!(phase, Phase::Starting | Phase::Ending);
        if !switching || now >> STAMP == by.stamp() {
            return None;
        }
        let next = phase as usize | now & ONCE | by.forks << STAMP;
        // Relaxed: the last switch was before the fork, which orders it.
        self.word.compare_exchange(now, next, Ordering::Relaxed, Ordering::Relaxed).ok()?;
        self.switcher.store(by.token, Ordering::Relaxed);
        Some(Switch { life: self, then: Phase::Idle })
    }

    /// In a forked child, by its only thread: whether it is the one whose switch is under way, which goes
    /// on with it then.
    pub(crate) fn renew(&self, by: Switcher) -> bool {
        let switching = matches!(self.phase(), Phase::Starting | Phase::Closing | Phase::Ending);
        let mine = switching && self.switcher.load(Ordering::Relaxed) == by.token;
        if mine {
            let word = self.now() & (PHASE | ONCE) | by.forks << STAMP;
            self.word.store(word, Ordering::Relaxed);
        }
        mine
    }

    /// In a forked child, by its only thread: the switch of a thread that has vanished is over.
    pub(crate) fn settle(&self, phase: Phase) {
        self.word.store(phase as usize | self.now() & ONCE, Ordering::Relaxed);
    }
}

/// Who begins a switch, and when.
#[derive(Clone, Copy)]
pub(crate) struct Switcher {
    pub(crate) token: usize,
    pub(crate) forks: usize,
}

impl Switcher {
    /// As much of the number of forks as the word has room for.
    fn stamp(self) -> usize {
        self.forks << STAMP >> STAMP
    }
}

/// A switch under way (Invariant Switch). Ends in the phase it began from, unless told otherwise.
pub(crate) struct Switch<'a> {
    life: &'a Life,
    then: Phase,
}

impl Switch<'_> {
    /// Contexts are about to be dropped: there is no way back.
    pub(crate) fn end_in_idle(&mut self) {
        self.then = Phase::Idle;
        let word = self.life.now() & !PHASE | Phase::Ending as usize;
        self.life.word.store(word, Ordering::Relaxed);
    }

    /// The way back after all.
    pub(crate) fn stay_draining(mut self) {
        self.then = Phase::Draining;
    }

    pub(crate) fn open(mut self) {
        self.then = Phase::Open;
    }
}

impl Drop for Switch<'_> {
    fn drop(&mut self) {
        let once = if self.then == Phase::Open { ONCE } else { self.life.now() & ONCE };
        self.life.switcher.store(0, Ordering::Relaxed);
        // Release: partner of the acquire in `begin`.
        self.life.word.store(self.then as usize | once, Ordering::Release);
    }
}
