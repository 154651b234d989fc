//! The clock and the scheduler, by what threads see of them. Accesses to the core's atomics are not needed.

use extram_sim::costs::{MS, Scheduler, US};
use extram_sim::line::Access;
use extram_sim::{Costs, Failure, Ps, simulate, thread};
use std::cell::RefCell;
use std::rc::Rc;

#[global_allocator]
static LINED: extram_sim::alloc::Lined = extram_sim::alloc::Lined;

/// Nothing costs anything that a test does not name, and nothing varies.
const FREE: Costs = Costs {
    load: 0,
    exchange: 0,
    near: 0,
    far: 0,
    neighbours: 8,
    fence: 0,
    syscall: 0,
    switch: 0,
    cooling: 0,
    wake: 0,
    idle_exit: 0,
    sleep: 0,
    interrupt: 0,
    slack: 0,
    tick: 0,
    scheduler: Scheduler::Turns { quantum: 10 * MS },
    create: 0,
    end: 0,
    join: 0,
    barrier: 0,
    spread: 0,
};

/// When each of so many threads that compute for `time` has done so.
fn ends(costs: &Costs, cores: u32, threads: u32, time: Ps) -> Vec<Ps> {
    let (ends, _) = simulate(costs, cores, 1, move || {
        let ends = Rc::new(RefCell::new(Vec::new()));
        let begin = |_| {
            let ends = Rc::clone(&ends);
            thread::spawn(move || {
                thread::compute(time);
                ends.borrow_mut().push(thread::now());
            })
            .unwrap()
        };
        let all: Vec<_> = (0..threads).map(begin).collect();
        all.into_iter().for_each(thread::join);
        ends.take()
    })
    .unwrap();
    ends
}

#[test]
fn computing_takes_its_time_and_cores_share_it() {
    assert_eq!(ends(&FREE, 1, 3, MS), [MS, 2 * MS, 3 * MS], "within a quantum one after the other");
    assert_eq!(ends(&FREE, 4, 3, MS), [MS; 3]);
    assert_eq!(ends(&FREE, 2, 4, MS), [MS, MS, 2 * MS, 2 * MS]);
}

#[test]
fn a_quantum_ends_a_turn_and_a_switch_costs() {
    let fair = Costs { scheduler: Scheduler::Turns { quantum: MS }, ..FREE };
    let ended = ends(&fair, 1, 2, 1_500 * US);
    assert_eq!(ended, [2_500 * US, 3 * MS], "in turns of 1 ms");
    let dear = Costs { switch: 10 * US, ..FREE };
    let ended = ends(&dear, 1, 2, MS);
    assert_eq!(ended[1] - ended[0], MS + 10 * US);
}

#[test]
fn a_switch_costs_more_the_more_others_have_run_since() {
    // In turns of 1 ms: what cooling adds to each, on an average.
    let adds = |threads: u32| {
        let fair = Costs { scheduler: Scheduler::Turns { quantum: MS }, ..FREE };
        let cooling = Costs { cooling: US, ..fair.clone() };
        let [without, with] = [fair, cooling].map(|costs| ends(&costs, 1, threads, 8 * MS).pop().unwrap());
        (with - without) / Ps::from(8 * threads)
    };
    assert!(adds(2) < US / 4, "{}: the one other is hardly one more", adds(2));
    // Sixteen others are four times twice as many, and there is the thread that waits for all.
    assert!((7 * US / 2..=9 * US / 2).contains(&adds(17)), "{}", adds(17));
}

#[test]
fn a_sleeper_comes_back_late_by_the_slack_and_the_core_is_anothers_meanwhile() {
    let costs = Costs { slack: 50 * US, ..FREE };
    let ((slept, worked), figures) = simulate(&costs, 1, 1, || {
        let worked = Rc::new(RefCell::new(0));
        let place = Rc::clone(&worked);
        let other = thread::spawn(move || {
            thread::compute(30 * US);
            *place.borrow_mut() = thread::now();
        });
        thread::sleep(US);
        let slept = thread::now();
        thread::join(other.unwrap());
        (slept, worked.take())
    })
    .unwrap();
    assert_eq!((slept, worked), (51 * US, 30 * US));
    assert_eq!((figures.sleeps, figures.preempted), (1, 0));
}

/// Linux's scheduler, on one core.
const FAIR: Costs = Costs {
    scheduler: Scheduler::Eevdf { base_slice: 700 * US, tick: 4 * MS, neighbour: false },
    slack: 50 * US,
    ..FREE
};

#[test]
fn linux_looks_at_slices_with_the_tick_and_freebsd_preempts_nobody_for_a_sleeper() {
    assert_eq!(ends(&FAIR, 1, 2, 6 * MS), [10 * MS, 12 * MS], "in turns of a tick");
    let woken_after = |costs| {
        let (at, figures) = simulate(costs, 1, 1, || {
            thread::spawn(|| thread::compute(5 * MS)).unwrap();
            thread::sleep(US);
            thread::now()
        })
        .unwrap();
        (at, figures.preempted)
    };
    // The sleeper was not behind, so that the other one is protected (`RUN_TO_PARITY`).
    assert_eq!(woken_after(&FAIR), (4 * MS, 1));
    assert_eq!(woken_after(&Costs { slack: 50 * US, ..FREE }), (5 * MS, 0));
}

/// As measured on Linux 6.18: beside two threads that compute a sleep of 50 µs takes 107, and 5 to 10 of 2400
/// take milliseconds, when the sleeper has used up by how much it was behind.
#[test]
fn a_sleeper_is_in_time_beside_threads_that_compute() {
    let (late, _) = simulate(&FAIR, 1, 1, || {
        let compute = |_| thread::spawn(|| (0..300).for_each(|_| thread::compute(MS))).unwrap();
        let all: Vec<_> = (0..2).map(compute).collect();
        let late = (0..2_000).filter(|_| {
            let begin = thread::now();
            thread::sleep(50 * US);
            thread::compute(6 * US);
            thread::now() - begin > 500 * US
        });
        let late = late.count();
        all.into_iter().for_each(thread::join);
        late
    })
    .unwrap();
    assert!((1..40).contains(&late), "{late}");
}

/// Switches and preemptions of 100 threads that sleep again and again, for 100 ms.
fn pollers(costs: &Costs) -> [u64; 2] {
    let (_, figures) = simulate(costs, 1, 1, || {
        let poll = |_| {
            thread::spawn(|| {
                while thread::now() < 100 * MS {
                    thread::sleep(US);
                }
            })
            .unwrap()
        };
        let all: Vec<_> = (0..100).map(poll).collect();
        all.into_iter().for_each(thread::join);
    })
    .unwrap();
    [figures.switches, figures.preempted]
}

/// As measured on Linux 6.18, where an interrupt comes every 50 µs: half of them preempt with a neighbour.
#[test]
fn a_neighbour_makes_wake_ups_preempt() {
    let [switches, alone] = pollers(&Costs::LINUX);
    let [_, beside] = pollers(&Costs::NEIGHBOUR);
    assert!(alone < switches / 100, "{alone} of {switches}");
    assert!((500..1_500).contains(&beside), "{beside} of 2000 interrupts");
}

#[test]
fn one_interrupt_ends_all_sleeps_that_may_end() {
    let ends = Rc::new(RefCell::new(Vec::new()));
    let place = Rc::clone(&ends);
    simulate(&FAIR, 1, 1, move || {
        let sleep = |index: u64| {
            let place = Rc::clone(&place);
            thread::spawn(move || {
                thread::compute(index * 20 * US);
                thread::sleep(US);
                place.borrow_mut().push(thread::now());
            })
            .unwrap()
        };
        let all: Vec<_> = (0..3).map(sleep).collect();
        all.into_iter().for_each(thread::join);
    })
    .unwrap();
    // They go to sleep at 0, 20 and 60 µs; the first timer's last time is 51.
    assert_eq!(ends.take(), [60 * US, 60 * US, 111 * US]);
}

#[test]
fn a_wait_ends_by_a_wake_up_or_by_its_time_and_not_if_the_word_has_changed() {
    let (times, figures) = simulate(&FREE, 2, 1, || {
        let waiter = thread::spawn(|| {
            thread::wait(64, || true, None);
            assert_eq!(thread::now(), 3 * MS, "woken");
            thread::wait(64, || true, Some(4 * MS));
            assert_eq!(thread::now(), 4 * MS, "its time");
            thread::wait(64, || false, None);
            assert_eq!(thread::now(), 4 * MS, "at once");
        });
        thread::compute(3 * MS);
        let woke = [thread::wake(64, 5), thread::wake(64, 5)];
        thread::join(waiter.unwrap());
        woke
    })
    .unwrap();
    assert_eq!((times, figures.wakes), ([1, 0], 1));
}

#[test]
fn an_access_waits_for_the_line() {
    let costs = Costs { exchange: 1, near: 100, far: 1_000, ..FREE };
    let (took, figures) = simulate(&costs, 2, 1, || {
        thread::access(0x4000, Access::Exchange);
        let other = thread::spawn(|| {
            let begin = thread::now();
            thread::access(0x4000, Access::Exchange);
            assert_eq!(thread::now() - begin, 101);
        });
        // On its own core, while the other is on the other one.
        thread::compute(MS);
        let begin = thread::now();
        thread::access(0x4000, Access::Exchange);
        let took = thread::now() - begin;
        thread::join(other.unwrap());
        took
    })
    .unwrap();
    assert_eq!(took, 101);
    assert_eq!((figures.traffic.transfers, figures.traffic.hits), (2, 1));
}

#[test]
fn a_deadlock_and_a_panic_are_told() {
    let deadlock = simulate(&FREE, 1, 1, || thread::wait(64, || true, None)).unwrap_err();
    assert!(matches!(&deadlock, Failure::Deadlock { waiting, .. } if waiting == &[0]), "{deadlock}");
    let ends = || -> () { std::panic::resume_unwind(Box::new("on purpose")) };
    let panic = simulate(&FREE, 1, 1, ends).map(|_| ());
    let text = panic.unwrap_err().to_string();
    assert!(text.contains("on purpose"), "{text}");
    let none = simulate(&FREE, 0, 1, || ()).map(|_| ()).unwrap_err().to_string();
    assert!(none.contains("1 to 512"), "{none}");
}

#[test]
fn the_same_seed_gives_the_same_figures_and_another_one_others() {
    let run = |seed| {
        let (_, figures) = simulate(&Costs::LINUX, 3, seed, || {
            let all: Vec<_> = (0..40)
                .map(|index| {
                    thread::spawn(move || {
                        thread::sleep(index * US);
                        thread::compute(thread::random(100) * US);
                        thread::yield_now();
                    })
                    .unwrap()
                })
                .collect();
            all.into_iter().for_each(thread::join);
        })
        .unwrap();
        figures
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
