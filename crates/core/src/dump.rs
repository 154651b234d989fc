//! The whole state of a pool, for a person.
//!
//! Written without the formatting of the core library, which takes more room than all of extram, and
//! which a kernel in C would get with it.

use crate::life::Phase;
use crate::m::Stage;
use crate::port::Port;
use crate::walk::state;
use crate::{M, MState, Pool, Runtime};
use core::fmt::{Result, Write};
use core::time::Duration;

/// Where the text goes, piece by piece.
type Out<'a> = dyn FnMut(&str) -> Result + 'a;

impl<R: Runtime, P: Port> Pool<R, P> {
    /// Writes what there is to know of the pool, for a person: its figures, how many threads wait and what
    /// is being made, which threads wait, and each M with its number, state, thread, depth, and stack. Each
    /// line is true at some moment of the call. The text may change with every version.
    ///
    /// Of the threads that wait eight are named at most: those that found a place free when they went to
    /// sleep, the first time or again. None where pointers have 32 bits.
    ///
    /// From any context, handlers included, as far as `out` may be written to there. Nothing is allocated
    /// and nobody is stopped, so it also shows why a program is stuck: who is in a call is named.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn dump(&self, out: &mut dyn Write) -> Result {
        self.lasting().write_all(&mut |text| out.write_str(text))
    }

    pub(crate) fn write_all(&'static self, out: &mut Out<'_>) -> Result {
        let (stats, word) = (self.stats(), self.list.glance());
        out("pool ")?;
        number(out, core::ptr::from_ref(self).addr() as u64, 16)?;
        out(match self.life.phase() {
            Phase::Idle => ": not started, or closed; ",
            Phase::Starting => ": being started; ",
            Phase::Open => ": open; ",
            Phase::Closing => ": being closed; ",
            Phase::Draining => ": closed, but not to the end; ",
            Phase::Ending => ": closed, contexts being dropped; ",
        })?;
        let binds = self.mode.binds::<P>();
        out(if binds { "Ms are bound to threads\n" } else { "Ms are lent for one call\n" })?;
        count(out, stats.created, " Ms")?;
        if !self.unlimited() {
            out(" of at most ")?;
            count(out, self.most(), "")?;
        }
        out(": ")?;
        count(out, stats.spare, " spare, ")?;
        count(out, stats.in_use, " in use, ")?;
        count(out, stats.bound_idle, " bound idle\n")?;
        count(out, stats.waiting, " threads wait, ")?;
        count(out, stats.creating, " Ms are being made, ")?;
        count(out, stats.failed, " could not be made")?;
        out(if word.failed() { ", and nobody tries again until an M is entered with\n" } else { "\n" })?;
        self.list.sleepers.iter::<P>().try_for_each(|(thread, time)| {
            out("thread ")?;
            number(out, thread, 10)?;
            out(" waits")?;
            lasting(time, out)?;
            out("\n")
        })?;
        self.table.iter().try_for_each(|m| describe::<R, P>(m, out))
    }
}

fn describe<R: Runtime, P: Port>(m: &M<R>, out: &mut Out<'_>) -> Result {
    let (what, whose) = match (state(m), m.stage()) {
        (Some(MState::InUse), _) => (": in use by thread ", true),
        (Some(MState::BoundIdle), _) => (": idle, bound to thread ", true),
        (Some(MState::Spare), _) => (": spare", false),
        (None, Stage::Making) => (": being made by thread ", true),
        (None, _) => return Ok(()),
    };
    out("M ")?;
    count(out, m.id(), what)?;
    if whose {
        number(out, m.thread_id(), 10)?;
        lasting(m.held_for::<P>(), out)?;
    }
    if m.depth() > 0 {
        out(", ")?;
        count(out, m.depth(), if m.is_broken() { " deep, discarded" } else { " deep" })?;
    }
    if let Some(stack) = m.stack().filter(|_| whose) {
        out(", stack ")?;
        number(out, stack.start as u64, 16)?;
        out("..")?;
        number(out, stack.end as u64, 16)?;
    }
    out("\n")
}

/// How long, if that is known.
fn lasting(time: Option<Duration>, out: &mut Out<'_>) -> Result {
    let Some(time) = time else { return Ok(()) };
    out(" for ")?;
    number(out, time.as_millis() as u64, 10)?;
    out(" ms")
}

fn count(out: &mut Out<'_>, count: u32, of: &str) -> Result {
    number(out, count.into(), 10)?;
    out(of)
}

/// Hexadecimal with the prefix 0x.
fn number(out: &mut Out<'_>, mut number: u64, base: u64) -> Result {
    if base == 16 {
        out("0x")?;
    }
    // As many digits as 2^64 has.
    let mut digits = [0u8; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b"0123456789abcdef"[(number % base) as usize];
        number /= base;
        if number == 0 {
            break;
        }
    }
    out(core::str::from_utf8(&digits[first..]).unwrap_or_default())
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_written_as_the_core_library_writes_them() {
        for value in [0, 1, 9, 10, 15, 16, 255, 12_345_678_901, u64::MAX] {
            let mut text = alloc::string::String::new();
            let mut append = |piece: &str| {
                text.push_str(piece);
                Ok(())
            };
            number(&mut append, value, 10).unwrap();
            append(" ").unwrap();
            number(&mut append, value, 16).unwrap();
            assert_eq!(text, alloc::format!("{value} {value:#x}"));
        }
    }
}
