//! extram on FreeRTOS: the conformance suite, and what is FreeRTOS' own: tasks that others made and that end
//! in every way, handlers, fixed priorities. `cargo xtask test --freertos` builds and runs it.
#![no_std]
#![no_main]

mod cases;
mod device;
mod kernel;
#[cfg_attr(target_arch = "arm", path = "cortex_m.rs")]
#[cfg_attr(target_arch = "riscv32", path = "riscv.rs")]
mod machine;
mod report;

use core::ffi::{CStr, c_char, c_void};
use core::time::Duration;
use extram_conformance::Config;
use extram_port_freertos::Port;
use report::Report;
use semihosting::println;

/// What `main` does, before there are tasks.
fn start() -> ! {
    println!("FreeRTOS on {}", machine::NAME);
    cases::before_there_are_tasks();
    // SAFETY: called once.
    unsafe { kernel::board_run(run) }
}

extern "C" fn run(_: *mut c_void) {
    let mut report = Report::new();
    machine::start_device();
    cases::run(&mut report);
    let mut skipped = 0;
    if !cfg!(feature = "broken") {
        // SAFETY: this task never ends.
        unsafe { extram_port_freertos::keep_ms() };
        let config = Config {
            threads: 32,
            patience: Duration::from_secs(60),
            interrupts: Some(device::INTERRUPTS),
            ..Config::SMALL
        };
        let suite = extram_conformance::run::<Port>(&config, &mut report);
        report.passed += suite.passed;
        report.failed += suite.failed;
        skipped = suite.skipped;
    }
    println!("all: {} passed, {} failed, {} skipped", report.passed, report.failed, skipped);
    semihosting::process::exit(if report.failed == 0 { 0 } else { 1 })
}

/// The kernel has found something wrong: an assertion of its own, a stack that overflowed.
#[unsafe(no_mangle)]
unsafe extern "C" fn board_broken_down(what: *const c_char, line: i32) {
    // SAFETY: a text of the kernel's.
    panic!("FreeRTOS: {}:{line}", unsafe { CStr::from_ptr(what) }.to_str().unwrap_or("?"));
}

#[panic_handler]
fn panicked(info: &core::panic::PanicInfo<'_>) -> ! {
    println!("{info}");
    semihosting::process::exit(2)
}
