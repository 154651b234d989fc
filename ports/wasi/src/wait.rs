//! Waiting on a word: a condition for each group of addresses, as `memory.atomic.wait32` is not in stable
//! Rust.

use extram_core::sync::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

struct Group {
    lock: Mutex<()>,
    woken: Condvar,
}

static GROUPS: [Group; 64] = [const { Group { lock: Mutex::new(()), woken: Condvar::new() } }; 64];

fn group(word: *const AtomicU32) -> &'static Group {
    // Neighbours in others: they lie four bytes apart.
    &GROUPS[word.addr() / 4 % GROUPS.len()]
}

pub(crate) fn wait(word: &AtomicU32, expected: u32, limit: Option<Duration>) {
    let group = group(word);
    let held = group.lock.lock().unwrap_or_else(PoisonError::into_inner);
    // Relaxed: whoever wakes has changed the word before it took the lock, so this sees the change or waits
    // when the waking comes.
    if word.load(Ordering::Relaxed) != expected {
        return;
    }
    match limit {
        None => drop(group.woken.wait(held)),
        Some(limit) => drop(group.woken.wait_timeout(held, limit)),
    }
}

/// All of the group: who else waits there looks at its word, and waits again.
pub(crate) fn wake(word: *const AtomicU32) {
    let group = group(word);
    drop(group.lock.lock());
    group.woken.notify_all();
}
