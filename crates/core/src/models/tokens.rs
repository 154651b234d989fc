//! Tokens, and who is woken for them: nobody sleeps while a token is there and nobody is on the way.
//!
//! With a futex of its own: a thread that adds a token wakes somebody in a later step, and much may
//! happen between the two.

use crate::count::Era;
use crate::list::tokens::{Look, Tokens};
use crate::models::model;
use crate::models::port::Shared;
use loom::sync::Mutex;
use loom::sync::atomic::Ordering;
use loom::thread::{self, Thread};
use std::rc::Rc;
use std::vec::Vec;

struct Line {
    tokens: Tokens,
    sleepers: Mutex<Vec<Thread>>,
}

impl Line {
    fn new() -> Rc<Self> {
        Rc::new(Line { tokens: Tokens::new(), sleepers: Mutex::new(Vec::new()) })
    }

    fn era(&self) -> Era {
        self.tokens.era::<Shared>()
    }

    fn add(&self, count: u32) {
        let wake = self.tokens.add(count, self.era()).unwrap();
        let mut sleepers = self.sleepers.lock().unwrap();
        let woken = wake.min(sleepers.len() as u32) as usize;
        sleepers.drain(..woken).for_each(|sleeper| sleeper.unpark());
    }

    /// Comes, and takes a token sooner or later.
    fn take(&self) {
        let mut slept = false;
        loop {
            let none = match self.tokens.look::<Shared>(self.era(), slept) {
                Look::Token => return,
                Look::None(none) => none,
                // The moment is over.
                Look::Reserved(_) => {
                    slept = true;
                    thread::yield_now();
                    continue;
                }
                Look::Over => unreachable!("nobody forks"),
            };
            slept = true;
            let mut sleepers = self.sleepers.lock().unwrap();
            if self.tokens.word().load(Ordering::Relaxed) == none {
                sleepers.push(thread::current());
                drop(sleepers);
                thread::park();
            }
        }
    }

    /// Comes, and goes again if there is none; how many it has taken.
    fn take_at_once(&self) -> u32 {
        u32::from(matches!(self.tokens.look::<Shared>(self.era(), false), Look::Token))
    }

    fn taking(self: &Rc<Self>) -> thread::JoinHandle<()> {
        let line = Rc::clone(self);
        thread::spawn(move || line.take())
    }
}

#[test]
fn each_token_is_taken_by_somebody() {
    model(2, || {
        let line = Line::new();
        let taking = [(); 2].map(|()| line.taking());
        line.add(1);
        line.add(1);
        taking.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// Edge: waiting x leave.
#[test]
fn a_token_that_a_newcomer_takes_leaves_nobody_asleep_for_ever() {
    model(2, || {
        let line = Line::new();
        let taking = [(); 2].map(|()| line.taking());
        line.add(1);
        // It overtakes who has been woken, or does not.
        for _ in 0..line.take_at_once() {
            line.add(1);
        }
        line.add(1);
        taking.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn several_tokens_at_once_wake_as_many() {
    model(2, || {
        let line = Line::new();
        let taking = [(); 2].map(|()| line.taking());
        line.add(1);
        let taken = line.take_at_once();
        line.add(1 + taken);
        taking.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn two_that_add_wake_two() {
    model(2, || {
        let line = Line::new();
        let taking = [(); 2].map(|()| line.taking());
        let other = {
            let line = Rc::clone(&line);
            thread::spawn(move || line.add(1))
        };
        let taken = line.take_at_once();
        line.add(1 + taken);
        other.join().unwrap();
        taking.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// Without a clock: whenever one is late.
#[test]
fn a_newcomer_steps_aside_for_one_that_was_woken_for_nothing() {
    model(0, || {
        let line = Line::new();
        let look = |slept| line.tokens.look::<Shared>(line.era(), slept);
        line.add(1);
        assert!(matches!(look(false), Look::Token), "it overtakes who sleeps");
        assert!(matches!(look(true), Look::None(_)), "who was woken, and is late");
        line.add(1);
        assert!(matches!(look(false), Look::Reserved(_)), "the next one is for who slept");
        assert!(matches!(look(true), Look::Token));
        line.add(1);
        assert!(matches!(look(false), Look::Token), "and that was its turn");
    });
}
