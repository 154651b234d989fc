//! The project's commands: `cargo xtask VERB`.

mod api;
mod bare_metal;
mod callback_gc;
mod command;
mod edges;
mod embed;
mod freebsd;
mod fuzz;
mod header;
mod herd;
mod install;
mod interpreters;
mod judge;
mod marks;
mod models;
mod mutate;
mod package;
mod sanitizers;
mod scenarios;
mod setup;
mod soak;
mod sources;
mod spin;
#[allow(dead_code)]
mod targets;
mod test;
#[allow(dead_code)]
mod toolchain;
mod vendor;
mod windows;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "extram's commands")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Compare the lists of public items with the code, or write them.
    Api(api::Args),
    /// Run the main demonstration: C threads call into Lua while garbage is collected, with a picture.
    CallbackGc(callback_gc::Args),
    /// Compare extram.h with the code, or write it.
    Header(header::Args),
    /// Bring the FreeBSD that tests run on.
    Freebsd(freebsd::fetch::Args),
    /// Measure a herd of fresh threads on a cold pool, extram beside the references.
    Herd(herd::Args),
    /// Install extram.h, libextram and extram.pc.
    Install(install::Args),
    /// Run a demonstration on two Cortex-M33: an interrupt and a second core call into a runtime.
    Interrupts,
    /// Run one program on FreeBSD in QEMU: its output here, its exit code ours.
    Run(freebsd::run::Args),
    /// Make the core worse in one place at a time and show which test notices.
    Mutate(mutate::Args),
    /// Install what the tests need (on Debian as root), or say what is missing.
    Setup(setup::Args),
    /// Measure the smallest program that embeds extram on bare metal against its budget.
    Size(bare_metal::size::Args),
    /// Mix everything that can be done to a pool, at random, for as long as one likes.
    Soak(soak::Args),
    /// List every target: what is proved for it, and how it is built and run on this machine.
    Targets(targets::Args),
    /// Write a copy that builds without a network.
    Vendor(vendor::Args),
    /// Run the tests: the host's, another target's, or further lanes.
    Test(test::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().verb {
        Verb::Api(args) => api::api(&args),
        Verb::Vendor(args) => vendor::vendor(&args),
        Verb::CallbackGc(args) => callback_gc::callback_gc(&args),
        Verb::Header(args) => header::header(&args),
        Verb::Freebsd(args) => freebsd::fetch::freebsd(&args),
        Verb::Herd(args) => herd::herd(&args),
        Verb::Install(args) => install::install(&args),
        Verb::Interrupts => bare_metal::interrupts(),
        Verb::Run(args) => freebsd::run::run(&args),
        Verb::Mutate(args) => mutate::mutate(&args),
        Verb::Setup(args) => setup::setup(&args),
        Verb::Size(args) => bare_metal::size::size(&args),
        Verb::Soak(args) => soak::soak(&args),
        Verb::Targets(args) => targets::targets(&args),
        Verb::Test(args) => test::test(&args),
    };
    judge::exit_code(&done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_can_be_parsed() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
