//! What the walk shows of an M whose context is discarded, and which context `admit` sees meanwhile.

use extram::{Event, M, MState, Pool, Runtime};
use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

/// A context by its number. Its drop looks at the walk.
struct Numbered {
    number: u32,
    home: &'static Watching,
}

impl Drop for Numbered {
    fn drop(&mut self) {
        self.home.note("drop", Some(self.number));
    }
}

/// Notes where it was called, with which context, and what the walk shows of the M that is watched.
struct Watching {
    pool: fn() -> &'static Pool<Watching>,
    made: AtomicU32,
    watched: AtomicU32,
    notes: Mutex<Vec<Note>>,
}

type Note = (&'static str, Option<u32>, Option<(MState, u32)>);

thread_local! {
    static NOTES: Cell<bool> = const { Cell::new(false) };
}

impl Watching {
    const fn new(pool: fn() -> &'static Pool<Watching>) -> Self {
        Watching { pool, made: AtomicU32::new(0), watched: AtomicU32::new(0), notes: Mutex::new(Vec::new()) }
    }

    fn note(&self, place: &'static str, context: Option<u32>) {
        if NOTES.get() {
            let watched = self.watched.load(SeqCst);
            let shown = (self.pool)().ms().find(|m| m.id == watched).map(|m| (m.state, m.depth));
            self.notes.lock().unwrap().push((place, context, shown));
        }
    }

    /// Discards the context of an M, and says what was noted.
    fn discard(&self) -> Vec<Note> {
        let inside = (self.pool)().enter().unwrap();
        self.watched.store(inside.id(), SeqCst);
        NOTES.set(true);
        inside.discard();
        NOTES.set(false);
        std::mem::take(&mut *self.notes.lock().unwrap())
    }
}

impl Runtime for Watching {
    type Context = Numbered;
    type Error = ();

    fn new_context(&self) -> Result<Numbered, ()> {
        self.note("new_context", None);
        Ok(Numbered { number: self.made.fetch_add(1, SeqCst), home: (self.pool)().runtime() })
    }

    fn admit(&self, m: &M<Self>) {
        self.note("admit", Some(m.context().number));
    }

    fn retire(&self, m: &M<Self>) {
        self.note("retire", Some(m.context().number));
    }

    fn observe(&self, event: Event) {
        if matches!(event, Event::Discarded { .. }) {
            self.note("discarded", None);
        }
    }
}

const IN_USE: Option<(MState, u32)> = Some((MState::InUse, 1));

#[test]
fn a_discarded_context_is_shown_until_it_is_taken_out_and_not_while_it_is_dropped() {
    static POOL: Pool<Watching> = Pool::new(Watching::new(|| &POOL));
    POOL.start().unwrap();
    POOL.prewarm(2).unwrap();
    let notes = POOL.runtime().discard();
    let [("retire", Some(number), _), ..] = notes[..] else { panic!("{notes:?}") };
    let expected =
        [("retire", Some(number), IN_USE), ("discarded", None, IN_USE), ("drop", Some(number), None)];
    assert_eq!(notes, expected);
}

#[test]
fn a_context_in_whose_place_another_is_made_is_what_admit_sees_and_the_walk_shows() {
    static POOL: Pool<Watching> = Pool::new(Watching::new(|| &POOL)).limit(1);
    POOL.start().unwrap();
    let notes = POOL.runtime().discard();
    let expected = [
        ("retire", Some(0), IN_USE),
        ("discarded", None, IN_USE),
        ("admit", Some(0), IN_USE),
        ("new_context", None, IN_USE),
        ("retire", Some(0), IN_USE),
        // By now it is the new one that is shown.
        ("drop", Some(0), Some((MState::Spare, 0))),
    ];
    assert_eq!(notes, expected);
    assert_eq!(POOL.callback(|m| m.context().number), Ok(1));
}
