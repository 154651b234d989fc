//! The costs of the machine at hand, as far as a program can see them.
//!
//! Each is the lowest tenth of many measurements: what others of the machine do meanwhile only adds.

use crate::Ps;
use crate::costs::{Costs, NS};
use crate::report::{plain, time};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// On a line of its own.
#[repr(align(128))]
#[derive(Default)]
struct Line<T>(T);

/// A tenth of the values is below it.
fn low(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 10]
}

/// Nanoseconds that `f` takes, of `times` times in a row.
fn each(times: u32, mut f: impl FnMut()) -> f64 {
    let begin = Instant::now();
    (0..times).for_each(|_| f());
    begin.elapsed().as_nanos() as f64 / f64::from(times)
}

fn many(times: u32, mut f: impl FnMut()) -> f64 {
    low((0..500).map(|_| each(times, &mut f)).collect())
}

/// Keeps the calling thread on a core; `false` where that cannot be done.
#[cfg(target_os = "linux")]
fn pin(core: usize) -> bool {
    // SAFETY: a plain set, for which all zero is a value, and the calling thread.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &set) == 0
    }
}

#[cfg(not(target_os = "linux"))]
fn pin(_: usize) -> bool {
    false
}

/// How much of two processors this process gets, in percent: others of the machine have the rest.
pub fn share() -> f64 {
    const TIME: Duration = Duration::from_millis(20);
    let shares = (0..9).map(|_| {
        let begin = Instant::now();
        let spin = || {
            let end = processor_time() + TIME;
            while processor_time() < end {}
        };
        thread::scope(|scope| {
            scope.spawn(spin);
            scope.spawn(spin);
        });
        TIME.as_secs_f64() / begin.elapsed().as_secs_f64() * 100.0
    });
    let mut shares: Vec<f64> = shares.collect();
    shares.sort_by(f64::total_cmp);
    shares[shares.len() / 2]
}

fn futex(word: &AtomicU32, wake: bool, value: u32) {
    #[cfg(target_os = "linux")]
    // SAFETY: the word lives as long as the borrow; any result is an early return.
    unsafe {
        let op = if wake { libc::FUTEX_WAKE } else { libc::FUTEX_WAIT } | libc::FUTEX_PRIVATE_FLAG;
        let word: *const AtomicU32 = word;
        libc::syscall(libc::SYS_futex, word, op, value, std::ptr::null::<libc::timespec>());
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (word, wake, value);
        thread::yield_now();
    }
}

fn await_change(word: &AtomicU32, from: u32) {
    while word.load(Ordering::Acquire) == from {
        futex(word, false, from);
    }
}

/// From one thread to another and back, by futex, half: waking, waiting, and the way to running.
fn ping_pong(cores: [usize; 2]) -> f64 {
    const ROUNDS: u32 = 4000;
    let words: Arc<[Line<AtomicU32>; 2]> = Arc::default();
    let theirs = Arc::clone(&words);
    let other = thread::spawn(move || {
        pin(cores[1]);
        for round in 0..ROUNDS {
            await_change(&theirs[0].0, round);
            theirs[1].0.store(round + 1, Ordering::Release);
            futex(&theirs[1].0, true, 1);
        }
    });
    pin(cores[0]);
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let begin = Instant::now();
        words[0].0.store(round + 1, Ordering::Release);
        futex(&words[0].0, true, 1);
        await_change(&words[1].0, round);
        times.push(begin.elapsed().as_nanos() as f64 / 2.0);
    }
    let _ = other.join();
    low(times)
}

/// From one thread to another on the same core, when one yields.
fn yields() -> f64 {
    const ROUNDS: u32 = 2000;
    let times = (0..20).map(|_| {
        let begin = Instant::now();
        let all_yield = || (0..ROUNDS).for_each(|_| thread::yield_now());
        let other = thread::spawn(all_yield);
        all_yield();
        let _ = other.join();
        begin.elapsed().as_nanos() as f64 / f64::from(2 * ROUNDS)
    });
    low(times.collect())
}

/// From one thread to the next of so many on one core that wake each other in a ring.
fn ring(threads: u32) -> f64 {
    const HOPS: u32 = 8192;
    let words: Arc<[Line<AtomicU32>]> = (0..threads).map(|_| Line::default()).collect();
    let member = |index: usize| {
        let words = Arc::clone(&words);
        let run = move || {
            pin(0);
            for round in 0..HOPS / threads {
                await_change(&words[index].0, round);
                let next = &words[(index + 1) % words.len()].0;
                next.fetch_add(1, Ordering::Release);
                futex(next, true, 1);
            }
        };
        thread::Builder::new().stack_size(64 << 10).spawn(run)
    };
    let times = (0..10).map(|_| {
        words.iter().for_each(|word| word.0.store(0, Ordering::Relaxed));
        let members: Vec<_> = (0..words.len()).map(member).collect();
        // All of them sleep.
        thread::sleep(Duration::from_millis(50));
        let begin = Instant::now();
        words[0].0.fetch_add(1, Ordering::Release);
        futex(&words[0].0, true, 1);
        members.into_iter().flatten().for_each(|member| _ = member.join());
        begin.elapsed().as_nanos() as f64 / f64::from(HOPS)
    });
    low(times.collect())
}

/// What a sleep costs all in all on a core where many threads sleep again and again.
fn poll() -> f64 {
    const SLEEPERS: u32 = 200;
    let polls = Arc::new(Line(AtomicU32::new(0)));
    let over = Arc::new(Line(AtomicU32::new(0)));
    let sleeper = |_| {
        let (polls, over) = (Arc::clone(&polls), Arc::clone(&over));
        thread::spawn(move || {
            while over.0.load(Ordering::Relaxed) == 0 {
                thread::sleep(Duration::from_micros(1));
                polls.0.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    let sleepers: Vec<_> = (0..SLEEPERS).map(sleeper).collect();
    let times = (0..20).map(|_| {
        let (begin, before) = (Instant::now(), polls.0.load(Ordering::Relaxed));
        thread::sleep(Duration::from_millis(20));
        let polls = polls.0.load(Ordering::Relaxed).wrapping_sub(before).max(1);
        begin.elapsed().as_nanos() as f64 / f64::from(polls)
    });
    let time = low(times.collect());
    over.0.store(1, Ordering::Relaxed);
    sleepers.into_iter().for_each(|sleeper| _ = sleeper.join());
    time
}

/// A line from one core to another.
fn transfer() -> f64 {
    const ROUNDS: u64 = 200_000;
    let word: Arc<Line<AtomicU64>> = Arc::default();
    let theirs = Arc::clone(&word);
    let other = thread::spawn(move || {
        pin(1);
        for round in 0..ROUNDS {
            while theirs.0.load(Ordering::Acquire) != 2 * round + 1 {}
            theirs.0.store(2 * round + 2, Ordering::Release);
        }
    });
    pin(0);
    let mut times = Vec::new();
    for block in 0..ROUNDS / 100 {
        let begin = Instant::now();
        for round in block * 100..block * 100 + 100 {
            word.0.store(2 * round + 1, Ordering::Release);
            while word.0.load(Ordering::Acquire) != 2 * round + 2 {}
        }
        times.push(begin.elapsed().as_nanos() as f64 / 200.0);
    }
    let _ = other.join();
    low(times)
}

/// Waking one of many sleepers, who are on another core if there is one.
fn wake(other_core: usize) -> f64 {
    const SLEEPERS: u32 = 256;
    pin(0);
    let times = (0..40).map(|_| {
        let words: Arc<[Line<AtomicU32>; 2]> = Arc::default();
        let sleepers: Vec<_> = (0..SLEEPERS)
            .map(|_| {
                let words = Arc::clone(&words);
                thread::spawn(move || {
                    pin(other_core);
                    words[1].0.fetch_add(1, Ordering::Release);
                    await_change(&words[0].0, 0);
                })
            })
            .collect();
        while words[1].0.load(Ordering::Acquire) < SLEEPERS {
            thread::sleep(Duration::from_micros(200));
        }
        thread::sleep(Duration::from_millis(1));
        words[0].0.store(1, Ordering::Release);
        let begin = Instant::now();
        futex(&words[0].0, true, SLEEPERS);
        let time = begin.elapsed().as_nanos() as f64 / f64::from(SLEEPERS);
        for sleeper in sleepers {
            let _ = sleeper.join();
        }
        time
    });
    low(times.collect())
}

fn processor_time() -> Duration {
    // SAFETY: a plain structure, for which all zero is a value, and a place for the answer.
    let time = unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time);
        time
    };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// By how much a sleep of 1 µs is late, and what it costs in processor time.
fn sleep() -> [f64; 2] {
    let (mut costs, mut late) = (Vec::new(), Vec::new());
    for _ in 0..400 {
        let (cpu, begin) = (processor_time(), Instant::now());
        thread::sleep(Duration::from_micros(1));
        late.push(begin.elapsed().as_nanos() as f64 - 1000.0);
        costs.push((processor_time() - cpu).as_nanos() as f64);
    }
    [low(late), low(costs)]
}

/// The costs of this machine. What cannot be measured from a program is as in [`Costs::LINUX`].
///
/// # Errors
///
/// It is not Linux, or has one processor.
pub fn calibrate() -> Result<Costs, String> {
    if !pin(0) || !pin(1) {
        return Err("calibrating takes Linux and two processors that this process may use".into());
    }
    pin(0);
    let own = Line(AtomicU64::new(0));
    let load = many(1000, || _ = std::hint::black_box(&own).0.load(Ordering::Relaxed));
    let exchange = many(1000, || _ = own.0.fetch_add(1, Ordering::Relaxed));
    // SAFETY: no arguments, and it never fails.
    let syscall = many(20, || _ = unsafe { libc::syscall(libc::SYS_getppid) });
    let far = transfer();
    let wake = (wake(1) - syscall / 256.0).max(100.0);
    let switch = (yields() - syscall).max(200.0);
    // Of a poll the switch and the system call are known; the rest is half before the sleep and half at its end.
    let rest = (poll() - switch - syscall).max(200.0);
    const MANY: u32 = 1024;
    let cooling = ((ring(MANY) - ring(2)) / f64::from(MANY.ilog2() - 1)).max(0.0);
    let idle_exit = (ping_pong([0, 1]) - 2.0 * syscall - wake - switch).max(0.0);
    let [late, sleep_cost] = sleep();
    let threads = many(1, || _ = thread::spawn(|| ()).join());
    let mut costs = Costs::LINUX;
    let ps = |ns: f64| (ns * NS as f64) as Ps;
    (costs.load, costs.exchange, costs.far, costs.near) = (ps(load), ps(exchange), ps(far), ps(far));
    (costs.syscall, costs.wake, costs.switch, costs.idle_exit) =
        (ps(syscall), ps(wake), ps(switch), ps(idle_exit));
    costs.cooling = ps(cooling);
    (costs.sleep, costs.interrupt) = (ps(rest / 2.0), ps(rest / 2.0));
    costs.slack = ps((late - sleep_cost).max(0.0)).min(costs.slack.max(ps(late / 2.0)));
    (costs.create, costs.end, costs.join) = (ps(threads / 3.0), ps(threads / 3.0), ps(threads / 3.0));
    Ok(costs)
}

/// Beside the defaults.
pub fn table(costs: &Costs) -> String {
    let of = |what: &str, get: fn(&Costs) -> Ps| {
        let us = |costs| time(get(costs) as f64 / 1e6);
        vec![what.to_owned(), us(costs), us(&Costs::LINUX), us(&Costs::SERVER)]
    };
    plain(
        &["", "here", "linux", "server"],
        [
            of("load, owned", |costs| costs.load),
            of("exchange, owned", |costs| costs.exchange),
            of("a line, one way", |costs| costs.far),
            of("a system call", |costs| costs.syscall),
            of("waking one", |costs| costs.wake),
            of("switch", |costs| costs.switch),
            of("cooling", |costs| costs.cooling),
            of("wake, idle core", |costs| costs.idle_exit),
            of("going to sleep", |costs| costs.sleep),
            of("the end of a sleep", |costs| costs.interrupt),
            of("a sleep is late by", |costs| costs.slack),
            of("create a thread", |costs| costs.create),
            of("end a thread", |costs| costs.end),
            of("join a thread", |costs| costs.join),
        ],
    )
}
