//! The Promela model, tests/proof/model/extram.pml, checked by spin.

use anyhow::{Context as _, Result, ensure};
use judge::Summary;
use std::path::Path;
use toolchain::command::{Command, which};

/// One property of the model in one of its configurations.
struct Check {
    what: &'static str,
    defines: &'static [&'static str],
    property: &'static str,
    /// The model is made wrong, and spin has to say so.
    wrong: bool,
}

const CHECKS: &[Check] = &[
    Check { what: "no M is spare while a thread waits", defines: &[], property: "either", wrong: false },
    Check {
        what: "at most needed + 1 Ms, two failures",
        defines: &["-DFAILURES=2"],
        property: "few",
        wrong: false,
    },
    Check {
        what: "five threads that never leave are served",
        defines: &[],
        property: "served",
        wrong: false,
    },
    Check {
        what: "four threads that never leave are served or told, two failures",
        defines: &["-DTHREADS=4", "-DFAILURES=2"],
        property: "served",
        wrong: false,
    },
    Check {
        what: "under a limit of 2, four threads that leave are served, one failure",
        defines: &["-DTHREADS=4", "-DFAILURES=1", "-DLIMIT=2", "-DLEAVE"],
        property: "served",
        wrong: false,
    },
    Check {
        what: "new Ms that owe nothing leave threads behind",
        defines: &["-DNEW_OWES=0"],
        property: "served",
        wrong: true,
    },
];

/// Every check; skipped where there is no spin, or nothing that compiles what it writes.
pub(crate) fn checks() -> Result<Summary> {
    if let Some(missing) = ["spin", "gcc"].into_iter().find(|tool| which(tool).is_none()) {
        let reason = format!("no {missing}; `cargo xtask setup` installs it");
        return Ok(Summary::skipped("the Promela model", &reason));
    }
    let place = std::env::current_dir()?.join("target/spin");
    std::fs::create_dir_all(&place)?;
    println!("{}", Command::new("spin").arg("-V").read()?.trim());
    let mut summary = Summary::default();
    for check in CHECKS {
        summary += Summary::of(check.what, run(check, &place));
    }
    Ok(summary)
}

fn run(check: &Check, place: &Path) -> Result<()> {
    let here = |command: Command| command.dir(place);
    here(Command::new("spin").args(check.defines).args(["-a", "../../tests/proof/model/extram.pml"]))
        .read()?;
    here(Command::new("gcc").args(["-O2", "-DNFAIR=3", "-DMEMLIM=2048", "-o", "pan", "pan.c"])).read()?;
    // Acceptance cycles under weak fairness; a trail of 100,000 steps.
    let search = here(Command::new(place.join("pan")).args(["-m100000", "-a", "-f", "-N", check.property]));
    search.echo();
    let (errors, states) = figures(&search.read()?).context("no figures from spin")?;
    println!("  {}: {states} states, {errors} errors", check.what);
    ensure!((errors > 0) == check.wrong, "{errors} errors");
    Ok(())
}

/// How many errors and how many states, from what the search prints. A search that was cut short
/// gives none.
fn figures(out: &str) -> Option<(u32, u64)> {
    if out.contains("max search depth too small") || out.contains("out of memory") {
        return None;
    }
    let errors = out.lines().find_map(|line| line.split_once("errors: ")?.1.trim().parse().ok())?;
    let states = out.lines().find_map(|line| {
        let (count, what) = line.trim().split_once(' ')?;
        what.trim().starts_with("states, stored").then(|| count.parse().ok())?
    })?;
    Some((errors, states))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_and_a_search_cut_short_has_none() {
        let out = "State-vector 80 byte, depth reached 176, errors: 0\n   452497 states, stored (3.6e+06 visited)\n";
        assert_eq!(figures(out), Some((0, 452_497)));
        assert_eq!(figures(&format!("error: max search depth too small\n{out}")), None);
        assert_eq!(figures("nothing"), None);
    }
}
