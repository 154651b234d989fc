#![doc = include_str!("../README.md")]
#![no_std]

use core::fmt::Display;
use extram_core::{EnterError, Event};
use tracing::{debug, trace, warn};

/// Emits what [`Runtime::observe`](extram_core::Runtime::observe) was told, but for
/// [`Event::Failed`] and [`Event::Refused`]: [`failed`] and [`refused`] have those, with their reasons. `pool` is a name that tells the pools of a program
/// apart.
pub fn told(pool: &str, event: Event) {
    match event {
        Event::Waiting => debug!(target: "extram", pool, "waiting"),
        Event::Granted { m } => debug!(target: "extram", pool, m, "granted"),
        Event::Entered { m } => trace!(target: "extram", pool, m, "entered"),
        Event::Making => debug!(target: "extram", pool, "making"),
        Event::Made { m } => debug!(target: "extram", pool, m, "made"),
        Event::Failed | Event::Refused => {}
        Event::Left { m } => trace!(target: "extram", pool, m, "left"),
        Event::Returned { m } => trace!(target: "extram", pool, m, "returned"),
        Event::Discarded { m } => debug!(target: "extram", pool, m, "discarded"),
        other => debug!(target: "extram", pool, event = ?other, "other"),
    }
}

/// Emits why a context could not be made, which [`Runtime::failed`](extram_core::Runtime::failed) was told.
pub fn failed(pool: &str, error: &dyn Display) {
    warn!(target: "extram", pool, %error, "failed");
}

/// Emits why a wait is over without an M, which [`Runtime::refused`](extram_core::Runtime::refused) was told.
pub fn refused(pool: &str, error: EnterError) {
    debug!(target: "extram", pool, %error, "refused");
}
