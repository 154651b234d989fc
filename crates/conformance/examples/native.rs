//! Runs the suite on the port of this system: `cargo run -p extram-conformance --example native`.
//! The exit code is 0 if all scenarios hold. With `small` as its argument the sizes are those for a
//! microcontroller; a number behind that is how many threads there are at once.

/// On standard output at once: whoever waits sees how far it is.
#[cfg(not(target_os = "none"))]
struct Printed;

#[cfg(not(target_os = "none"))]
impl std::fmt::Write for Printed {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        print!("{text}");
        Ok(())
    }
}

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    let mut args = std::env::args().skip(1);
    let small = args.next().is_some_and(|size| size == "small");
    let mut config = if small { extram_conformance::Config::SMALL } else { extram_conformance::Config::HOST };
    if let Some(threads) = args.next().and_then(|threads| threads.parse().ok()) {
        config.threads = threads;
    }
    let outcome = extram_conformance::run::<extram::Native>(&config, &mut Printed);
    if outcome.passed() { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
}
