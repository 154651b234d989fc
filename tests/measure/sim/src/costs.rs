//! What things cost in virtual time.
//!
//! Each default has a source. *Here* is the two-core machine of the project's published figures (Linux
//! 6.18 as a guest, AMD EPYC): `cargo xtask simulate calibrate` measures those again, on any machine.
//! Many-core figures cannot be measured on two cores; they are published ones, named, and written down from
//! memory: orders of magnitude.

use crate::Ps;
use serde::{Deserialize, Serialize};

/// A nanosecond.
pub const NS: Ps = 1_000;
/// A microsecond.
pub const US: Ps = 1_000 * NS;
/// A millisecond.
pub const MS: Ps = 1_000 * US;

/// The costs, in picoseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Costs {
    /// A load from a line that the core has a copy of.
    pub load: Ps,
    /// A read-modify-write, or a store, on a line that the core has to itself.
    pub exchange: Ps,
    /// Bringing a line from a core that shares the last-level cache.
    pub near: Ps,
    /// Bringing a line from any other core.
    pub far: Ps,
    /// How many cores share a last-level cache.
    pub neighbours: u32,
    /// A sequentially consistent fence.
    pub fence: Ps,
    /// Into the kernel and back.
    pub syscall: Ps,
    /// From one thread to another on the same core.
    pub switch: Ps,
    /// What waking one thread costs the core that does it.
    pub wake: Ps,
    /// Until a thread that is woken runs on a core that was idle.
    pub idle_exit: Ps,
    /// What going to sleep for a time costs its core beyond the system call.
    pub sleep: Ps,
    /// What the timer's interrupt costs the core on which the sleeper ran last.
    pub interrupt: Ps,
    /// The least time by which a sleep is late.
    pub slack: Ps,
    /// Sleeps end with a tick of the clock of this length, the next but one at the earliest; 0 where
    /// there are timers for any time.
    pub tick: Ps,
    /// How long a thread runs while others of its core are ready.
    pub quantum: Ps,
    /// By how much of processor time a running thread has to be ahead of one that is woken before it is
    /// preempted; `Ps::MAX` where a wake-up never preempts.
    pub wake_lead: Ps,
    /// Beginning a thread, on the thread that does it.
    pub create: Ps,
    /// Ending a thread, on itself.
    pub end: Ps,
    /// Freeing what is left of it, on the thread that waits for its end.
    pub join: Ps,
    /// A memory barrier on every other core (Linux: `membarrier`).
    pub barrier: Ps,
    /// By how much each of the costs above that is above a system call varies, in percent, either way.
    pub spread: u32,
}

impl Costs {
    /// Linux with timers for any time.
    pub const LINUX: Costs = Costs {
        // Here: calibrate, "load, owned" and "exchange, owned".
        load: 500,
        exchange: 2_600,
        // Zen 3, same CCX: core-to-core latency of published measurements (AnandTech's review of EPYC
        // 7763, "Core-to-Core Latency": about 25 ns there and back to a line, 50 for the pair).
        near: 25 * NS,
        // Here: calibrate, "a line, one way" (431 to 461 ns there and back; the same review has 105 ns
        // on one socket and 215 between sockets).
        far: 215 * NS,
        neighbours: 8,
        // As an exchange on a line of one's own: x86 makes it with one.
        fence: 5 * NS,
        // Here: calibrate, "a system call" (187 to 248 ns).
        syscall: 250 * NS,
        // Here: from switch to switch a thread that does nothing but wait again takes 3 to 4 µs
        // (`perf record -e sched:sched_switch,sched:sched_waking` on `cargo xtask herd`), less two system
        // calls.
        switch: 2_500 * NS,
        // Here: the distance between two wake-ups in one FUTEX_WAKE or interrupt is 2 µs (the same trace).
        wake: 2 * US,
        // Here: calibrate, "wake, idle core" (64 to 73 µs there and back, so half of it).
        idle_exit: 30 * US,
        // Here: the same trace, a poll keeps its core for 4 to 6 µs from switch to switch.
        sleep: 1_500 * NS,
        interrupt: 2 * US,
        // Linux: the timer slack of a thread is 50 µs (prctl(2), PR_SET_TIMERSLACK).
        slack: 50 * US,
        tick: 0,
        // Linux 6.18: base_slice is 0.7 ms times 1 + log2(cores), 1.4 ms for two.
        quantum: 1_400 * US,
        // Here: the same trace, the shortest run of a thread that a wake-up preempted is 8 µs. Algorithms
        // that poll depend on this one wildly, others hardly (README, "How far it can be trusted").
        wake_lead: 8 * US,
        // Here: calibrate, a thread is created, ends and is joined in 48 µs; the end is 17 (the same
        // trace, state X), and half of the rest each.
        create: 16 * US,
        end: 17 * US,
        join: 15 * US,
        barrier: 10 * US,
        spread: 10,
    };

    /// FreeBSD 13: what differs from Linux. `usleep` ends with a tick of the clock (kern.hz=1000: 1 ms),
    /// ULE lets a thread run for 10 ms and more (kern.sched.quantum, 94,488 µs), and a wake-up of a thread of
    /// the same class preempts nobody (kern.sched.preempt_thresh=80).
    pub const FREEBSD: Costs =
        Costs { tick: MS, slack: 0, quantum: 94_488 * US, wake_lead: Ps::MAX, ..Costs::LINUX };

    /// Linux on the sixty-four cores and more of a server's bare metal: no hypervisor under the system
    /// calls, the timers and the idle loop.
    pub const SERVER: Costs = Costs {
        // Published for Zen 3 on one socket and between two (as above).
        far: 110 * NS,
        // Getpid-like calls with mitigations on current x86: 100 to 200 ns (lmbench, `lat_syscall null`).
        syscall: 120 * NS,
        // lmbench, `lat_ctx -s 0 2`: 1.2 to 2 µs with the pipe; the switch alone is about half.
        switch: 800 * NS,
        wake: 700 * NS,
        create: 10 * US,
        end: 8 * US,
        join: 4 * US,
        // The menu governor's C1 exit of EPYC is 1 µs, C2 is 400; an interrupt between cores 1 to 2.
        idle_exit: 5 * US,
        sleep: US,
        interrupt: US,
        quantum: 2_800 * US,
        barrier: 5 * US,
        ..Costs::LINUX
    };

    /// The costs by name, or out of a file that `cargo xtask simulate calibrate --json` wrote.
    ///
    /// # Errors
    ///
    /// Neither, and why.
    pub fn named(name: &str) -> Result<Costs, String> {
        match name {
            "linux" => return Ok(Costs::LINUX),
            "freebsd" => return Ok(Costs::FREEBSD),
            "server" => return Ok(Costs::SERVER),
            _ => {}
        }
        let text = std::fs::read_to_string(name)
            .map_err(|error| format!("neither linux, freebsd, server nor a file: {error}"))?;
        let costs: Costs = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        if costs.neighbours == 0 || costs.spread > 90 || costs.quantum == 0 {
            return Err("neighbours and quantum are not 0, and spread is at most 90".into());
        }
        Ok(costs)
    }
}

impl Costs {
    /// What a sleep of `asked` that begins at `now` ends at, before it varies.
    pub(crate) fn sleep_end(&self, now: Ps, asked: Ps) -> Ps {
        if self.tick == 0 {
            return now + asked + self.slack;
        }
        // The tick that is under way does not count: it may be as good as over.
        (now + asked).next_multiple_of(self.tick) + self.tick
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_is_late_by_the_slack_or_ends_with_a_tick() {
        assert_eq!(Costs::LINUX.sleep_end(7 * MS, US), 7 * MS + 51 * US);
        for begin in [7 * MS + 1, 7 * MS + 999 * US - 1] {
            assert_eq!(Costs::FREEBSD.sleep_end(begin, US), 9 * MS);
        }
        assert_eq!(Costs::FREEBSD.sleep_end(7 * MS, 20 * MS), 28 * MS);
    }

    #[test]
    fn costs_have_names() {
        assert_eq!(Costs::named("freebsd"), Ok(Costs::FREEBSD));
        assert!(Costs::named("plan9").unwrap_err().contains("linux, freebsd, server"));
    }

    #[test]
    fn costs_are_read_from_what_was_written() {
        let path = std::env::temp_dir().join(format!("extram-sim-costs-{}.json", std::process::id()));
        let mut costs = serde_json::to_value(Costs { far: 7, ..Costs::SERVER }).unwrap();
        std::fs::write(&path, costs.to_string()).unwrap();
        assert_eq!(Costs::named(path.to_str().unwrap()).unwrap().far, 7);
        costs["neighbours"] = 0.into();
        std::fs::write(&path, costs.to_string()).unwrap();
        let refused = Costs::named(path.to_str().unwrap());
        std::fs::remove_file(&path).unwrap();
        assert!(refused.unwrap_err().contains("neighbours"));
    }
}
