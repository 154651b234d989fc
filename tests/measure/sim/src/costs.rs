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

/// Who has a core, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Scheduler {
    /// Whoever has had least, for a quantum; a wake-up preempts nobody.
    Turns {
        /// How long a thread runs while others of its core are ready.
        quantum: Ps,
    },
    /// Linux's, as of 6.18.
    Eevdf {
        /// What a thread may ask for at a time on a machine of one core; on others it is more.
        base_slice: Ps,
        /// So often it is seen whether it has had that.
        tick: Ps,
        /// On each core somebody of another group (another session, another container) is ready too.
        neighbour: bool,
    },
}

impl Scheduler {
    fn is_possible(self) -> bool {
        match self {
            Scheduler::Turns { quantum } => quantum > 0,
            Scheduler::Eevdf { base_slice, tick, .. } => base_slice > 0 && tick > 0,
        }
    }
}

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
    /// What it takes more each time that twice as many others have had the core since the thread had it last:
    /// what it left in the caches is gone bit by bit.
    pub cooling: Ps,
    /// What waking one thread costs the core that does it.
    pub wake: Ps,
    /// Until a thread that is woken runs on a core that was idle.
    pub idle_exit: Ps,
    /// What going to sleep for a time costs its core beyond the system call.
    pub sleep: Ps,
    /// What the end of a sleep costs the core on which the sleeper ran last, in the timer's interrupt.
    pub interrupt: Ps,
    /// The least time by which a sleep is late.
    pub slack: Ps,
    /// Sleeps end with a tick of the clock of this length, the next but one at the earliest; 0 where
    /// there are timers for any time.
    pub tick: Ps,
    /// Who has a core, and for how long.
    pub scheduler: Scheduler,
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
        // Here: calibrate, "switch": two threads of one core that yield, 1.8 µs each with the system call.
        switch: 1_600 * NS,
        // Here: calibrate, "cooling": threads of one core that wake each other in a ring, from one to the next.
        // 2.8 µs with 2 threads, 5.5 with 16, 5.7 to 7 with 100 and with 300, 10.6 to 12 with 1000, 13 with 4000.
        cooling: 900 * NS,
        // Here: calibrate, "waking one", of 256 who sleep on the other core (1.5 µs, and 2 if few are woken).
        wake: 1_500 * NS,
        // Here: calibrate, "wake, idle core" (64 to 73 µs there and back, so half of it).
        idle_exit: 30 * US,
        // Here: calibrate, on a core where hundreds of threads sleep again and again each sleep takes 3.2 to
        // 3.9 µs with a switch and a system call; half of the rest each. (What a trace shows is more: it costs
        // as much as the rest.)
        sleep: 700 * NS,
        interrupt: 700 * NS,
        // Linux: the timer slack of a thread is 50 µs (prctl(2), PR_SET_TIMERSLACK).
        slack: 50 * US,
        tick: 0,
        // Linux 6.18: `sysctl_sched_base_slice` of kernel/sched/fair.c. Here, and by default
        // (kernel/Kconfig.hz), CONFIG_HZ is 250.
        scheduler: Scheduler::Eevdf { base_slice: 700 * US, tick: 4 * MS, neighbour: false },
        // Here: calibrate, a thread is created, ends and is joined in 48 µs; the end is 17 (the same
        // trace, state X), and half of the rest each.
        create: 16 * US,
        end: 17 * US,
        join: 15 * US,
        barrier: 10 * US,
        spread: 10,
    };

    /// The same beside others: wake-ups make the current thread give way far more often.
    ///
    /// Here: on a core with 200 threads that poll, 54 % of the interrupts that woke three and more preempted
    /// the current one while a thread of another session was ready there, and 3 to 4 % while none was, or
    /// one of the same session (`perf record -e sched:sched_switch,sched:sched_wakeup`).
    pub const NEIGHBOUR: Costs = Costs {
        scheduler: Scheduler::Eevdf { base_slice: 700 * US, tick: 4 * MS, neighbour: true },
        ..Costs::LINUX
    };

    /// FreeBSD 13: what differs from Linux. `usleep` ends with a tick of the clock (kern.hz=1000: 1 ms),
    /// ULE lets a thread run for 10 ms and more (kern.sched.quantum, 94,488 µs), and a wake-up of a thread of
    /// the same class preempts nobody (kern.sched.preempt_thresh=80).
    pub const FREEBSD: Costs =
        Costs { tick: MS, slack: 0, scheduler: Scheduler::Turns { quantum: 94_488 * US }, ..Costs::LINUX };

    /// Linux on the sixty-four cores and more of a server's bare metal: no hypervisor under the system
    /// calls, the timers and the idle loop.
    pub const SERVER: Costs = Costs {
        // Published for Zen 3 on one socket and between two (as above).
        far: 110 * NS,
        // Getpid-like calls with mitigations on current x86: 100 to 200 ns (lmbench, `lat_syscall null`).
        syscall: 120 * NS,
        // lmbench, `lat_ctx -s 0 2`: 1.2 to 2 µs with the pipe; the switch alone is about half.
        switch: 800 * NS,
        // Caches are as large, and pages are looked up once and not twice: half, an estimate.
        cooling: 450 * NS,
        wake: 700 * NS,
        create: 10 * US,
        end: 8 * US,
        join: 4 * US,
        // The menu governor's C1 exit of EPYC is 1 µs, C2 is 400; an interrupt between cores 1 to 2.
        idle_exit: 5 * US,
        // A third less than in a guest, where the timer is the hypervisor's: an estimate.
        sleep: 500 * NS,
        interrupt: 500 * NS,
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
            "neighbour" => return Ok(Costs::NEIGHBOUR),
            "freebsd" => return Ok(Costs::FREEBSD),
            "server" => return Ok(Costs::SERVER),
            _ => {}
        }
        let text = std::fs::read_to_string(name)
            .map_err(|error| format!("neither linux, neighbour, freebsd, server nor a file: {error}"))?;
        let costs: Costs = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        if costs.neighbours == 0 || costs.spread > 90 || !costs.scheduler.is_possible() {
            return Err("neighbours and times of the scheduler are not 0, and spread is at most 90".into());
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
        assert!(Costs::named("plan9").unwrap_err().contains("linux, neighbour, freebsd, server"));
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
