//! Panics in callbacks, in Rust and across C.
#![cfg(unix)]

use extram::{Binding, Pool};
use extram_hosted::{Witness, call, close, crew, in_turn, rest, started};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

/// Scenario 23.
#[test]
fn a_panic_gives_the_m_back() {
    for binding in [Binding::Thread, Binding::Call] {
        let pool = started(Pool::new(Witness::default()).binding(binding));
        for depth in 1..4 {
            fn deeper(pool: &'static Pool<Witness>, depth: u32) {
                pool.callback(|_| if depth > 1 { deeper(pool, depth - 1) } else { panic!("on purpose") })
                    .unwrap();
            }
            assert!(catch_unwind(|| deeper(pool, depth)).is_err());
            assert_eq!(pool.stats().in_use, 0);
        }
        call(pool);
        pool.unbind();
        assert_eq!(rest(pool, 0), 2);
        close(pool);
    }
}

/// Scenario 23. The frame that C calls catches the panic, as a face to C has to.
#[test]
fn a_panic_that_is_caught_before_c_is_an_error_and_the_m_comes_back() {
    let pool = started(Pool::new(Witness::default()));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        crew(4, 0, |index| pool.callback(|_| assert_ne!(index, 2, "on purpose")).unwrap())
    }));
    assert!(panicked.is_err());
    rest(pool, 0);
    in_turn(2, 0, |_| _ = call(pool));
    rest(pool, 0);
    close(pool);
}

/// Scenario 23.
#[test]
fn a_panic_that_reaches_c_ends_the_process_with_a_message() {
    use std::os::unix::process::ExitStatusExt as _;
    let output = Command::new(env!("CARGO_BIN_EXE_panic_into_c")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{said}");
    assert!(said.contains("on purpose") && said.contains("cannot unwind"), "{said}");
    assert_eq!(output.stdout, b"", "nothing runs after it");
}
