//! What can happen next: each step is one exchange on the word, or one step in private.

use crate::rules::{Claims, Rules};
use crate::state::{At, Scene, State, Stay, Thread, Trim};

/// The most Ms that one callback pays for.
const MOST: u8 = 2;

/// All states that can follow.
pub(crate) fn following(state: &State, scene: &Scene, rules: &Rules) -> Vec<State> {
    let mut next = Vec::new();
    for i in 0..state.threads.len() {
        // Threads are interchangeable.
        if i == 0 || state.threads[i] != state.threads[i - 1] {
            Stepping { from: state, i, scene, rules, next: &mut next }.thread();
        }
    }
    trim(state, rules, &mut next);
    next
}

struct Stepping<'a> {
    from: &'a State,
    i: usize,
    scene: &'a Scene,
    rules: &'a Rules,
    next: &'a mut Vec<State>,
}

impl Stepping<'_> {
    /// The thread goes to `at`, and the pool changes.
    fn to(&mut self, at: At, change: impl FnOnce(&mut State, &mut Thread)) {
        let mut state = *self.from;
        let mut thread = Thread { at, ..state.threads[self.i] };
        change(&mut state, &mut thread);
        state.threads[self.i] = thread;
        state.threads.sort_unstable();
        self.next.push(state);
    }

    fn thread(&mut self) {
        let from = *self.from;
        let thread = from.threads[self.i];
        match thread.at {
            At::Absent | At::Gone => {}
            At::Outside => self.enter(),
            At::Waiting => self.wait(),
            At::Refilling => self.claim(),
            At::Read(need) => {
                if from.creating >= need {
                    self.to(At::Inside, |_, _| {});
                } else {
                    self.to(At::Claimed, |state, _| state.creating += 1);
                }
            }
            At::Reserved(rank) => {
                let at = if rank > need(&from) { At::Withdrawing } else { At::Claimed };
                self.to(at, |_, _| {});
            }
            At::Withdrawing => self.to(At::Inside, |state, _| state.creating -= 1),
            At::Void => {
                let at = if self.rules.void_looks_again { At::Withdrawn } else { At::Inside };
                self.to(at, |state, _| state.creating -= 1);
            }
            At::Withdrawn => {
                let at = if from.live < self.scene.limit { At::Refilling } else { At::Inside };
                self.to(at, |_, _| {});
            }
            At::Claimed => {
                if from.live >= self.scene.limit {
                    self.to(At::Void, |_, _| {});
                } else {
                    self.to(At::Making, |state, _| state.live += 1);
                }
            }
            At::Making => {
                self.to(At::Publishing, |_, _| {});
                if from.failures > 0 {
                    self.to(At::Unmade, |state, _| state.failures -= 1);
                }
            }
            At::Publishing => {
                let owes = self.rules.new_owes;
                let publish = |state: &mut State, thread: &mut Thread| {
                    state.give(owes);
                    state.creating -= 1;
                    thread.made += 1;
                };
                // Whether to make a second one is a matter of speed: the rules hold either way.
                if from.threads[self.i].made + 1 < MOST {
                    self.to(At::Refilling, publish);
                }
                self.to(At::Inside, publish);
            }
            At::Unmade => self.to(At::Failed, |state, _| state.live -= 1),
            At::Failed => self.give_up(),
            At::Inside => self.leave(),
        }
    }

    fn enter(&mut self) {
        let from = *self.from;
        if from.spare > 0 {
            let last = from.spare == 1 && self.rules.last_owes;
            let owes = from.spare_owing & 1 != 0 || last;
            self.to(if owes { At::Refilling } else { At::Inside }, |state, _| {
                state.pop();
            });
        } else if from.failed && from.creating == 0 {
            self.to(At::Gone, |_, _| {});
        } else {
            self.to(At::Waiting, |state, _| state.waiting += 1);
        }
    }

    fn wait(&mut self) {
        let from = *self.from;
        for owes in [false, true] {
            if from.granted[owes as usize] > 0 {
                self.to(if owes { At::Refilling } else { At::Inside }, |state, _| {
                    state.granted[owes as usize] -= 1;
                });
            }
        }
        if from.errors > 0 {
            self.to(At::Gone, |state, _| state.errors -= 1);
        }
        if from.timeouts > 0 && from.waiting > 0 {
            self.to(At::Gone, |state, _| {
                state.waiting -= 1;
                state.timeouts -= 1;
            });
        } else if from.timeouts > 0 && !self.rules.grants_are_awaited {
            self.to(At::Gone, |state, _| state.timeouts -= 1);
        }
    }

    fn claim(&mut self) {
        let from = *self.from;
        match self.rules.claims {
            Claims::OneWord if from.creating >= need(&from) => self.to(At::Inside, |_, _| {}),
            Claims::OneWord => self.to(At::Claimed, |state, _| state.creating += 1),
            Claims::NeedReadFirst => self.to(At::Read(need(&from)), |_, _| {}),
            Claims::ReserveThenVerify => {
                self.to(At::Reserved(from.creating + 1), |state, _| state.creating += 1);
            }
        }
    }

    fn give_up(&mut self) {
        let from = *self.from;
        let rules = *self.rules;
        if from.waiting > 0 && rules.failure_is_told {
            self.to(At::Refilling, |state, _| {
                state.creating -= 1;
                state.waiting -= 1;
                state.errors += 1;
            });
        } else if from.spare > 0 || from.creating > 1 || from.waiting > 0 {
            self.to(At::Inside, |state, _| state.creating -= 1);
        } else {
            self.to(At::Inside, |state, thread| {
                state.creating -= 1;
                state.failed = rules.failed_is_set;
                thread.owes = rules.duty_is_kept;
            });
        }
    }

    fn leave(&mut self) {
        let at = match self.scene.stay {
            Stay::ForEver => return,
            Stay::Shortly => At::Gone,
            Stay::Returning => At::Outside,
        };
        self.to(at, |state, thread| {
            state.give(thread.owes);
            thread.owes = false;
            thread.made = 0;
        });
    }
}

/// As many as threads wait, or one if the list is empty.
fn need(state: &State) -> u8 {
    match state.waiting {
        0 => (state.spare == 0) as u8,
        waiting => waiting,
    }
}

fn trim(from: &State, rules: &Rules, next: &mut Vec<State>) {
    let mut to = |trim, change: fn(&mut State, bool)| {
        let mut state = State { trim, ..*from };
        change(&mut state, rules.anchor_owes);
        next.push(state);
    };
    match from.trim {
        Trim::Done => {}
        Trim::Ahead if from.spare == 0 => to(Trim::Done, |_, _| {}),
        Trim::Ahead => to(Trim::Anchored, |state, _| {
            state.pop();
        }),
        Trim::Anchored => {
            if from.spare > 0 {
                to(Trim::Dropping, |state, _| {
                    state.pop();
                });
            }
            to(Trim::Done, |state, owes| state.give(owes));
        }
        Trim::Dropping => to(Trim::Anchored, |state, _| state.live -= 1),
    }
}
