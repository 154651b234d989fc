//! The verbs about what others take: `cargo xtask api`, `header` and `vendor`.

use clap::Parser;
use packages::{api, header, vendor};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Verb {
    /// Compare the lists of public items with the code, or write them.
    Api(api::Args),
    /// Compare extram.h with the code, or write it.
    Header(header::Args),
    /// Write a copy that builds without a network.
    Vendor(vendor::Args),
}

fn main() -> ExitCode {
    toolchain::closed_pipe::end_quietly();
    judge::exit_code(&match Verb::parse() {
        Verb::Api(args) => api::api(&args),
        Verb::Header(args) => header::header(&args),
        Verb::Vendor(args) => vendor::vendor(&args),
    })
}
