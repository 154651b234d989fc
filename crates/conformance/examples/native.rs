//! Runs the suite on the port of this system: `cargo run -p extram-conformance --example native`.
//! The exit code is 0 if all scenarios hold. With `small` as its argument the sizes are those for a
//! microcontroller.

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    let small = std::env::args().nth(1).is_some_and(|size| size == "small");
    let config = if small { extram_conformance::Config::SMALL } else { extram_conformance::Config::HOST };
    let mut report = String::new();
    let outcome = extram_conformance::run::<extram::Native>(&config, &mut report);
    print!("{report}");
    if outcome.passed() { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
}
