//! The verbs about the C face on a system: `cargo xtask install` and `uninstall`.

use anyhow::{Result, bail};
use install::Options;
use std::process::ExitCode;

enum Verb {
    /// Install extram.h, libextram, and the files for pkg-config, CMake and man.
    Install(Options),
    /// Remove what install put there.
    Uninstall(Options),
    /// What there is to say of one of them.
    Help(&'static str),
}

impl Verb {
    /// Without a verb it is `install`, so that `cargo run -p xtask-install` is of use.
    fn parse(mut words: Vec<String>) -> Result<Self> {
        let verb = match words.first() {
            Some(word) if !word.starts_with('-') => words.remove(0),
            _ => "install".to_owned(),
        };
        let options = Options::parse(words)?;
        match (&*verb, options) {
            ("install", None) => Ok(Verb::Help(install::INSTALL_HELP)),
            ("uninstall", None) => Ok(Verb::Help(install::UNINSTALL_HELP)),
            ("install", Some(options)) => Ok(Verb::Install(options)),
            ("uninstall", Some(options)) => Ok(Verb::Uninstall(options)),
            _ => bail!("there is no {verb} here, only install and uninstall"),
        }
    }
}

fn main() -> ExitCode {
    toolchain::closed_pipe::end_quietly();
    let verb = match Verb::parse(std::env::args().skip(1).collect()) {
        Ok(verb) => verb,
        Err(error) => {
            eprintln!("xtask: {error:#} (--help lists what there is)");
            return ExitCode::from(2);
        }
    };
    let done = match verb {
        Verb::Install(options) => install::install(&options),
        Verb::Uninstall(options) => install::uninstall(&options),
        Verb::Help(text) => {
            println!("{text}");
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(words: &[&str]) -> String {
        let parsed = Verb::parse(words.iter().map(|word| (*word).to_owned()).collect());
        parsed.err().expect("it is wrong").to_string()
    }

    #[test]
    fn what_is_not_understood_is_named_in_one_sentence() {
        assert_eq!(said(&["instal"]), "there is no instal here, only install and uninstall");
        assert_eq!(said(&["install", "--prefx=/usr"]), "there is no option --prefx");
        assert_eq!(said(&["install", "--prefix"]), "--prefix needs a value");
        assert_eq!(said(&["install", "/usr"]), "/usr is not an option; did you mean --prefix /usr?");
        assert_eq!(said(&["uninstall", "--prefix="]), "--prefix needs a value");
    }

    #[test]
    fn a_verb_may_be_left_out_and_help_is_no_error() {
        let of = |words: &[&str]| Verb::parse(words.iter().map(|word| (*word).to_owned()).collect()).unwrap();
        assert!(matches!(of(&["--prefix", "/usr"]), Verb::Install(_)));
        assert!(matches!(of(&["uninstall"]), Verb::Uninstall(_)));
        for (verb, begins) in
            [("install", "Install extram.h"), ("uninstall", "Remove what install put there")]
        {
            let Verb::Help(text) = of(&[verb, "--help"]) else { panic!("no help") };
            assert!(
                text.starts_with(begins) && text.contains(&format!("Usage: cargo xtask {verb} ")),
                "{text}"
            );
        }
    }
}
