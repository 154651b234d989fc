//! The project's commands: `cargo xtask VERB`.
//!
//! Most verbs are those of other programs, in the crates beside this one: each brings what it needs,
//! and nobody waits for what another verb needs. This one knows who has which verb.

mod c_compiler;
mod programs;
mod verbs;

use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::ffi::OsString;
use std::process::ExitCode;
use verbs::{Place, VERBS};

fn command() -> Command {
    let command = Command::new("cargo xtask").bin_name("cargo xtask").about("extram's commands");
    let command = command.subcommand_required(true).arg_required_else_help(true);
    VERBS.iter().fold(command, |command, verb| {
        let own = Command::new(verb.name).about(verb.about);
        command.subcommand(match verb.at {
            Place::Here => {
                own.arg(
                    option("target")
                        .value_name("TRIPLE")
                        .help("Install what this target needs. Without it: what the tests of the host need"),
                )
                .arg(option("all").action(ArgAction::SetTrue).help("Install what all lanes and targets need"))
            }
            // Only here for the list: it gets its words as they are.
            Place::Beside(_) => own,
            Place::Optimised { options, .. } => own.arg(
                Arg::new("options")
                    .value_name("OPTIONS")
                    .num_args(0..)
                    .trailing_var_arg(true)
                    .allow_hyphen_values(true)
                    .value_parser(clap::value_parser!(OsString))
                    .help(options),
            ),
        })
    })
}

fn option(name: &'static str) -> Arg {
    Arg::new(name).long(name)
}

/// Setting up for another system takes what the crates for them know.
fn setup(words: &ArgMatches) -> Result<()> {
    let target = words.get_one::<String>("target").map(String::as_str);
    let all = words.get_flag("all");
    toolchain::setup::setup(target, all)?;
    if !all && target.is_none() {
        return Ok(());
    }
    let target = target.into_iter().flat_map(|target| ["--target", target]);
    Err(programs::beside("xtask-systems", &Vec::from_iter(["setup"].into_iter().chain(target))))
}

/// What another program has is handed on as it is; `help VERB` is `VERB --help`.
fn hand_on(words: &[OsString]) -> Option<anyhow::Error> {
    let verb = |at: usize| words.get(at).and_then(|word| word.to_str());
    if verb(0) == Some("help") {
        let name = verb(1)?;
        return Some(programs::beside(verbs::beside(name)?, &[name, "--help"]));
    }
    Some(programs::beside(verbs::beside(verb(0)?)?, words))
}

fn start() -> Result<()> {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let Some(error) = hand_on(&words) {
        return Err(error);
    }
    let matches = command().get_matches();
    let (name, words) = matches.subcommand().expect("clap asks for one");
    let verb = VERBS.iter().find(|verb| verb.name == name).expect("clap knows no other");
    match (verb.at, name) {
        (Place::Here, _) => setup(words),
        (Place::Optimised { package, program, .. }, _) => {
            if program == "callback-gc" {
                c_compiler::check_yours()?;
            }
            let words: Vec<&OsString> = words.get_many("options").into_iter().flatten().collect();
            Err(programs::optimised(package, program, &words)?)
        }
        (Place::Beside(_), _) => unreachable!("it was handed on"),
    }
}

fn main() -> ExitCode {
    toolchain::closed_pipe::end_quietly();
    judge::exit_code(&start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_can_be_parsed() {
        command().debug_assert();
    }
}
