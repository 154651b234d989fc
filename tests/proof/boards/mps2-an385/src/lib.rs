//! What programs for one Cortex-M3 share (mps2-an385): the interrupts, a port whose one thread runs an executor,
//! and cases that are the same whoever calls the handlers.
#![no_std]

mod bell;
mod board;
mod calls;
mod cases;
mod device;
mod ledger;
mod report;
pub mod stack;

pub use bell::{Bell, turn};
pub use board::{Board, CLOCK, Port, on_tick};
pub use calls::{Caller, LedgerPool, MS, POOL, SMALL, call, calls_of, counted, errand, in_handler};
pub use cases::*;
pub use cortex_m_rt::interrupt;
pub use device::{
    __INTERRUPTS, Interrupt, Interrupt as interrupt, NVIC_PRIO_BITS, TIMER_0, TIMER_1, Timer, Vector,
};
pub use ledger::{Ledger, Page};
pub use report::{case, close};
