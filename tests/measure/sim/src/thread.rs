//! What code on a simulated thread calls: each call takes the time that it costs.

use crate::line::Access;
use crate::machine::{Ask, Tid, Until, inside, stop, with};
use crate::{Ps, port};
use extram_core::Refused;

/// The virtual time.
pub fn now() -> Ps {
    with(|m| m.now)
}

/// The core that the calling thread runs on.
pub fn core() -> u32 {
    with(|m| m.current_core())
}

/// A number below `below`, by the seed.
pub fn random(below: u64) -> u64 {
    with(|m| m.random(below))
}

/// Goes on at that time.
fn reach(at: Ps) {
    if !with(|m| m.pass(at)) {
        stop(Ask::Until(at));
    }
}

/// Accesses a word. Nothing outside of simulated threads.
pub fn access(address: usize, access: Access) {
    if inside() {
        let end = with(|m| m.access(address, access));
        reach(end);
    }
}

/// Has the core tell of its accesses.
#[cfg(extram_sim)]
pub(crate) fn watch() {
    use extram_core::sync::Access as Told;
    extram_core::sync::watch(|address, told| {
        access(
            address,
            match told {
                Told::Load => Access::Load,
                Told::Store | Told::Exchange => Access::Exchange,
                Told::Fence => Access::Fence,
            },
        );
    });
}

/// Keeps the core busy for so much processor time. Can be preempted.
pub fn compute(time: Ps) {
    if time > 0 && !with(|m| m.pass(m.now + time)) {
        stop(Ask::Compute(time));
    }
}

/// A cost of the system, as it is this time.
fn pay(cost: impl FnOnce(&crate::Costs) -> Ps) {
    let cost = with(|m| {
        let cost = cost(&m.costs.clone());
        m.vary(cost)
    });
    compute(cost);
}

/// A system call: on Linux it is not preempted before its end.
fn in_kernel<T>(call: impl FnOnce() -> T) -> T {
    with(|m| m.enter_kernel());
    let result = call();
    if with(|m| m.leave_kernel()) {
        stop(Ask::Until(now()));
    }
    result
}

/// Sleeps for `time` and for as much longer as the system is late.
pub fn sleep(time: Ps) {
    in_kernel(|| {
        pay(|costs| costs.syscall + costs.sleep);
        let until = with(|m| {
            m.note_sleep();
            let costs = m.costs.clone();
            let end = costs.sleep_end(m.now, time);
            // Ticks are the same for all; timers for any time are not.
            if costs.tick > 0 {
                Until { earliest: end, latest: end }
            } else {
                Until { earliest: m.now + time, latest: m.now + m.vary(end - m.now) }
            }
        });
        stop(Ask::Away(Some(until)));
    });
}

/// Lets others go first.
pub fn yield_now() {
    in_kernel(|| {
        pay(|costs| costs.syscall);
        stop(Ask::Yield);
    });
}

/// Waits until the word is woken, or until that time, if the word still says what is expected.
pub fn wait(address: usize, still: impl FnOnce() -> bool, until: Option<Ps>) {
    in_kernel(|| {
        pay(|costs| costs.syscall);
        access(address, Access::Load);
        // From here to the stop nobody else runs: the look and the rest are one step, as a futex promises.
        if still() {
            with(|m| m.line_up(address));
            stop(Ask::Away(until.map(|end| Until { earliest: end, latest: end })));
        }
    });
}

/// Waits for something that comes about after that time, whatever it is.
pub fn block(time: Ps) {
    if time > 0 {
        let until = now() + time;
        // A word that nobody wakes.
        wait(0, || true, Some(until));
    }
}

/// Wakes so many that wait on the word; how many there were.
pub fn wake(address: usize, count: u32) -> u32 {
    in_kernel(|| {
        pay(|costs| costs.syscall);
        let mut woken = 0;
        while woken < count {
            let woke = with(|m| {
                let first = m.first_waiting(address);
                first.map(|first| m.come_back(first)).is_some()
            });
            if !woke {
                break;
            }
            pay(|costs| costs.wake);
            woken += 1;
        }
        woken
    })
}

/// Begins a thread.
///
/// # Errors
///
/// The system has no stack for it.
pub fn spawn(f: impl FnOnce() + 'static) -> Result<Tid, Refused> {
    in_kernel(|| {
        pay(|costs| costs.create);
        with(|m| m.begin(f)).map_err(|_| Refused)
    })
}

/// Waits until it has ended.
pub fn join(thread: Tid) {
    in_kernel(|| {
        pay(|costs| costs.syscall);
        if with(|m| m.join(thread)) {
            stop(Ask::Away(None));
        }
    });
    in_kernel(|| pay(|costs| costs.join));
    debug_assert!(with(|m| m.is_over(thread)), "a join that ends early");
}

/// The calling thread's end: its hooks, and what ending costs.
pub(crate) fn end() {
    port::exit_thread();
    in_kernel(|| pay(|costs| costs.end));
}

/// A memory barrier on all cores.
pub(crate) fn barrier() {
    pay(|costs| costs.barrier);
}
