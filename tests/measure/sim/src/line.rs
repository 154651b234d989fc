//! Cache lines: who has a copy, and who has to wait for it.
//!
//! A line is with one core that may write it, or with any number that may read it. Whoever asks for it
//! without having it waits until those who asked before have been served, and then until it has come. The
//! core that has it goes on with it until the request is there, which is half of that time: so two cores
//! that hammer a line have it for many accesses each time.

use crate::Ps;
use crate::costs::Costs;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Bytes of a line.
const BYTES: usize = 64;

/// The most cores.
pub const CORES: usize = 512;

/// What an access asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A copy.
    Load,
    /// The line for itself: a store or a read-modify-write.
    Exchange,
    /// No line at all.
    Fence,
}

#[derive(Clone, Copy, Default)]
struct Readers([u64; CORES / 64]);

impl Readers {
    fn just(core: u32) -> Self {
        let mut just = Self::default();
        just.add(core);
        just
    }

    fn has(&self, core: u32) -> bool {
        self.0[core as usize / 64] & (1 << (core % 64)) != 0
    }

    fn add(&mut self, core: u32) {
        self.0[core as usize / 64] |= 1 << (core % 64);
    }
}

struct Line {
    /// Who wrote it last.
    owner: u32,
    /// Nobody but the owner has it.
    alone: bool,
    readers: Readers,
    /// When those who asked before have been served.
    free: Ps,
    /// Who had it to itself before, and until when it still has it.
    before: (u32, Ps),
}

/// Counts of accesses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// In the core's own cache.
    pub hits: u64,
    /// From another core.
    pub transfers: u64,
    /// What those who asked waited for others who had asked before.
    pub queued: Ps,
}

/// An address needs no more than to be spread.
#[derive(Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are addresses");
    }

    fn write_usize(&mut self, key: usize) {
        self.0 = (key as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }
}

/// Maps that are keyed by addresses. Nobody goes through one: its order would be the addresses'.
pub(crate) type ByAddress<T> = HashMap<usize, T, BuildHasherDefault<Spread>>;

/// All lines.
#[derive(Default)]
pub(crate) struct Lines {
    by_address: ByAddress<Line>,
    pub(crate) traffic: Traffic,
}

impl Lines {
    /// These bytes are another allocation now, which nobody has seen.
    pub(crate) fn forget(&mut self, address: usize, size: usize) {
        for line in address / BYTES..(address + size).div_ceil(BYTES) {
            self.by_address.remove(&line);
        }
    }

    /// When the access is over that `core` begins at `now`.
    pub(crate) fn access(&mut self, core: u32, address: usize, access: Access, now: Ps, costs: &Costs) -> Ps {
        if access == Access::Fence {
            return now + costs.fence;
        }
        let line = self.by_address.entry(address / BYTES).or_insert_with(|| Line {
            // The first to come made it.
            owner: core,
            alone: true,
            readers: Readers::just(core),
            free: now,
            before: (core, 0),
        });
        let mine = line.readers.has(core);
        let here = match access {
            Access::Load => mine,
            _ => mine && line.alone,
        };
        // It is still here, although another core has asked for it.
        let still_here = line.before.0 == core && now < line.before.1;
        if here || still_here {
            self.traffic.hits += 1;
            return now + if access == Access::Load { costs.load } else { costs.exchange };
        }
        let begin = line.free.max(now);
        self.traffic.transfers += 1;
        self.traffic.queued += begin - now;
        let near = line.owner / costs.neighbours == core / costs.neighbours;
        let time = if near { costs.near } else { costs.far };
        let end = begin + time;
        if access == Access::Load {
            line.readers.add(core);
            line.alone = false;
            // Copies are given out while others are on their way.
            line.free = begin + time / 4;
        } else {
            if line.alone && line.owner != core {
                line.before = (line.owner, begin + time / 2);
            }
            line.owner = core;
            line.alone = true;
            line.readers = Readers::just(core);
            line.free = end;
        }
        end + if access == Access::Load { costs.load } else { costs.exchange }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::costs::NS;

    const COSTS: Costs =
        Costs { load: 1, exchange: 10, near: 100, far: 1_000, neighbours: 2, fence: 7, ..Costs::LINUX };

    fn at(lines: &mut Lines, core: u32, access: Access, now: Ps) -> Ps {
        lines.access(core, 0x1000, access, now, &COSTS) - now
    }

    #[test]
    fn a_line_of_ones_own_is_cheap_and_one_of_anothers_is_as_far_as_the_core() {
        let mut lines = Lines::default();
        assert_eq!(at(&mut lines, 0, Access::Exchange, 0), 10);
        assert_eq!(at(&mut lines, 0, Access::Load, 10_000), 1);
        assert_eq!(at(&mut lines, 1, Access::Exchange, 20_000), 100 + 10);
        assert_eq!(at(&mut lines, 2, Access::Exchange, 30_000), 1_000 + 10);
        assert_eq!(at(&mut lines, 0, Access::Fence, 30_000), 7);
        assert_eq!((lines.traffic.hits, lines.traffic.transfers), (2, 2));
        // Another line knows nothing of that.
        assert_eq!(lines.access(5, 0x1040, Access::Exchange, 30_000, &COSTS), 30_010);
    }

    #[test]
    fn readers_share_and_a_writer_takes_the_line_from_them_all() {
        let mut lines = Lines::default();
        at(&mut lines, 0, Access::Exchange, 0);
        assert_eq!(at(&mut lines, 1, Access::Load, 10_000), 100 + 1);
        assert_eq!(at(&mut lines, 0, Access::Load, 20_000), 1);
        assert_eq!(at(&mut lines, 1, Access::Load, 20_000), 1);
        // The owner has readers: it has to ask, of itself.
        assert_eq!(at(&mut lines, 0, Access::Exchange, 30_000), 100 + 10);
        assert_eq!(at(&mut lines, 1, Access::Load, 40_000), 100 + 1);
    }

    #[test]
    fn memory_that_is_allocated_again_is_in_no_cache() {
        let mut lines = Lines::default();
        at(&mut lines, 0, Access::Exchange, 0);
        lines.forget(0xff8, 9);
        assert_eq!(at(&mut lines, 4, Access::Exchange, 10_000), 10);
    }

    #[test]
    fn who_asks_waits_for_those_who_asked_before() {
        let mut lines = Lines::default();
        at(&mut lines, 0, Access::Exchange, 0);
        assert_eq!(at(&mut lines, 2, Access::Exchange, 10_000), 1_000 + 10);
        assert_eq!(at(&mut lines, 4, Access::Exchange, 10_000), 2_000 + 10);
        assert_eq!(at(&mut lines, 6, Access::Exchange, 10_500), 2_500 + 10);
        assert_eq!(lines.traffic.queued, 1_000 + 1_500);
    }

    #[test]
    fn the_core_that_has_the_line_goes_on_until_the_request_is_there() {
        let mut lines = Lines::default();
        at(&mut lines, 0, Access::Exchange, 0);
        at(&mut lines, 2, Access::Exchange, 10_000);
        assert_eq!(at(&mut lines, 0, Access::Exchange, 10_499), 10, "still here");
        assert_eq!(at(&mut lines, 0, Access::Exchange, 10_500), 500 + 1_000 + 10, "gone, and in the queue");
    }

    #[test]
    fn two_cores_that_hammer_a_line_have_it_in_turns_of_many_accesses() {
        let mut lines = Lines::default();
        let (mut clocks, mut turns, mut last) = ([0, 0], 0, 9);
        for _ in 0..10_000 {
            let core = usize::from(clocks[1] < clocks[0]);
            clocks[core] = lines.access(core as u32, 0, Access::Exchange, clocks[core], &Costs::LINUX);
            turns += u32::from(core != last);
            last = core;
        }
        let each = clocks[0].max(clocks[1]) / 5_000;
        // A transfer is 25 ns.
        assert!(turns < 10_000 && each > 3 * NS && each < 25 * NS, "{turns} turns, {each} ps each");
    }
}
