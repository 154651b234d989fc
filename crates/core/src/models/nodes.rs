//! A list with a handful of Ms that are nothing but a link and a payload.

use crate::list::{Claim, Links, List, Taken, Waited};
use crate::models::port::Shared;
use crate::sync::AtomicU32;
use core::time::Duration;
use loom::cell::UnsafeCell;
use std::rc::Rc;
use std::vec::Vec;

/// What stands for an M.
pub(super) struct Node {
    id: u32,
    schedlink: AtomicU32,
    /// loom reports two accesses that are not ordered.
    payload: UnsafeCell<u32>,
}

pub(super) struct Nodes(Vec<Node>);

impl Links for Nodes {
    type Node = Node;

    fn node(&self, id: u32) -> &Node {
        &self.0[id as usize - 1]
    }

    fn schedlink(node: &Node) -> &AtomicU32 {
        &node.schedlink
    }
}

impl Node {
    /// What a callback does with its M.
    pub(super) fn work(&self) {
        // SAFETY: the model's question; loom panics if the answer is no.
        self.payload.with_mut(|payload| unsafe { *payload += 1 });
    }
}

/// An open list, shared by the threads of a model.
pub(super) struct Extra {
    pub(super) list: List,
    pub(super) nodes: Nodes,
}

impl Extra {
    /// `count` Ms exist, of which the first `spare` are on the list, number 1 first.
    pub(super) fn new(count: u32, spare: u32) -> Rc<Self> {
        let node = |id| Node { id, schedlink: AtomicU32::new(0), payload: UnsafeCell::new(0) };
        let extra = Extra { list: List::new(), nodes: Nodes((1..=count).map(node).collect()) };
        extra.list.open();
        for id in (1..=spare).rev() {
            extra.give(id);
        }
        Rc::new(extra)
    }

    pub(super) fn node(&self, id: u32) -> &Node {
        self.nodes.node(id)
    }

    pub(super) fn give(&self, id: u32) -> bool {
        self.list.give::<Shared, _>(&self.nodes, self.node(id), id)
    }

    pub(super) fn publish(&self, id: u32, claim: Claim) -> bool {
        self.list.publish::<Shared, _>(&self.nodes, self.node(id), id, claim)
    }

    pub(super) fn claim(&self) -> Option<Claim> {
        self.list.claim::<Shared>()
    }

    /// Whether it is needed or not.
    pub(super) fn claim_extra(&self) -> Claim {
        self.list.claim_extra::<Shared>().expect("so few can be counted")
    }

    /// The number of the M taken, and whether it was the last.
    pub(super) fn take(&self) -> Option<(u32, bool)> {
        match self.list.take::<Shared, _>(&self.nodes) {
            Taken::M { m, last } => Some((m.id, last)),
            _ => None,
        }
    }

    /// Takes an M or waits for one, no longer than `limit`.
    pub(super) fn enter(&self, limit: Option<Duration>) -> Waited {
        let _guest = self.list.guest::<Shared>();
        match self.list.take_or::<Shared, _>(&self.nodes, true) {
            Taken::Waiting { era } => self.list.wait::<Shared, _>(&self.nodes, era, || limit),
            Taken::M { m, .. } => Waited::M(m.id),
            Taken::Closed => Waited::Closed,
            _ => Waited::Failed,
        }
    }

    /// Enters, works with the M and gives it back.
    pub(super) fn call(&self) {
        let Waited::M(id) = self.enter(None) else { panic!("nothing failed") };
        self.node(id).work();
        self.give(id);
    }

    /// Once everybody has gone: these Ms are spare, nobody is counted, no token is left.
    pub(super) fn assert_at_rest(&self, mut ids: Vec<u32>) {
        while let Some((id, _)) = self.take() {
            let at = ids.iter().position(|expected| *expected == id);
            ids.swap_remove(at.unwrap_or_else(|| panic!("M {id} is on the list twice, or not expected")));
            self.node(id).work();
        }
        assert!(ids.is_empty(), "Ms {ids:?} are lost");
        assert!(self.list.quiet(), "somebody is still counted");
    }
}
