//! The suite can fail: ports that break one promise each.
#![cfg(all(unix, feature = "alloc"))]

use extram::Native;
use extram_conformance::wrap::{Local, Wrap, Wrapped};
use extram_conformance::{Config, OnHeap, Outcome, run_on};
use extram_core::sync::AtomicU32;
use extram_core::{Hooks, Port, Refused, Threads};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

/// What a broken port does with one of the promises. Everything it does not name is the real port's.
trait Fault: Send + Sync + 'static {
    /// All threads share one thread-local word.
    const SHARED_WORD: bool = false;
    /// All threads have the same token.
    const SAME_TOKEN: bool = false;
    /// Waits forget their time-out, and wake-ups are lost.
    const DEAF: bool = false;
    /// Threads exit without a word, although the port says that it tells.
    const SILENT_EXIT: bool = false;
    /// Waits never end in time.
    const LATE: bool = false;
}

struct Broken<F>(core::marker::PhantomData<F>);

/// Words that ought to be thread-local, by the address of their `Local`.
static SHARED: Mutex<BTreeMap<usize, usize>> = Mutex::new(BTreeMap::new());

fn place<T>(local: &T) -> usize {
    core::ptr::from_ref(local).addr()
}

unsafe extern "C" fn nothing(_: *mut (), _: *mut ()) {}

unsafe extern "C" fn no_repair(_: *mut ()) {}

static SILENT: Hooks = Hooks { at_exit: nothing, in_child: no_repair };

// SAFETY: it breaks the promises on purpose; the contexts of the suite are atomics, which stand it.
unsafe impl<F: Fault> Wrap for Broken<F> {
    type Inner = Native;
    fn tls_open(local: &'static Local<Self>, pool: *mut (), hooks: &'static Hooks) -> Result<(), Refused> {
        Native::tls_open(local, pool, if F::SILENT_EXIT { &SILENT } else { hooks })
    }
    fn tls_close(local: &'static Local<Self>) -> bool {
        SHARED.lock().unwrap().remove(&place(local));
        Native::tls_close(local)
    }
    fn tls_get(local: &'static Local<Self>) -> *mut () {
        if F::SHARED_WORD {
            let value = SHARED.lock().unwrap().get(&place(local)).copied();
            core::ptr::with_exposed_provenance_mut(value.unwrap_or(0))
        } else {
            Native::tls_get(local)
        }
    }
    fn tls_look(local: &'static Local<Self>) -> (*mut (), bool) {
        if F::SHARED_WORD { (Self::tls_get(local), false) } else { Native::tls_look(local) }
    }
    fn tls_set(local: &'static Local<Self>, value: *mut ()) -> Result<(), Refused> {
        if F::SHARED_WORD {
            SHARED.lock().unwrap().insert(place(local), value.expose_provenance());
        }
        Native::tls_set(local, value)
    }
    fn thread_token() -> usize {
        if F::SAME_TOKEN { 16 } else { Native::thread_token() }
    }
    fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        if F::DEAF {
            // Whoever waits without a limit waits for ever.
            return if timeout.is_none() {
                Native::usleep(u32::MAX)
            } else {
                Native::wait(word, expected, timeout)
            };
        }
        let timeout = if F::LATE { timeout.map(|_| Duration::from_millis(1500)) } else { timeout };
        Native::wait(word, expected, timeout);
    }
    fn wake(word: *const AtomicU32, count: u32) {
        if !F::DEAF {
            Native::wake(word, count);
        }
    }
}

fn run_broken<F: Fault>() -> Outcome {
    let mut report = String::new();
    let config = Config {
        threads: 16,
        sequence: 20,
        entries: 2000,
        races: 400,
        patience: Duration::from_secs(2),
        ..Config::HOST
    };
    let outcome = run_on::<OnHeap<Wrapped<Broken<F>>>>(&config, &mut report);
    println!("{report}");
    outcome
}

fn failed<F: Fault>(scenario: u32) {
    let outcome = run_broken::<F>();
    assert_ne!(outcome.failures & (1 << scenario), 0, "scenario {scenario} does not notice: {outcome}");
}

#[test]
fn a_port_that_breaks_nothing_passes() {
    struct None;
    impl Fault for None {}
    let outcome = run_broken::<None>();
    assert_eq!((outcome.passed, outcome.failed, outcome.skipped), (23, 0, 0));
}

/// In a process of its own: threads that take each other's Ms for theirs may bring it down, which is
/// one way of noticing. Else one of the scenarios in the mask has to.
fn noticed_in_a_process<F: Fault>(test: &str, scenarios: u64) {
    const CHILD: &str = "EXTRAM_BROKEN_PORT";
    if std::env::var_os(CHILD).is_some() {
        // An M that is lent twice may also make the list a circle, which has no end for who counts it.
        std::thread::spawn(|| {
            std::thread::sleep(Duration::from_secs(30));
            eprintln!("it does not end");
            std::process::abort();
        });
        assert_eq!(run_broken::<F>().failures & scenarios, 0, "noticed");
        return;
    }
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", test])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout) + String::from_utf8_lossy(&child.stderr);
    let noticed = ["panicked at", "it does not end"].iter().any(|word| said.contains(word));
    assert!(!child.status.success() && noticed, "not noticed:\n{said}");
}

#[test]
fn a_thread_local_word_that_is_shared_is_noticed() {
    struct SharedWord;
    impl Fault for SharedWord {
        const SHARED_WORD: bool = true;
    }
    noticed_in_a_process::<SharedWord>("a_thread_local_word_that_is_shared_is_noticed", !0);
}

#[test]
fn tokens_that_collide_are_noticed() {
    struct SameToken;
    impl Fault for SameToken {
        const SAME_TOKEN: bool = true;
    }
    noticed_in_a_process::<SameToken>("tokens_that_collide_are_noticed", 1 << 8);
}

#[test]
fn wake_ups_that_are_lost_are_noticed() {
    struct Deaf;
    impl Fault for Deaf {
        const DEAF: bool = true;
    }
    failed::<Deaf>(3);
}

#[test]
fn an_exit_hook_that_does_not_come_is_noticed() {
    struct SilentExit;
    impl Fault for SilentExit {
        const SILENT_EXIT: bool = true;
    }
    failed::<SilentExit>(2);
}

#[test]
fn time_outs_that_come_late_are_noticed() {
    struct Late;
    impl Fault for Late {
        const LATE: bool = true;
    }
    failed::<Late>(9);
}
