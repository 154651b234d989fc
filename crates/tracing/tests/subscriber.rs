//! A subscriber hears what happens in a pool: every event, on its thread, with its fields.

use extram::{Binding, EnterError, Event, M, Pool, Runtime};
use std::fmt::{Debug, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

struct Told {
    fails: AtomicBool,
}

impl Runtime for Told {
    type Context = ();
    type Error = String;

    fn new_context(&self) -> Result<(), String> {
        if self.fails.load(SeqCst) { Err("no more today".into()) } else { Ok(()) }
    }

    fn failed(&self, error: String) {
        extram_tracing::failed("tested", &error);
    }

    fn refused(&self, error: EnterError) {
        extram_tracing::refused("tested", error);
    }

    fn observe(&self, event: Event) {
        extram_tracing::told("tested", event);
    }
}

/// The lines that were heard.
struct Heard(Mutex<Vec<String>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).expect("a string");
    }
}

impl<S: tracing::Subscriber> Layer<S> for &'static Heard {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut line = Line(format!("{} {}:", event.metadata().level(), event.metadata().target()));
        event.record(&mut line);
        self.0.lock().expect("no panic").push(line.0);
    }
}

impl Heard {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("no panic"))
    }
}

#[test]
fn a_subscriber_hears_what_happens() {
    static HEARD: Heard = Heard(Mutex::new(Vec::new()));
    static POOL: Pool<Told> = Pool::new(Told { fails: AtomicBool::new(false) }).binding(Binding::Call);
    static LIMITED: Pool<Told> =
        Pool::new(Told { fails: AtomicBool::new(false) }).binding(Binding::Call).limit(1);
    let (heard, pool, limited) = (&HEARD, &POOL, &LIMITED);
    let _subscribed = tracing::subscriber::set_default(tracing_subscriber::registry().with(heard));
    pool.start().expect("starts");
    heard.take();
    // The first one took the last spare M, and makes another.
    assert_eq!(pool.callback(M::id), Ok(1));
    let event =
        |level: &str, name: &str, rest: &str| format!("{level} extram: message={name} pool=\"tested\"{rest}");
    let expected = [
        event("TRACE", "entered", " m=1"),
        event("DEBUG", "making", ""),
        event("DEBUG", "made", " m=2"),
        event("TRACE", "left", " m=1"),
        event("TRACE", "returned", " m=1"),
    ];
    assert_eq!(heard.take(), expected);
    pool.runtime().fails.store(true, SeqCst);
    // Two of two are held now, and a third cannot be made.
    let _one = pool.enter().expect("the one");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _subscribed = tracing::subscriber::set_default(tracing_subscriber::registry().with(heard));
            drop(pool.enter().expect("the other"));
        });
    });
    limited.start().expect("starts");
    let held = limited.enter().expect("in");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _subscribed = tracing::subscriber::set_default(tracing_subscriber::registry().with(heard));
            let refused = limited.enter_timeout(std::time::Duration::ZERO);
            assert_eq!(refused.err(), Some(EnterError::TimedOut));
        });
    });
    drop(held);
    let heard = heard.take();
    let timed_out = format!("DEBUG extram: message=refused pool=\"tested\" error={}", EnterError::TimedOut);
    assert_eq!(heard.iter().filter(|line| **line == timed_out).count(), 1, "{heard:#?}");
    let failed = "WARN extram: message=failed pool=\"tested\" error=no more today";
    assert_eq!(heard.iter().filter(|line| *line == failed).count(), 1, "{heard:#?}");
}
