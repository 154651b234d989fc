//! What is told, and counted.

use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use semihosting::println;

static PASSED: AtomicU32 = AtomicU32::new(0);
static FAILED: AtomicU32 = AtomicU32::new(0);

/// Tells and counts a case.
pub fn case(good: bool, what: fmt::Arguments<'_>) {
    println!("{what}: {}", if good { "ok" } else { "FAILED" });
    (if good { &PASSED } else { &FAILED }).fetch_add(1, SeqCst);
}

/// Ends the program.
pub fn close() -> ! {
    let (passed, failed) = (PASSED.load(SeqCst), FAILED.load(SeqCst));
    println!("all: {passed} passed, {failed} failed, 0 skipped");
    semihosting::process::exit(if failed == 0 { 0 } else { 1 })
}

/// Fails and ends the program, wherever it is.
pub(crate) fn give_up(why: &str) -> ! {
    case(false, format_args!("{why}"));
    close()
}

#[panic_handler]
fn panicked(info: &core::panic::PanicInfo<'_>) -> ! {
    println!("{info}");
    semihosting::process::exit(2)
}
