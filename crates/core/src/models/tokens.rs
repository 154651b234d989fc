//! Tokens, and who is woken for them: nobody sleeps while a token is there and nobody is on the way.
//!
//! With a futex of its own: a thread that adds a token wakes somebody in a later step, and much may
//! happen between the two.

use crate::count::Era;
use crate::list::tokens::{Been, Look, Tokens};
use crate::models::model;
use crate::models::port::Shared;
use loom::sync::Mutex;
use loom::sync::atomic::{AtomicU32, Ordering};
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

    /// With so many that have come and sleep.
    fn asleep(count: u32) -> Rc<Self> {
        let line = Self::new();
        (0..count).for_each(|_| assert!(matches!(line.look(Been::Nowhere), Look::None(_)), "who sleeps"));
        line
    }

    fn look(&self, been: Been) -> Look {
        self.tokens.look::<Shared>(self.era(), been)
    }

    fn add(&self, count: u32) {
        let wake = self.tokens.add::<Shared>(count, self.era()).unwrap();
        let mut sleepers = self.sleepers.lock().unwrap();
        let woken = wake.min(sleepers.len() as u32) as usize;
        sleepers.drain(..woken).for_each(|sleeper| sleeper.unpark());
    }

    /// Comes, and takes a token sooner or later.
    fn take(&self) {
        assert!(self.take_unless(|| false));
    }

    /// The same, unless it may go away when it has slept and found none.
    fn take_unless(&self, goes: impl Fn() -> bool) -> bool {
        let mut been = Been::Nowhere;
        loop {
            let none = match self.look(been) {
                Look::Token => return true,
                Look::None(none) => none,
                // The moment is over.
                Look::Reserved => {
                    assert!(been == Been::Nowhere, "once");
                    been = Been::Aside;
                    thread::yield_now();
                    continue;
                }
                Look::Over => unreachable!("nobody forks"),
            };
            if been == Been::Asleep && goes() {
                self.tokens.go_away::<Shared>(self.era());
                return false;
            }
            been = Been::Asleep;
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
        match self.look(Been::Nowhere) {
            Look::Token => 1,
            Look::None(_) => {
                self.tokens.go_away::<Shared>(self.era());
                0
            }
            _ => 0,
        }
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
        let line = Line::asleep(1);
        let look = |been| line.look(been);
        line.add(1);
        assert!(matches!(look(Been::Nowhere), Look::Token), "it overtakes who sleeps");
        assert!(matches!(look(Been::Asleep), Look::None(_)), "who was woken, and is late");
        line.add(1);
        assert!(matches!(look(Been::Nowhere), Look::Reserved), "the next one is for who slept");
        assert!(matches!(look(Been::Asleep), Look::Token));
        line.add(1);
        assert!(matches!(look(Been::Nowhere), Look::Token), "and that was its turn");
    });
    // Whoever it was that came first, and though newcomers may pass still.
    model(0, || {
        let line = Line::asleep(2);
        let look = |been| line.look(been);
        line.add(1);
        assert!(matches!(look(Been::Asleep), Look::Token), "one of them");
        assert!(matches!(look(Been::Asleep), Look::None(_)), "the other was woken, and is late");
        line.add(1);
        assert!(matches!(look(Been::Nowhere), Look::Reserved));
        assert!(matches!(look(Been::Asleep), Look::Token));
    });
}

/// One newcomer may pass in a model, and the next steps aside, unless a token is there that no sleeper needs.
#[test]
fn after_so_many_newcomers_the_next_steps_aside() {
    model(0, || {
        let line = Line::asleep(2);
        let look = |been| line.look(been);
        line.add(1);
        assert!(matches!(look(Been::Nowhere), Look::Token), "it overtakes them");
        line.add(1);
        assert!(matches!(look(Been::Nowhere), Look::Reserved), "the next one is for who slept");
        assert!(matches!(look(Been::Asleep), Look::Token));
        line.add(1);
        assert!(matches!(look(Been::Nowhere), Look::Token), "and that was its turn");
        line.add(1);
        assert!(matches!(look(Been::Nowhere), Look::Reserved));
        assert!(matches!(look(Been::Aside), Look::Token), "nobody came in time");
        line.add(1);
        assert!(matches!(look(Been::Nowhere), Look::Token), "and so many pass again");
        line.add(2);
        assert!(matches!(look(Been::Nowhere), Look::Token), "one sleeps, and two are there");
        assert!(matches!(look(Been::Nowhere), Look::Reserved));
        line.tokens.go_away::<Shared>(line.era());
        assert!(matches!(look(Been::Nowhere), Look::Token), "nobody sleeps");
    });
}

/// A thread on whose coming others rely takes the token, or is seen to have gone before it was added.
///
/// Edge: waiting x time-out.
#[test]
fn a_wait_that_ends_leaves_nobody_asleep_for_ever() {
    model(2, || {
        let line = Line::new();
        // How many wait: who takes that down adds a token, or goes away without one.
        let waiting = Rc::new(AtomicU32::new(2));
        let fewer = |waiting: &AtomicU32| {
            let fewer = |waiting: u32| waiting.checked_sub(1);
            waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, fewer).is_ok()
        };
        let give = || fewer(&waiting).then(|| line.add(1)).is_some();
        let patient = line.taking();
        let hasty = {
            let (line, waiting) = (Rc::clone(&line), Rc::clone(&waiting));
            thread::spawn(move || line.take_unless(|| fewer(&waiting)))
        };
        give();
        // A newcomer overtakes who has been woken, or goes away, unless a token is for it.
        waiting.fetch_add(1, Ordering::AcqRel);
        if line.take_at_once() == 1 {
            give();
        } else if !fewer(&waiting) {
            line.take();
        }
        give();
        let _ = hasty.join().unwrap();
        patient.join().unwrap();
    });
}
