//! The stacks of numbers.

use crate::list::Links;
use crate::models::model_loads;
use crate::models::port::Shared;
use crate::numbers::Numbers;
use crate::sync::AtomicU32;
use loom::cell::UnsafeCell;
use loom::thread;
use std::rc::Rc;
use std::vec::Vec;

/// A stack of three, number 1 first, and what each number stands for.
struct Stack {
    numbers: Numbers,
    links: [AtomicU32; 3],
    payloads: [UnsafeCell<u32>; 3],
}

impl Links for Stack {
    type Node = AtomicU32;

    fn node(&self, id: u32) -> &AtomicU32 {
        &self.links[id as usize - 1]
    }

    fn schedlink(link: &AtomicU32) -> &AtomicU32 {
        link
    }
}

impl Stack {
    fn new() -> Rc<Self> {
        let stack = Stack {
            numbers: Numbers::new(),
            links: core::array::from_fn(|_| AtomicU32::new(0)),
            payloads: core::array::from_fn(|_| UnsafeCell::new(0)),
        };
        (1..=3).rev().for_each(|id| stack.push(id));
        Rc::new(stack)
    }

    fn link(&self, id: u32) -> &AtomicU32 {
        self.node(id)
    }

    /// Only who has a number works on what it stands for.
    fn work(&self, id: u32) {
        // SAFETY: the model's question; loom panics if the answer is no.
        self.payloads[id as usize - 1].with_mut(|payload| unsafe { *payload += 1 });
    }

    fn push(&self, id: u32) {
        self.work(id);
        self.numbers.push(id, self.link(id));
    }

    fn pop(&self) -> Option<u32> {
        let id = self.numbers.pop::<Shared, _>(self, Self::schedlink);
        id.inspect(|id| self.work(*id))
    }

    fn assert_each_once(&self, ids: impl IntoIterator<Item = u32>) {
        let mut ids: Vec<u32> = ids.into_iter().chain(core::iter::from_fn(|| self.pop())).collect();
        ids.sort_unstable();
        assert_eq!(ids, [1, 2, 3]);
    }
}

/// One thread has read the link of 1; the other pops 1 and 2 and pushes 1 again.
#[test]
fn a_number_that_comes_back_does_not_revive_its_old_link() {
    model_loads(3, || {
        let stack = Stack::new();
        let other = {
            let stack = Rc::clone(&stack);
            thread::spawn(move || stack.pop())
        };
        let (first, second) = (stack.pop(), stack.pop());
        first.into_iter().for_each(|id| stack.push(id));
        let theirs = other.join().unwrap();
        stack.assert_each_once(second.into_iter().chain(theirs));
    });
}
