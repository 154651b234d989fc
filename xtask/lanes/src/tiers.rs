//! The table at the end of `cargo xtask test --all`: every target, how far it is to be proved, and what ran.

use judge::Ran;
use std::fmt::Write as _;
use toolchain::targets::Tier;

/// The lanes that are not named after their target.
const NAMED: &[(&str, &str)] = &[
    ("host", "x86_64-unknown-linux-gnu"),
    ("freebsd", "x86_64-unknown-freebsd"),
    ("freebsd-arm", "aarch64-unknown-freebsd"),
    ("windows", "x86_64-pc-windows-gnu"),
    ("cortex-m0", "thumbv6m-none-eabi"),
    ("cortex-m3", "thumbv7m-none-eabi"),
    ("cortex-m33", "thumbv8m.main-none-eabi"),
    ("riscv32", "riscv32imac-unknown-none-elf"),
    ("riscv64", "riscv64gc-unknown-none-elf"),
    ("aarch64", "aarch64-unknown-none"),
];

/// Compiled by another target's lane.
const WITHIN: &[(&str, &str)] =
    &[("i686-pc-windows-gnu", "windows"), ("riscv32imc-unknown-none-elf", "riscv32")];

/// The table; nothing where at most one target was asked for.
pub(crate) fn table(ran: &[Ran]) -> String {
    let of = |triple: &str| ran.iter().find(|ran| lane(triple) == ran.name);
    if systems::tiers().filter(|(triple, _)| of(triple).is_some()).count() < 2 {
        return String::new();
    }
    let mut table = format!("{:<30} {:<7} passed failed skipped\n", "target", "tier");
    for (triple, tier) in systems::tiers() {
        let _ = writeln!(table, "{triple:<30} {tier:<7} {}", row(tier, triple, of(triple)));
    }
    table + "\n"
}

/// The name of a target's lane.
fn lane(triple: &str) -> &str {
    NAMED.iter().find(|(_, named)| *named == triple).map_or(triple, |(lane, _)| lane)
}

fn row(tier: Tier, triple: &str, ran: Option<&Ran>) -> String {
    let Some(Ran { summary, .. }) = ran else {
        let within = WITHIN.iter().find(|(within, _)| *within == triple);
        return within.map_or("not asked for".to_owned(), |(_, lane)| format!("{tier} in the lane {lane}"));
    };
    let counts = format!("{:>6} {:>6} {:>7}", summary.passed, summary.failed, summary.skipped);
    match &*summary.left_out {
        [why, ..] if summary.passed + summary.failed == 0 => format!("{counts} {why}"),
        _ => counts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use judge::Summary;

    #[test]
    fn every_target_has_a_lane_or_says_where_it_is_compiled() {
        let lanes = crate::test::all();
        for (triple, _) in systems::tiers() {
            let within = WITHIN.iter().find(|(within, _)| *within == triple);
            let lane = within.map_or(lane(triple), |(_, lane)| lane);
            assert!(lanes.iter().any(|name| name == lane), "{triple}: {lane}");
        }
    }

    #[test]
    fn each_target_is_told_with_its_counts_or_why_there_are_none() {
        let passed = Ran::of("cortex-m3", || Ok(Summary { passed: 51, skipped: 3, ..Summary::default() }));
        let skipped = Ran::of("windows", || Ok(Summary::skipped("windows", "no wine")));
        let table = table(&[passed, skipped]);
        let line = |triple: &str| table.lines().find(|line| line.starts_with(triple)).unwrap();
        assert_eq!(line("thumbv7m"), "thumbv7m-none-eabi             runs        51      0       3");
        assert!(line("x86_64-pc-windows-gnu").ends_with("0      0       1 windows: no wine"), "{table}");
        assert!(line("x86_64-unknown-linux-gnu").ends_with("not asked for"), "{table}");
        let alone = Ran::of("host", || Ok(Summary::PASSED));
        assert_eq!(super::table(&[alone]), "");
    }
}
