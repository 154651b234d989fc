//! The whole state of a pool, for a person.

use crate::life::Phase;
use crate::m::Stage;
use crate::port::Port;
use crate::walk::state;
use crate::{M, MState, Pool, Runtime};
use core::fmt::{Result, Write};

impl<R: Runtime, P: Port> Pool<R, P> {
    /// Writes what there is to know of the pool, for a person: its figures, who waits and what is being
    /// made, and each M with its number, state, thread, depth, and stack. Each line is true at some
    /// moment of the call. The text may change with every version.
    ///
    /// From any context, handlers included, as far as `out` may be written to there. Nothing is allocated
    /// and nobody is stopped, so it also shows why a program is stuck: who is in a call is named.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn dump(&self, out: &mut dyn Write) -> Result {
        let pool = self.lasting();
        let stats = pool.stats();
        let life = match pool.life.phase() {
            Phase::Idle => "not started, or closed",
            Phase::Starting => "being started",
            Phase::Open => "open",
            Phase::Closing => "being closed",
            Phase::Draining => "closed, but not to the end",
            Phase::Ending => "closed, contexts being dropped",
        };
        let binding = if pool.mode.binds::<P>() { "bound to threads" } else { "lent for one call" };
        writeln!(out, "pool {:p}: {life}; Ms are {binding}", pool)?;
        write!(out, "{} Ms", stats.created)?;
        if !pool.unlimited() {
            write!(out, " of at most {}", pool.most())?;
        }
        writeln!(out, ": {} spare, {} in use, {} bound idle", stats.spare, stats.in_use, stats.bound_idle)?;
        let failed =
            if pool.list.glance().failed() { ", the latest with nobody left to try again" } else { "" };
        let (waiting, creating) = (stats.waiting, stats.creating);
        writeln!(
            out,
            "{waiting} threads wait, {creating} Ms are being made, {} failed{failed}",
            stats.failed
        )?;
        pool.table.iter().try_for_each(|m| describe::<R, P>(m, out))
    }
}

fn describe<R: Runtime, P: Port>(m: &M<R>, out: &mut dyn Write) -> Result {
    let (what, whose) = match (state(m), m.stage()) {
        (Some(MState::InUse), _) => ("in use by thread", true),
        (Some(MState::BoundIdle), _) => ("idle, bound to thread", true),
        (Some(MState::Spare), _) => ("spare", false),
        (None, Stage::Claimed | Stage::Unclaimed) => ("being made by thread", true),
        (None, _) => return Ok(()),
    };
    write!(out, "M {}: {what}", m.id())?;
    if whose {
        write!(out, " {}", m.thread_id())?;
        if let Some(time) = m.held_for::<P>() {
            write!(out, " for {time:?}")?;
        }
    }
    if m.depth() > 0 {
        write!(out, ", {} deep", m.depth())?;
        if m.is_broken() {
            write!(out, ", discarded")?;
        }
    }
    if let Some(stack) = m.stack().filter(|_| whose) {
        write!(out, ", stack {:#x}..{:#x}", stack.start, stack.end)?;
    }
    writeln!(out)
}
