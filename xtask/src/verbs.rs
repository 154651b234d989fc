//! Every verb: its name, what it does, and which program has it.

/// One verb.
pub(super) struct Verb {
    pub(super) name: &'static str,
    /// In the words of the program that has it.
    pub(super) about: &'static str,
    pub(super) at: Place,
}

/// Which program has a verb.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// This one.
    Here,
    /// That of a crate beside this one, which is built when it is asked for.
    Beside(&'static str),
    /// One that measures or shows: package, program, and what it takes to build it.
    Optimised { package: &'static str, program: &'static str, options: &'static str },
}

use Place::{Beside, Here, Optimised};

pub(super) const VERBS: &[Verb] = &[
    Verb {
        name: "api",
        about: "Compare the lists of public items with the code, or write them",
        at: Beside("xtask-packages"),
    },
    Verb {
        name: "bench",
        about: "Measure everything, beside live runtimes and other pools: one report",
        at: Optimised {
            package: "extram-bench",
            program: "bench",
            options: "Options of the measurement: --quick (20 seconds), --only herd,entry,limit,live, --rounds N, --compare FILE; `cargo xtask bench -- --help` lists all",
        },
    },
    Verb {
        name: "callback-gc",
        about: "Run the main demonstration: C threads call into Lua while garbage is collected, with a picture",
        at: Optimised {
            package: "extram-callback-gc",
            program: "callback-gc",
            options: "Options of the program: --threads N, --cost-us MICROSECONDS, --short, --all-inside, --rounds N, --report FILE, --json; `cargo xtask callback-gc -- --help` lists all",
        },
    },
    Verb {
        name: "header",
        about: "Compare extram.h with the code, or write it",
        at: Beside("xtask-packages"),
    },
    Verb { name: "freebsd", about: "Fetch the FreeBSD that the tests run on", at: Beside("xtask-freebsd") },
    Verb {
        name: "herd",
        about: "Measure a herd of fresh threads on a cold pool, extram beside the references",
        at: Optimised {
            package: "extram-herd",
            program: "herd",
            options: "Options of the program: --threads N, --cost-us MICROSECONDS, --short, --all-inside, --rounds N, --algorithms NAMES, --json; `cargo xtask herd -- --help` says more",
        },
    },
    Verb {
        name: "install",
        about: "Install extram.h, libextram, and the files for pkg-config, CMake and man",
        at: Beside("xtask-install"),
    },
    Verb {
        name: "interrupts",
        about: "Run a demonstration on two Cortex-M33: an interrupt and a second core call into a runtime",
        at: Beside("xtask-boards"),
    },
    Verb {
        name: "new-port",
        about: "Write the skeleton of a port to another system",
        at: Beside("xtask-systems"),
    },
    Verb {
        name: "run",
        about: "Run one program on FreeBSD in QEMU, with its output and its exit code",
        at: Beside("xtask-freebsd"),
    },
    Verb {
        name: "mutate",
        about: "Break the core in one place at a time and show which test notices",
        at: Beside("xtask-models"),
    },
    Verb {
        name: "setup",
        about: "Install what the tests need (on Debian as root), or say what is missing",
        at: Here,
    },
    Verb {
        name: "simulate",
        about: "Simulate herds and calls on 1 to 512 cores, by a virtual clock",
        at: Beside("xtask-models"),
    },
    Verb {
        name: "size",
        about: "Measure the smallest program that embeds extram on bare metal against its budget",
        at: Beside("xtask-boards"),
    },
    Verb {
        name: "soak",
        about: "Mix everything that can be done to a pool, at random, for as long as you like",
        at: Optimised {
            package: "extram-soak",
            program: "soak",
            options: "Options of the program: --seconds SECONDS, --seed N, --entries N, --acts N, --fresh-threads N, --edges; `cargo xtask soak -- --help` lists them",
        },
    },
    Verb {
        name: "targets",
        about: "List every target: what is proved for it, and how it is built and run on this machine",
        at: Beside("xtask-systems"),
    },
    Verb { name: "uninstall", about: "Remove what install put there", at: Beside("xtask-install") },
    Verb {
        name: "vendor",
        about: "Write a copy that builds without a network",
        at: Beside("xtask-packages"),
    },
    Verb {
        name: "test",
        about: "Run the tests: the host's, another target's, or further lanes",
        at: Beside("xtask-lanes"),
    },
];

/// The crate beside this one that has the verb.
pub(super) fn beside(name: &str) -> Option<&'static str> {
    VERBS.iter().find(|verb| verb.name == name).and_then(|verb| match verb.at {
        Beside(package) => Some(package),
        Here | Optimised { .. } => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_that_is_said_to_have_a_verb_has_it_and_says_the_same_of_it() {
        for Verb { name, about, .. } in VERBS {
            let Some(package) = beside(name) else { continue };
            let folder = package.strip_prefix("xtask-").unwrap();
            let path = toolchain::workspace().join("xtask").join(folder).join("src/main.rs");
            let source = std::fs::read_to_string(&path).unwrap();
            let capital: String = name.split('-').map(|part| part[..1].to_uppercase() + &part[1..]).collect();
            let there = source.contains(&format!("    /// {about}.\n    {capital}"));
            assert!(there, "{name} in {}", path.display());
            // A reader that stops, as `head` does, is no fault of a verb's.
            assert!(source.contains("closed_pipe::end_quietly();"), "{}", path.display());
        }
    }
}
