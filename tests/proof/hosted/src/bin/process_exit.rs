//! Ends while a pool is in use in one way or another, and says what the last entries were told.
#![allow(missing_docs)]

use extram::Pool;
use extram_hosted::{Plugin, Witness, alone, call, started, until};
use std::io::Write as _;
use std::sync::OnceLock;

static POOL: OnceLock<&'static Pool<Witness>> = OnceLock::new();

/// The last one may run when the standard library's own output is gone.
fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

extern "C" fn at_exit() {
    match POOL.get().unwrap().enter() {
        Ok(m) => alone(&m, || say("entered\n")),
        Err(error) => say(&format!("refused: {error}\n")),
    }
}

fn main() {
    let pool = *POOL.get_or_init(|| started(Pool::new(Witness::default())));
    // SAFETY: a function without arguments.
    assert_eq!(unsafe { libc::atexit(at_exit) }, 0);
    match std::env::args().nth(1).as_deref() {
        Some("bound") => _ = call(pool),
        Some("unbound") => {}
        Some("inside") => std::mem::forget(pool.enter().unwrap()),
        Some("others") => {
            for _ in 0..4 {
                std::thread::spawn(move || {
                    pool.callback(|_| std::thread::park()).unwrap();
                });
                std::thread::spawn(move || {
                    call(pool);
                    std::thread::park();
                });
            }
            until("they are inside", || pool.stats().in_use == 4);
        }
        Some("busy") => {
            for _ in 0..4 {
                std::thread::spawn(move || {
                    loop {
                        call(pool);
                        pool.unbind();
                    }
                });
            }
        }
        Some("closed") => {
            call(pool);
            pool.close().unwrap();
        }
        // The library goes with the process, and its destructor enters.
        Some(library @ ("library" | "library-not-started" | "library-closed")) => {
            let plugin = Plugin::load("exit");
            plugin.report_to(2);
            if library != "library-not-started" {
                plugin.start();
                assert!(plugin.call() > 0);
            }
            if library == "library-closed" {
                assert!(plugin.close());
            }
        }
        other => panic!("{other:?}"),
    }
    // The process ends while other threads run.
}
