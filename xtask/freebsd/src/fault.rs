//! Why a boot is no good run of the plan: each kind of fault with its own words.

use std::fmt;
use std::time::Duration;

/// Why a boot is no good run of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The time for what the machine was doing was up.
    TimedOut(Duration, Moment),
    /// The kernel panicked, with these words.
    Panic(String),
    /// The loader has stopped at its prompt.
    Loader,
    /// The machine ended before process 1 said anything.
    NoInit,
    /// Only frames of another boot came.
    Stale(u32),
    /// A frame between these two numbers is missing or damaged.
    Lost { expected: u32, got: u32 },
    /// A frame that makes no sense at its place.
    OutOfTurn(String),
    /// The console ended before the closing frame.
    CutOff { during: Option<u32> },
    /// The guest's programs have no room left to write.
    DiskFull(String),
    /// Process 1 could not do its work.
    Init(String),
    /// All frames came, and the emulator reports something else.
    ExitStatus(String),
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Process 1 has not said anything.
    Boot,
    /// This program runs.
    Program(u32),
    /// So many programs have ended, and none runs.
    Between(u32),
    /// The closing frame has come.
    Closed,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::TimedOut(limit, moment) => {
                let seconds = limit.as_secs();
                match moment {
                    Moment::Boot => write!(f, "time-out: process 1 has not run after {seconds} s"),
                    Moment::Program(index) => {
                        write!(f, "time-out: process 1 has not ended program {index} after {seconds} s")
                    }
                    Moment::Between(ended) => {
                        write!(f, "time-out: {seconds} s after {ended} programs the next has not begun")
                    }
                    Moment::Closed => {
                        write!(f, "time-out: the machine has not ended {seconds} s after the closing frame")
                    }
                }
            }
            Fault::Panic(line) => write!(f, "the guest's kernel panicked: {line}"),
            Fault::Loader => {
                write!(f, "the loader stopped at its prompt: it could not load what its script names")
            }
            Fault::NoInit => write!(f, "the machine ended before process 1 ran"),
            Fault::Stale(count) => {
                write!(f, "stale output: {count} frames of another boot and none of this one")
            }
            Fault::Lost { expected, got } => {
                write!(f, "output was lost on the console: frame {got} came where {expected} was due")
            }
            Fault::OutOfTurn(event) => write!(f, "a frame out of turn: {event}"),
            Fault::CutOff { during: Some(index) } => {
                write!(f, "the console ended while program {index} ran, before the closing frame")
            }
            Fault::CutOff { during: None } => write!(f, "the console ended before the closing frame"),
            Fault::DiskFull(text) => write!(f, "full disk in the guest: {text}"),
            Fault::Init(text) => write!(f, "process 1 of the guest cannot go on: {text}"),
            Fault::ExitStatus(status) => {
                write!(f, "the closing frame came, but the emulator ended with {status}")
            }
        }
    }
}

impl std::error::Error for Fault {}
