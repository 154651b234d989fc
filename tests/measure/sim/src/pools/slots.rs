//! An experiment, not a pool for anybody: extram's unbound call with a spare M kept at each core, to see
//! what that would gain. What is modelled is what costs: the accesses, and whose lines they are on.
//!
//! Each core (or group of cores) has a slot, a line of its own with the number of one M or 0. A call takes
//! what is in the slot of its core by an exchange, and puts its M back there by a compare-exchange, if
//! nobody waits. What does not fit goes to one word for all, as in the core: a list head or, when a
//! thread waits, a count. So that no waiter is missed, a thread that waits counts itself, and then goes
//! through all slots; one that has filled a slot looks at the count again and, if somebody waits, takes the M
//! out and hands it over: each with a sequentially consistent fence in between. That is the price: a fence
//! and a look at the common word for each call, which is nobody's to write as long as nobody waits.
//!
//! Ms are made as in the plain pool (who took the last one makes one), which is enough for figures in the
//! steady state. It has no refusals, close, limits by owner, walk, or bound on Ms.

use super::{Entrance, Making, Owned, Shape, note_made};
use crate::{Simulated, thread};
use extram_core::sync::{AtomicU32, AtomicUsize, Ordering, fence};
use extram_core::{Port, Runtime};
use std::cell::RefCell;

/// The common word: the head of the list or a count, the tag, the version.
const VALUE: usize = 0xff_ffff;
const WAITING: usize = VALUE + 1;
const VERSION: usize = WAITING << 1;

/// So many accesses of its own lines an M of the core sees in an unbound call (`a_call_of_the_model_costs_what_
/// a_call_of_the_core_costs` compares).
const BOOKKEEPING: u32 = 9;

#[repr(align(128))]
struct Slot(AtomicU32);

#[repr(align(128))]
struct Node {
    link: AtomicU32,
    state: AtomicU32,
    owned: Owned,
}

/// The model.
pub struct Slots {
    making: Making,
    limit: u32,
    word: Box<AtomicUsize>,
    slots: Vec<Slot>,
    /// Cores to a slot.
    share: u32,
    tokens: Box<Slot>,
    nodes: RefCell<Vec<&'static Node>>,
}

impl Slots {
    /// With a slot for each `share` cores.
    pub(super) fn new(making: Making, shape: Shape, share: u32) -> Self {
        let cores = crate::machine::with(|m| m.cores());
        let pool = Slots {
            making,
            limit: if shape.limit == 0 { u32::MAX } else { shape.limit },
            word: Box::new(AtomicUsize::new(0)),
            slots: (0..cores.div_ceil(share)).map(|_| Slot(AtomicU32::new(0))).collect(),
            share,
            tokens: Box::new(Slot(AtomicU32::new(0))),
            nodes: RefCell::new(Vec::new()),
        };
        for _ in 0..shape.spare.max(1) {
            let id = pool.make();
            pool.push(id);
        }
        pool
    }

    fn make(&self) -> u32 {
        let Ok(owned) = self.making.new_context();
        let node = Node { link: AtomicU32::new(0), state: AtomicU32::new(0), owned };
        let mut nodes = self.nodes.borrow_mut();
        nodes.push(Box::leak(Box::new(node)));
        nodes.len() as u32
    }

    fn node(&self, id: u32) -> &'static Node {
        self.nodes.borrow()[id as usize - 1]
    }

    fn slot(&self) -> &AtomicU32 {
        &self.slots[(thread::core() / self.share) as usize].0
    }

    /// Acquire and release, here and below, as on the core's word.
    fn change(&self, from: usize, to: usize) -> bool {
        let to = (to & (VERSION - 1)) | ((from & !(VERSION - 1)).wrapping_add(VERSION));
        self.word.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    fn pop(&self) -> Option<(u32, bool)> {
        loop {
            let word = self.word.load(Ordering::Acquire);
            let head = (word & VALUE) as u32;
            if word & WAITING != 0 || head == 0 {
                return None;
            }
            let next = self.node(head).link.load(Ordering::Relaxed);
            if self.change(word, next as usize) {
                return Some((head, next == 0));
            }
        }
    }

    /// To a waiter or onto the list.
    fn push(&self, id: u32) {
        loop {
            let word = self.word.load(Ordering::Relaxed);
            let value = word & VALUE;
            if word & WAITING != 0 {
                let fewer = if value == 1 { 0 } else { WAITING | (value - 1) };
                if self.change(word, fewer) {
                    self.hand(id);
                    return;
                }
            } else {
                self.node(id).link.store(value as u32, Ordering::Relaxed);
                if self.change(word, id as usize) {
                    return;
                }
            }
        }
    }

    /// A waiter has been counted out: its M lies where it looks.
    fn hand(&self, id: u32) {
        while self.tokens.0.compare_exchange(0, id, Ordering::Release, Ordering::Relaxed).is_err() {
            thread::yield_now();
        }
        Simulated::wake(&raw const self.tokens.0, 1);
    }

    /// Out of any slot.
    fn steal(&self) -> Option<u32> {
        self.slots.iter().find_map(|slot| {
            (slot.0.load(Ordering::Relaxed) != 0)
                .then(|| slot.0.swap(0, Ordering::Acquire))
                .filter(|&id| id != 0)
        })
    }

    fn take(&self) -> (u32, bool) {
        let id = self.slot().swap(0, Ordering::Acquire);
        if id != 0 {
            return (id, false);
        }
        if let Some(popped) = self.pop() {
            return popped;
        }
        if let Some(id) = self.steal() {
            return (id, true);
        }
        self.wait()
    }

    fn wait(&self) -> (u32, bool) {
        loop {
            let word = self.word.load(Ordering::Acquire);
            if word & WAITING == 0 && word & VALUE != 0 {
                match self.pop() {
                    Some(popped) => return popped,
                    None => continue,
                }
            }
            let count = if word & WAITING != 0 { word & VALUE } else { 0 };
            if self.change(word, WAITING | (count + 1)) {
                break;
            }
        }
        fence(Ordering::SeqCst);
        // What was put into a slot before the count could be seen: to whoever waits first.
        if let Some(id) = self.steal() {
            self.push(id);
        }
        loop {
            let id = self.tokens.0.swap(0, Ordering::Acquire);
            if id != 0 {
                return (id, true);
            }
            Simulated::wait(&self.tokens.0, 0, None);
        }
    }

    fn give(&self, id: u32) {
        if self.word.load(Ordering::Relaxed) & WAITING != 0 {
            return self.push(id);
        }
        let slot = self.slot();
        if slot.compare_exchange(0, id, Ordering::Release, Ordering::Relaxed).is_err() {
            return self.push(id);
        }
        fence(Ordering::SeqCst);
        if self.word.load(Ordering::Relaxed) & WAITING != 0 {
            let id = slot.swap(0, Ordering::Acquire);
            if id != 0 {
                self.push(id);
            }
        }
    }
}

impl Entrance for Slots {
    fn callback(&self, inside: &mut dyn FnMut()) {
        let (id, last) = self.take();
        let made = self.nodes.borrow().len() as u32;
        if last && made < self.limit {
            let another = self.make();
            note_made();
            self.push(another);
        }
        let node = self.node(id);
        for _ in 0..BOOKKEEPING {
            node.state.store(id, Ordering::Relaxed);
        }
        node.owned.hold(inside);
        self.give(id);
    }

    fn made(&self) -> Option<u64> {
        Some(self.nodes.borrow().len() as u64)
    }

    fn close(&self) {
        for node in self.nodes.borrow_mut().drain(..) {
            // SAFETY: leaked by `make`, in here once; nobody is inside.
            drop(unsafe { Box::from_raw(std::ptr::from_ref(node).cast_mut()) });
        }
    }
}
