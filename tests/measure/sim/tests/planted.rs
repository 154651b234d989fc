//! Mistakes that are made in lock-free code, planted in toys: the seeds find them. What is right they let
//! pass.
#![cfg(extram_sim)]

use extram_core::Port;
use extram_core::sync::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use extram_sim::{Costs, Failure, Simulated, explore, thread};
use std::rc::Rc;

#[global_allocator]
static LINED: extram_sim::alloc::Lined = extram_sim::alloc::Lined;

/// The budget.
const SEEDS: u64 = 2000;

/// The first seed in which it goes wrong.
fn found(run: impl Fn() + Copy + 'static) -> Option<u64> {
    // What a planted bug says is not wanted on the terminal.
    std::panic::set_hook(Box::new(|_| ()));
    (0..SEEDS).find(|&seed| {
        let cores = 1 + (seed % 4) as u32;
        match explore(&Costs::LINUX, cores, seed, 8, run) {
            Ok(_) => false,
            Err(Failure::Refused(why)) => panic!("{why}"),
            Err(_) => true,
        }
    })
}

fn all(threads: u32, f: impl Fn(u32) + Clone + 'static) {
    let begin = |index| {
        let f = f.clone();
        thread::spawn(move || f(index)).unwrap()
    };
    let threads: Vec<_> = (0..threads).map(begin).collect();
    threads.into_iter().for_each(thread::join);
}

/// A stack of four nodes as in the core's list, with a version or without.
struct Stack<const VERSIONED: bool> {
    head: AtomicUsize,
    next: [AtomicUsize; 5],
}

impl<const VERSIONED: bool> Stack<VERSIONED> {
    fn full() -> Self {
        // 1 -> 2 -> 3 -> 4
        let next = [0, 2, 3, 4, 0].map(AtomicUsize::new);
        Stack { head: AtomicUsize::new(1), next }
    }

    fn change(&self, from: usize, to: usize) -> bool {
        let version = if VERSIONED { (from & !7).wrapping_add(8) } else { 0 };
        self.head.compare_exchange(from, version | to, SeqCst, SeqCst).is_ok()
    }

    fn pop(&self) -> Option<usize> {
        loop {
            let head = self.head.load(SeqCst);
            let node = head & 7;
            if node == 0 {
                return None;
            }
            let next = self.next[node].load(SeqCst);
            if self.change(head, next) {
                return Some(node);
            }
        }
    }

    fn push(&self, node: usize) {
        loop {
            let head = self.head.load(SeqCst);
            self.next[node].store(head & 7, SeqCst);
            if self.change(head, node) {
                return;
            }
        }
    }
}

/// Nobody holds a node that somebody else holds.
fn stack<const VERSIONED: bool>() {
    let stack = Rc::new(Stack::<VERSIONED>::full());
    let held: Rc<[AtomicU32; 5]> = Rc::new(std::array::from_fn(|_| AtomicU32::new(0)));
    all(3, move |_| {
        for _ in 0..4 {
            let two = [stack.pop(), stack.pop()];
            for node in two.into_iter().flatten() {
                assert_eq!(held[node].swap(1, SeqCst), 0, "a node in two hands");
            }
            for node in two.into_iter().flatten() {
                held[node].store(0, SeqCst);
                stack.push(node);
            }
        }
    });
}

#[test]
fn a_stack_without_a_version_is_caught_and_one_with_passes() {
    let seed = found(stack::<false>).expect("ABA is not found");
    println!("ABA at seed {seed}");
    assert_eq!(found(stack::<true>), None);
}

/// One thread waits for a flag, another raises it. A waiter that looks at the flag, and then sleeps on the
/// count as it is by then, sleeps for ever if the flag was raised in between.
fn flag<const RIGHT: bool>() {
    let (flag, turn) = (Rc::new(AtomicU32::new(0)), Rc::new(AtomicU32::new(0)));
    all(2, move |index| {
        if index == 1 {
            flag.store(1, SeqCst);
            turn.fetch_add(1, SeqCst);
            Simulated::wake(&raw const *turn, 1);
            return;
        }
        loop {
            let before = turn.load(SeqCst);
            if flag.load(SeqCst) == 1 {
                return;
            }
            let expected = if RIGHT { before } else { turn.load(SeqCst) };
            Simulated::wait(&turn, expected, None);
        }
    });
}

#[test]
fn a_lost_wake_up_is_caught_and_the_right_way_passes() {
    let seed = found(flag::<false>).expect("the lost wake-up is not found");
    println!("a lost wake-up at seed {seed}");
    assert_eq!(found(flag::<true>), None);
}
