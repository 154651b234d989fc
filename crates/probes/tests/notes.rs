//! The probes are in the program: its ELF notes name each, with its arguments; and the program runs
//! through them.
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]

use extram::{Binding, Event, Pool, Runtime};
use object::{Object, ObjectSection};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};

struct Probed {
    seen: AtomicU32,
    fails: AtomicBool,
}

impl Runtime for Probed {
    type Context = u32;
    type Error = ();

    fn new_context(&self) -> Result<u32, ()> {
        if self.fails.load(SeqCst) { Err(()) } else { Ok(1) }
    }

    fn observe(&self, event: Event) {
        self.seen.fetch_add(1, SeqCst);
        extram_probes::told(self, event);
    }
}

/// The names of extram's probes, and what their arguments are made of.
fn notes() -> BTreeMap<String, String> {
    let program = std::fs::read(std::env::current_exe().expect("a program")).expect("its file");
    let file = object::File::parse(&*program).expect("ELF");
    let section = file.section_by_name(".note.stapsdt").expect("probes");
    let (notes, mut at, mut found) = (section.data().expect("its data"), 0, BTreeMap::new());
    let word = |at: usize| u32::from_le_bytes(notes[at..at + 4].try_into().expect("four bytes")) as usize;
    while at < notes.len() {
        let (name, description, kind) = (word(at), word(at + 4), word(at + 8));
        assert_eq!((&notes[at + 12..at + 12 + name], kind), (&b"stapsdt\0"[..], 3));
        let begin = at + 12 + name.next_multiple_of(4);
        // Three addresses, then three strings.
        let mut strings = notes[begin + 24..begin + description].split(|byte| *byte == 0);
        let mut next = || String::from_utf8(strings.next().expect("a string").to_vec()).expect("text");
        if next() == "extram" {
            found.insert(next(), next());
        }
        at = begin + description.next_multiple_of(4);
    }
    found
}

#[test]
fn each_probe_has_its_note() {
    let notes = notes();
    let one = ["waiting", "refused", "making", "failed", "closed"];
    let two = ["granted", "entered", "made", "left", "returned", "discarded"];
    assert_eq!(notes.len(), one.len() + two.len(), "{notes:?}");
    for (names, arguments) in [(&one[..], 1), (&two, 2)] {
        for name in names {
            assert_eq!(notes[*name].split_whitespace().count(), arguments, "{name}: {notes:?}");
        }
    }
}

#[test]
fn a_program_runs_through_them() {
    static POOL: Pool<Probed> = Pool::new(Probed { seen: AtomicU32::new(0), fails: AtomicBool::new(false) })
        .binding(Binding::Call)
        .limit(2);
    let pool = &POOL;
    pool.start().expect("starts");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..100).for_each(|_| drop(pool.enter().expect("in"))));
        }
    });
    pool.enter().expect("in").discard();
    assert!(pool.runtime().seen.load(SeqCst) >= 400);
    pool.close().expect("nobody is inside");
    extram_probes::closed(pool.runtime());
}
